import ArgumentParser

/// How many, how long, how fast.
struct ClusterOptions: ParsableArguments {
    @Option(help: "Users that a node copies when it comes back.")
    var users = 1_000_000
    @Option(help: "Changes a second under which the lag is measured, with commas between.")
    var rates = "50000,100000"
    @Option(help: "Seconds for which each rate is held.")
    var seconds = 8
    @Option(help: "Sessions that beat where crossing beats are counted.")
    var sessions = 100_000
    @Option(help: "Times that a node is killed.")
    var kills = 5

    /// The rates, as numbers.
    var changeRates: [Double] { rates.split(separator: ",").compactMap { Double($0) } }

    func validate() throws {
        try Bounds.check("--users", users, 1_000...100_000_000)
        try Bounds.check("--seconds", seconds, 1...600)
        try Bounds.check("--sessions", sessions, 500...1_000_000)
        try Bounds.check("--kills", kills, 1...100)
        for word in rates.split(separator: ",", omittingEmptySubsequences: false) {
            guard let rate = Double(word) else {
                throw ValidationError("--rates are numbers with commas between, not \(word)")
            }
            try Bounds.check("--rates", rate, 100...Bounds.rate.upperBound)
        }
    }
}

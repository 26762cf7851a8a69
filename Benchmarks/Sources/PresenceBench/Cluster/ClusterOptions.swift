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
        guard (1_000...100_000_000).contains(users), (1...600).contains(seconds), (500...1_000_000).contains(sessions),
            (1...100).contains(kills), !changeRates.isEmpty, changeRates.allSatisfy({ (100...10_000_000).contains($0) })
        else {
            throw ValidationError(
                "1000 to 100000000 users, rates of 100 to 10000000, 1 to 600 seconds, 500 to 1000000 sessions, 1 to 100 kills"
            )
        }
    }
}

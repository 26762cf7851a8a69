/// One figure of several servers, measured in rounds: a row each, with the share that presenced's is of the better of the others'.
struct SideBySide {
    /// What the figure is, as its rows begin.
    let name: String
    /// Digits behind the point.
    let digits: Int
    /// What presenced is to have at most.
    let goal: String
    private var servers: [(name: String, isOwn: Bool, sample: Sample)] = []

    init(_ name: String, digits: Int, goal: String = "") {
        self.name = name
        self.digits = digits
        self.goal = goal
    }

    /// The columns that `rows` fill.
    static let columns = ["", "server", "median", "spread", "of theirs", "goal"]

    /// What a table of such rows says below.
    static func note(rounds: Int) -> String {
        "\(rounds) rounds in turns, each with servers that begin anew: the median, least and greatest; *of theirs*: over the better of the others."
    }

    /// Adds a round of one server.
    mutating func add(_ value: Double, of server: String, isOwn: Bool) {
        if let place = servers.firstIndex(where: { $0.name == server }) {
            servers[place].sample.add(value)
        } else {
            servers.append((server, isOwn, .of([value])))
        }
    }

    /// A row for each server, in the order in which they came first.
    var rows: [[String]] {
        let theirs = servers.filter { !$0.isOwn }.map(\.sample.median).min() ?? .nan
        return servers.map { server in
            let median = server.sample.median
            return [
                name, server.name, fixed(median, digits), server.sample.spread(digits),
                server.isOwn ? fixed(median / theirs, 2) : "", server.isOwn ? goal : "",
            ]
        }
    }
}

extension ServerKind {
    /// These servers in the order of a round: every other backwards, so that none always comes after the same other.
    static func inTurn(_ kinds: [ServerKind], round: Int) -> [ServerKind] {
        round.isMultiple(of: 2) ? kinds : kinds.reversed()
    }
}

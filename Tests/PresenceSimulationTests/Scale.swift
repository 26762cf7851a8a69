/// How large a life is, what is in it and what goes wrong.
extension Simulation {
    struct Scale: Equatable {
        var users = 40
        /// Milliseconds of chaos, and of quiet afterwards.
        var chaos: Int64 = 60_000
        var quiet: Int64 = 10_000
        var nodes = 3
        /// Further nodes that only follow: nobody connects there, and they tell nobody anything.
        var followers = 0
        var hasChaos = true
        /// Gateways that each hold some of the clients with a lease.
        var gateways = 0
        /// What becomes of a node now and then, for long, where nothing else goes wrong; nil for nothing.
        var outage: Outage?
        /// For how long such a node holds sessions that it could not hear of, in milliseconds.
        var stallHold: Int64 = 5_000
        /// Whether fault points fail.
        var hasFaults = true
        /// Whether bytes are lost, repeated or overtaken on their way, now and then.
        var spoilsBytes = true
        /// Between two things that go wrong, in milliseconds.
        var chaosPause: ClosedRange<Int64> = 500...4_000
        /// Whether it is told apart what a node could not know, of what it showed otherwise than it is.
        var asksForKnowledge = false
        /// Between two things that somebody does, in milliseconds.
        var pace: Int64 = 60
        /// What is wrong with one node's merge, on purpose: for a test in which the checkers must find that.
        var flaw: Flaw?
    }

    /// How a node is lost for long.
    enum Outage {
        /// It is stopped, and goes on where it was: one at a time.
        case stop
        /// It is killed, and begins anew with nothing, or stays away; one stays.
        case kill
        /// It ends in good order, and begins anew with nothing: one at a time, as in a rolling restart.
        case leave
    }

    /// The kinds of lives that tests play.
    enum Life: String, CaseIterable {
        case calm, chaos, gateways, follower, stops, kills, leaves, thousand

        var scale: Scale {
            var scale = Scale()
            switch self {
            case .calm: scale.hasChaos = false
            case .chaos: break
            case .gateways: scale.gateways = 3
            case .follower: scale.followers = 1
            case .stops, .kills, .leaves:
                scale.hasChaos = false
                scale.outage = self == .stops ? .stop : self == .kills ? .kill : .leave
                scale.users = self == .leaves ? 60 : 20
                scale.gateways = self == .leaves ? 0 : 3
                scale.chaos = 150_000
            case .thousand:
                scale.users = 1_000
                scale.chaos = 12_000
                scale.pace = 6
            }
            return scale
        }
    }
}

/// A life that is smaller than its kind, as a test prints it and reads it again: `gateways users=4 chaos=1500 faults=0`.
extension Simulation.Scale {
    private typealias Size = (
        name: String, get: @Sendable (Self) -> Int64, set: @Sendable (inout Self, Int64) -> Void
    )

    /// What of a kind can be made smaller, by the names that are printed.
    private static let sizes: [Size] = [
        ("users", { Int64($0.users) }, { $0.users = Int($1) }),
        ("chaos", { $0.chaos }, { $0.chaos = $1 }),
        ("gateways", { Int64($0.gateways) }, { $0.gateways = Int($1) }),
        ("followers", { Int64($0.followers) }, { $0.followers = Int($1) }),
        ("faults", { $0.hasFaults ? 1 : 0 }, { $0.hasFaults = $1 != 0 }),
    ]

    /// In words, as a life of a kind.
    func spelled(as life: Simulation.Life) -> String {
        let kind = life.scale
        let differing = Self.sizes.filter { $0.get(self) != $0.get(kind) }
        return ([life.rawValue] + differing.map { "\($0.name)=\($0.get(self))" }).joined(separator: " ")
    }

    /// The life of some words; nil if they name none.
    init?(_ words: String) {
        let words = words.split(separator: " ")
        guard let life = words.first.flatMap({ Simulation.Life(rawValue: String($0)) }) else { return nil }
        self = life.scale
        for word in words.dropFirst() {
            let parts = word.split(separator: "=")
            guard parts.count == 2, let value = Int64(parts[1]),
                let size = Self.sizes.first(where: { $0.name == parts[0] })
            else { return nil }
            size.set(&self, value)
        }
    }
}

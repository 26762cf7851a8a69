/// Users who connect and disconnect: alone, known to many, or watched by many.
///
/// Relations outlive sessions, and `FLUSHALL` with them: these users are others than those of all other works.
enum KnownWork: String, Codable, CaseIterable {
    case alone, edges, watched

    static let users = 4_000
    static let edgesEach = 200
    static let watchersEach = 200

    var name: String {
        switch self {
        case .alone: "connect, disconnect"
        case .edges: "\(KnownWork.edgesEach) edges"
        case .watched: "\(KnownWork.edgesEach) edges, \(KnownWork.watchersEach) watchers told"
        }
    }

    /// The number of the first user.
    var first: Int { self == .alone ? 3_000_000_000 : 2_000_000_000 }

    private func key(_ number: Int) -> String { Heartbeat.key(Heartbeat.name(first + number % KnownWork.users)) }

    /// Everybody comes, then everybody goes.
    var commands: LoadCommands {
        LoadCommands(0..<2 * KnownWork.users, .exact(":1\r\n")) { number in
            number < KnownWork.users
                ? Record.connect(
                    user: Heartbeat.name(first + number), session: Heartbeat.session,
                    options: ["EX", Heartbeat.lifetime])
                : ["PRESENCE.DISCONNECT", key(number), Heartbeat.session]
        }
    }

    /// Gives each user his edges, if he has none yet: half of them friends, half blocked, none of them a watcher.
    func relate(_ connection: Connection) throws {
        guard self != .alone, try !connection.hasBlocked(key(KnownWork.users - 1)) else { return }
        try relate(true, connection)
    }

    /// Makes all edges, or ends them.
    func relate(_ isMade: Bool, _ connection: Connection) throws {
        let half = KnownWork.edgesEach / 2
        let (friend, block) = Relation.commands(isMade)
        for (command, behind) in [(friend, 1), (block, 1 + half)] {
            try connection.load(KnownWork.users, expecting: .integer(half)) { user in
                [command, key(user)] + (behind..<behind + half).map { key(user + $0) }
            }
        }
    }
}

import PresenceTesting

/// A day of presence in minutes: of a hundred commands 68 are beats, 8 beats with activity, 8 friends lists of 20, 6 records, 4 connects, 3 ends and 3
/// changes of status. Who is connected changes all the time, so what a reply must be is known by its form.
struct MixedWork {
    static let friends = 20
    private static let count = 100_000

    private let isPresenced: Bool
    private let scripts: (write: String, end: String)

    init(_ traits: ServerTraits, _ connection: Connection) throws {
        if traits.isPresenced {
            // A day in minutes: users change as often in a second as people do in an hour.
            try connection.command(["CONFIG", "SET", "status-changes-per-minute", "0"], expecting: .simple("OK"))
        }
        self.init(
            isPresenced: traits.isPresenced,
            scripts: traits.isPresenced
                ? ("", "") : (try connection.loadScript(MixedWork.write), try connection.loadScript(MixedWork.end)))
    }

    init(isPresenced: Bool, scripts: (write: String, end: String) = ("", "")) {
        self.isPresenced = isPresenced
        self.scripts = scripts
    }

    /// What a connect and a change of status are elsewhere: the record is written, and whoever watches is told.
    private static let write =
        "redis.call('SET', KEYS[1], ARGV[1], 'EX', \(Heartbeat.lifetime)) return redis.call('PUBLISH', '\(StatusChannel.name)', ARGV[1])"
    /// And an end: of a record that is there, whoever watches is told.
    private static let end =
        "local ended = redis.call('DEL', KEYS[1]) if ended == 1 then redis.call('PUBLISH', '\(StatusChannel.name)', ARGV[1]) end return ended"

    /// Statuses by hand outlive sessions, and `FLUSHALL` with them: other works expect none.
    static func forgetStatuses(_ job: LoadJob) throws {
        let connection = try Connection(job.address)
        guard try ServerTraits(connection).isPresenced else { return }
        try connection.load(job.users, expecting: .simple("OK")) { user in
            ["PRESENCE.SET", Heartbeat.key(Heartbeat.name(user)), "STATUS", "auto"]
        }
    }

    /// The same commands in the same order in every run.
    func commands(_ job: LoadJob) -> LoadCommands {
        let record = ExpectedReply.oneOf([.null, .bulk(containing: "\"status\":\"")])
        let statuses = ["online", "offline", "dnd", "away", "idle"].map { ExpectedReply.exact(LoadWay.bulk($0)) }
        var commands = LoadCommands([
            .truth, .exact(":1\r\n"), .exact("+OK\r\n"), record,
            .array(count: MixedWork.friends, of: isPresenced ? statuses : [record]),
            .exact(":\(Watchers.count)\r\n"),
        ])
        var random = SeededRandom(seed: UInt64(job.part + 1))
        for _ in 0..<MixedWork.count / job.parts {
            let user = Heartbeat.name(Int.random(in: 0..<job.users, using: &random))
            let (words, kind) = command(Int.random(in: 0..<100, using: &random), user, job.users, &random)
            commands.add(words, kind: kind)
        }
        return commands
    }

    private func command(_ dice: Int, _ user: String, _ users: Int, _ random: inout SeededRandom) -> ([String], Int) {
        let key = Heartbeat.key(user)
        let session = Heartbeat.session
        switch dice {
        case ..<68: return (isPresenced ? ["PRESENCE.BEAT", key, session] : ["EXPIRE", key, Heartbeat.lifetime], 0)
        case ..<76: return (isPresenced ? ["PRESENCE.ACTIVE", key, session] : ["EXPIRE", key, Heartbeat.lifetime], 0)
        case ..<84:
            let friends = (0..<MixedWork.friends).map { _ in
                Heartbeat.key(Heartbeat.name(Int.random(in: 0..<users, using: &random)))
            }
            return ([isPresenced ? "PRESENCE.MGET" : "MGET"] + friends, 4)
        case ..<90: return (["GET", key], 3)
        case ..<94:
            return isPresenced
                ? (Record.connect(user: user, session: session, options: ["EX", Heartbeat.lifetime]), 1)
                : (["EVALSHA", scripts.write, "1", key, Record.json(user: user, session: session)], 5)
        case ..<97:
            let record = Record.json(user: user, session: session, status: "offline")
            return (
                isPresenced ? ["PRESENCE.DISCONNECT", key, session] : ["EVALSHA", scripts.end, "1", key, record], 0
            )
        default:
            let status = Bool.random(using: &random) ? "dnd" : "away"
            return isPresenced
                ? (["PRESENCE.SET", key, "STATUS", status], 2)
                : (["EVALSHA", scripts.write, "1", key, Record.json(user: user, session: session, status: status)], 5)
        }
    }
}

/// Connects of users that the server does not know, each once: what a deploy of the gateways brings.
enum StormWork: String, Codable {
    /// `PRESENCE.CONNECT` of presenced.
    case command
    /// The least that others can do: the record as a string with a TTL.
    case string
    /// What lets a heartbeat be small there: a script that sets the record's eight fields and the TTL.
    case script
    /// As much, where fields of a hash have lifetimes of their own.
    case fieldLifetime

    private static let lua =
        "redis.call('HSET', KEYS[1], unpack(ARGV)) return redis.call('EXPIRE', KEYS[1], \(Heartbeat.lifetime))"

    static func all(of traits: ServerTraits) -> [StormWork] {
        traits.isPresenced ? [.command] : [.string, .script] + (traits.hasFieldLifetimes ? [.fieldLifetime] : [])
    }

    var name: String {
        switch self {
        case .command: "PRESENCE.CONNECT"
        case .string: "SET EX of the JSON"
        case .script: "Lua: eight fields, EXPIRE"
        case .fieldLifetime: "HSETEX: eight fields"
        }
    }

    /// The connects of this process's share of the users.
    func commands(_ connection: Connection, _ order: [Int], _ job: LoadJob) throws -> LoadCommands {
        let share = order[(order.count * job.part / job.parts)..<(order.count * (job.part + 1) / job.parts)]
        let session = Heartbeat.session
        let digest = self == .script ? try connection.loadScript(StormWork.lua) : ""
        return LoadCommands(share, .exact(self == .string ? "+OK\r\n" : ":1\r\n")) { number in
            let user = Heartbeat.name(number)
            let key = Heartbeat.key(user)
            return switch self {
            case .command: Record.connect(user: user, session: session, options: ["EX", Heartbeat.lifetime])
            case .string: ["SET", key, Record.json(user: user, session: session), "EX", Heartbeat.lifetime]
            case .script: ["EVALSHA", digest, "1", key] + Record.fields(user: user, session: session)
            case .fieldLifetime:
                ["HSETEX", key, "EX", Heartbeat.lifetime, "FIELDS", "8"] + Record.fields(user: user, session: session)
            }
        }
    }
}

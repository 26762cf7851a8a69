/// A heartbeat as a server is given it, by `redis-benchmark`, which puts 12 digits in place of `__rand_int__`.
enum Heartbeat {
    /// `PRESENCE.BEAT` of presenced.
    case beat
    /// The least that others can do: a new TTL.
    case expire
    /// What others need to say as much: a script that sets two fields and the TTL.
    case script

    static let session = "connection-000000001"
    private static let now = "1735689600000"
    private static let lua =
        "redis.call('HSET', KEYS[1], 'lastHeartbeat', ARGV[1], 'status', 'online') "
        + "return redis.call('EXPIRE', KEYS[1], 120)"

    static func key(_ name: String) -> String { "presence:user:" + name }

    /// The user with this number, spelt as `redis-benchmark` spells it.
    static func name(_ number: Int) -> String {
        let digits = String(number)
        return String(repeating: "0", count: 12 - digits.count) + digits
    }

    var name: String {
        switch self {
        case .beat: "PRESENCE.BEAT"
        case .expire: "EXPIRE"
        case .script: "Lua: HSET of two fields, EXPIRE"
        }
    }

    /// The works that this server can do.
    static func all(of kind: ServerKind) -> [Heartbeat] {
        kind.isPresenced || kind.isFloor ? [.beat] : [.expire, .script]
    }

    /// The command for one user; a script is made known to the server first.
    func command(_ connection: Connection, user: String) throws -> [String] {
        switch self {
        case .beat: return ["PRESENCE.BEAT", Heartbeat.key(user), Heartbeat.session]
        case .expire: return ["EXPIRE", Heartbeat.key(user), "120"]
        case .script:
            guard case .bulk(let digest) = try connection.command("SCRIPT", "LOAD", Heartbeat.lua) else {
                throw BenchError("the script was refused")
            }
            return ["EVALSHA", digest, "1", Heartbeat.key(user), Heartbeat.now]
        }
    }

    /// Gives a server its users: with one session here, as a hash of the record's eight fields there.
    static func load(_ server: RunningServer, users: Int) throws {
        guard !server.kind.isFloor else { return }
        let connection = try server.connect()
        if server.kind.isPresenced {
            try connection.load(users, expecting: .integer(1)) { number in
                Record.connect(user: name(number), session: session, options: ["EX", "300"])
            }
        } else {
            _ = try connection.command("FLUSHALL")
            try connection.load(users, expecting: .integer(8)) { number in
                Record.hash(user: name(number), session: session)
            }
            try connection.load(users, expecting: .integer(1)) { ["EXPIRE", key(name($0)), "120"] }
        }
    }

    /// How many heartbeats the server has taken since it began, and how many it could not take.
    func counts(_ connection: Connection) throws -> (taken: Int, failed: Int) {
        guard self != .beat else {
            return try (connection.info("presence", "beats"), connection.info("presence", "unknown_beats"))
        }
        let name = self == .expire ? "expire" : "evalsha"
        guard case .bulk(let text) = try connection.command("INFO", "commandstats") else {
            throw BenchError("INFO commandstats failed")
        }
        var counts = (taken: 0, failed: 0)
        for line in text.split(whereSeparator: \.isNewline) where line.hasPrefix("cmdstat_\(name):") {
            for field in line.split(separator: ":")[1].split(separator: ",") {
                let parts = field.split(separator: "=")
                let value = Int(parts[1]) ?? 0
                if parts[0] == "calls" { counts.taken = value }
                if parts[0] == "failed_calls" || parts[0] == "rejected_calls" { counts.failed += value }
            }
        }
        return counts
    }
}

/// The record of the source document for one user, in the spellings of the servers.
enum Record {
    /// As presenced takes it.
    static func connect(user: String, session: String, options: [String]) -> [String] {
        [
            "PRESENCE.CONNECT", Heartbeat.key(user), session, "DEVICE", "mobile", "PLATFORM", "ios", "SERVER",
            "gateway-7",
        ] + options
    }

    /// As a hash, its eight fields.
    static func hash(user: String, session: String) -> [String] {
        [
            "HSET", Heartbeat.key(user), "userId", user, "status", "online", "lastSeen", "1735689600000",
            "lastHeartbeat",
            "1735689600000", "deviceType", "mobile", "platform", "ios", "connectionId", session, "serverId",
            "gateway-7",
        ]
    }
}

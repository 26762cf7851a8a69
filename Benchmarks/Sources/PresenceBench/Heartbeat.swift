/// A heartbeat as a server is given it, by `redis-benchmark`, which puts 12 digits in place of `__rand_int__`.
enum Heartbeat: String, Codable {
    /// `PRESENCE.BEAT` of presenced.
    case beat
    /// The least that others can do: a new TTL.
    case expire
    /// What others need to say as much: a script that sets two fields and the TTL.
    case script
    /// As much, where fields of a hash have lifetimes of their own.
    case fieldLifetime

    static let session = "connection-000000001"
    /// Seconds that a user lives without a heartbeat: the longest that presenced allows, so that none runs out while others have their turn.
    static let lifetime = "300"
    private static let now = "1735689600000"
    private static let lua =
        "redis.call('HSET', KEYS[1], 'lastHeartbeat', ARGV[1], 'status', 'online') "
        + "return redis.call('EXPIRE', KEYS[1], \(lifetime))"

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
        case .script: "Lua: two fields, EXPIRE"
        case .fieldLifetime: "HSETEX: two fields"
        }
    }

    /// The works that this server can do.
    static func all(of traits: ServerTraits) -> [Heartbeat] {
        traits.isPresenced || traits.isFloor
            ? [.beat] : [.expire, .script] + (traits.hasFieldLifetimes ? [.fieldLifetime] : [])
    }

    /// The command for one user; a script is made known to the server first.
    func command(_ connection: Connection, user: String) throws -> [String] {
        switch self {
        case .beat: return ["PRESENCE.BEAT", Heartbeat.key(user), Heartbeat.session]
        case .expire: return ["EXPIRE", Heartbeat.key(user), Heartbeat.lifetime]
        case .script:
            let digest = try connection.loadScript(Heartbeat.lua)
            return ["EVALSHA", digest, "1", Heartbeat.key(user), Heartbeat.now]
        case .fieldLifetime:
            return [
                "HSETEX", Heartbeat.key(user), "EX", Heartbeat.lifetime, "FIELDS", "2", "lastHeartbeat", Heartbeat.now,
                "status",
                "online",
            ]
        }
    }

    /// Gives a server its users: with one session here, as a hash of the record's eight fields there.
    static func load(_ server: RunningServer, users: Int) throws {
        let connection = try server.connect()
        if !server.kind.isPresenced { _ = try connection.command("FLUSHALL") }
        try load(connection, isPresenced: server.kind.isPresenced, users: users)
    }

    /// Gives a server that holds none of them its users, numbered from `first` on.
    ///
    /// - Parameter status: what a user's session brings with it, by his number without `first`; nil for nothing.
    static func load(
        _ connection: Connection, isPresenced: Bool, users: Int, first: Int = 0,
        status: (Int) -> String? = { _ in nil }
    ) throws {
        if isPresenced {
            try connection.load(users, expecting: .integer(1)) { number in
                let brought = status(number).map { ["STATUS", $0] } ?? []
                return Record.connect(
                    user: name(first + number), session: session, options: ["EX", lifetime] + brought)
            }
        } else {
            try connection.load(users, expecting: .integer(8)) { number in
                Record.hash(user: name(first + number), session: session)
            }
            try connection.load(users, expecting: .integer(1)) { ["EXPIRE", key(name(first + $0)), lifetime] }
        }
    }

    /// How many heartbeats the server has taken since it began, and how many it could not take.
    func counts(_ connection: Connection) throws -> (taken: Int, failed: Int) {
        guard self != .beat else {
            return try (connection.info("presence", "beats"), connection.info("presence", "unknown_beats"))
        }
        let name = self == .expire ? "expire" : self == .script ? "evalsha" : "hsetex"
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
            "HSET", Heartbeat.key(user),
        ] + fields(user: user, session: session)
    }

    /// Its eight fields, each behind its name.
    static func fields(user: String, session: String) -> [String] {
        [
            "userId", user, "status", "online", "lastSeen", "1735689600000", "lastHeartbeat", "1735689600000",
            "deviceType", "mobile", "platform", "ios", "connectionId", session, "serverId", "gateway-7",
        ]
    }

    /// As JSON.
    static func json(user: String, session: String, status: String = "online") -> String {
        let pairs = fields(user: user, session: session)
        let members = stride(from: 0, to: pairs.count, by: 2).map { place in
            "\"\(pairs[place])\":\"\(pairs[place] == "status" ? status : pairs[place + 1])\""
        }
        return "{" + members.joined(separator: ",") + "}"
    }
}

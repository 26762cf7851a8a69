/// What a server says it is, by `INFO` and `COMMAND INFO`.
struct ServerTraits {
    enum Software: String { case presenced, redis = "Redis", valkey = "Valkey", floor }

    let software: Software
    let version: String
    /// Whether fields of a hash can have lifetimes of their own (`HSETEX`).
    let hasFieldLifetimes: Bool
    /// Another one each time it starts; empty if it tells none.
    let runID: String
    /// Which build it is, where it tells.
    let build: String?

    /// Of the least that a server can be, which answers all commands alike.
    static let floor = ServerTraits(.floor, "")

    /// One that tells no more than what it is.
    init(_ software: Software, _ version: String) {
        self.software = software
        self.version = version
        hasFieldLifetimes = false
        runID = ""
        build = nil
    }

    init(_ connection: Connection) throws {
        guard case .bulk(let text) = try connection.command("INFO", "server") else {
            throw BenchError("INFO server was refused")
        }
        var fields: [Substring: Substring] = [:]
        for line in text.split(whereSeparator: \.isNewline) {
            let parts = line.split(separator: ":", maxSplits: 1)
            if parts.count == 2 { fields[parts[0]] = parts[1] }
        }
        runID = fields["run_id"].map(String.init) ?? ""
        build = fields["redis_build_id"].map(String.init)
        if let own = fields["presenced_version"] {
            (software, version) = (.presenced, String(own))
        } else if let own = fields["valkey_version"] {
            (software, version) = (.valkey, String(own))
        } else {
            (software, version) = (.redis, fields["redis_version"].map(String.init) ?? "unknown")
        }
        if case .array(let commands) = try connection.command("COMMAND", "INFO", "HSETEX"),
            case .array? = commands.first
        {
            hasFieldLifetimes = true
        } else {
            hasFieldLifetimes = false
        }
    }

    var isPresenced: Bool { software == .presenced }
    var isFloor: Bool { software == .floor }
}

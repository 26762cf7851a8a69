/// What a server says it is, by `INFO` and `COMMAND INFO`.
struct ServerTraits {
    enum Software: String { case presenced, redis = "Redis", valkey = "Valkey" }

    let software: Software
    /// Whether fields of a hash can have lifetimes of their own (`HSETEX`).
    let hasFieldLifetimes: Bool

    init(_ connection: Connection) throws {
        guard case .bulk(let text) = try connection.command("INFO", "server") else {
            throw BenchError("INFO server was refused")
        }
        let names = text.split(whereSeparator: \.isNewline).map { $0.prefix { $0 != ":" } }
        software = names.contains("presenced_version") ? .presenced : names.contains("valkey_version") ? .valkey : .redis
        if case .array(let commands) = try connection.command("COMMAND", "INFO", "HSETEX"),
            case .array? = commands.first
        {
            hasFieldLifetimes = true
        } else {
            hasFieldLifetimes = false
        }
    }

    var isPresenced: Bool { software == .presenced }
}

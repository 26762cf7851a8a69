/// What a server holds, in all of its databases: `FLUSHALL`, which a load sends, empties all of them.
struct HeldKeys: CustomStringConvertible {
    /// By database.
    private let counts: [(database: String, keys: Int)]

    var count: Int { counts.reduce(0) { $0 + $1.keys } }

    /// Asks `INFO keyspace`, and `DBSIZE` as well: who tells no keyspace, or does not let it be asked, may hold something all the same.
    init(_ connection: Connection) throws {
        var counts: [(database: String, keys: Int)] = []
        if case .bulk(let text) = try connection.command("INFO", "keyspace") { counts = HeldKeys.counts(text) }
        let answer = try connection.command("DBSIZE")
        guard case .integer(let keys) = answer else { throw HeldKeys.refusal(answer) }
        if keys > 0, !counts.contains(where: { $0.database == "db0" }) { counts.append(("db0", keys)) }
        self.counts = counts
    }

    /// Why it does not tell, and what one does about it.
    private static func refusal(_ answer: Reply) -> BenchError {
        guard case .error(let text) = answer else { return BenchError("DBSIZE was answered \(answer)") }
        let hint = text.hasPrefix("NOAUTH") ? ": --password, and --user, log in" : ""
        return BenchError("DBSIZE was refused: \(text)\(hint)")
    }

    /// Reads lines such as `db5:keys=3,expires=1,avg_ttl=0`.
    private static func counts(_ text: String) -> [(database: String, keys: Int)] {
        text.split(whereSeparator: \.isNewline).compactMap { line in
            let parts = line.split(separator: ":", maxSplits: 1)
            guard parts.count == 2, parts[0].hasPrefix("db"),
                let field = parts[1].split(separator: ",").first(where: { $0.hasPrefix("keys=") }),
                let keys = Int(field.dropFirst("keys=".count)), keys > 0
            else { return nil }
            return (String(parts[0]), keys)
        }
    }

    var description: String {
        "\(grouped(count)) keys (\(counts.map { "\($0.database): \(grouped($0.keys))" }.joined(separator: ", ")))"
    }
}

/// What `INFO presence` says of how late a server is, since it began: the wheel, what was announced, what was missed, what held it up.
struct ToldLateness {
    private let fields: [String]

    init(_ connection: Connection) throws {
        guard case .bulk(let text) = try connection.command("INFO", "presence") else {
            throw BenchError("INFO presence failed")
        }
        let beginnings = ["expiry_", "wheel_", "events_missed", "loop_", "lock_"]
        fields = text.split(whereSeparator: \.isNewline)
            .filter { line in beginnings.contains { line.hasPrefix($0) } }.map(String.init)
    }

    /// p50, p99 and the greatest lateness of what time has ended.
    var percentiles: String {
        ["p50", "p99", "max"].map { value("expiry_lateness_\($0)_ms") }.joined(separator: " / ")
    }

    func value(_ name: String) -> String {
        fields.first { $0.hasPrefix(name + ":") }.map { String($0.dropFirst(name.count + 1)) } ?? "-"
    }

    var text: String { "INFO: " + fields.joined(separator: ", ") + "." }
}

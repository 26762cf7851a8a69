/// What a server says of how late it is, since it began.
struct ToldLateness {
    let fields: [String]

    /// p50, p99 and the greatest lateness of what time has ended.
    var percentiles: String {
        ["p50", "p99", "max"].map { value("expiry_lateness_\($0)_ms") }.joined(separator: " / ")
    }

    func value(_ name: String) -> String {
        fields.first { $0.hasPrefix(name + ":") }.map { String($0.dropFirst(name.count + 1)) } ?? "-"
    }

    var text: String { "INFO: " + fields.joined(separator: ", ") + "." }
}

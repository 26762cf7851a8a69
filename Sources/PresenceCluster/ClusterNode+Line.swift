/// Nodes as lines, as `cluster.conf` has them behind the word `node`.
extension ClusterNode {
    /// What a line has.
    public static let shape = "NAME [number N] resp HOST:PORT [tls HOST:PORT] [peer HOST:PORT]"
    /// What the line of a follower has.
    public static let followerShape = "NAME [number N] peer HOST:PORT"

    /// The node that a line says: `a number 1 resp 10.0.0.1:6399 peer 10.0.0.1:7399`, or a follower: `cache number 9 peer 10.0.0.9:7399`.
    ///
    /// - Parameter usualNumber: its number, if the line has none: 1 in the first line, 2 in the second.
    /// - Throws: ``ClusterError``: what is wrong with it, and what is expected.
    public init(_ line: String, usualNumber: Int) throws(ClusterError) {
        try self.init(words: line.split(whereSeparator: \.isWhitespace).map(String.init), usualNumber: usualNumber)
    }

    /// The same of the line's words.
    public init(words: [String], usualNumber: Int) throws(ClusterError) {
        guard let name = words.first, words.count % 2 == 1 else {
            throw .line("'\(words.joined(separator: " "))' is not a node; expected: \(Self.shape)")
        }
        var values: [String: String] = [:]
        for index in stride(from: 1, to: words.count, by: 2) {
            let role = words[index].lowercased()
            guard ["number", "resp", "tls", "peer"].contains(role), values[role] == nil else {
                throw .line("'\(words[index])' of node \(name) is not expected; expected: \(Self.shape)")
            }
            values[role] = words[index + 1]
        }
        // Only a follower, which others reach, may do without.
        guard values["resp"] != nil || values["tls"] == nil && values["peer"] != nil else {
            throw .line("node \(name) has no address for clients; expected: \(Self.shape)")
        }
        try self.init(
            number: values["number"].map { Int($0) ?? 0 } ?? usualNumber, name: name,
            resp: Self.address(values["resp"]),
            tls: Self.address(values["tls"]), peer: Self.address(values["peer"]))
    }

    private static func address(_ text: String?) throws(ClusterError) -> ClusterAddress? {
        guard let text else { return nil }
        return try ClusterAddress(text)
    }

    /// The line that says this node, with its number.
    public var line: String {
        "\(name) number \(number)" + addresses.map { " \($0.role) \($0.address)" }.joined()
    }
}

/// What `INFO replication` says of a node and of its links to the others.
struct ReplicationInfo {
    /// A node's own line of another one, by name: `peer0:name=b,number=2,state=up,...`.
    struct Link {
        private let values: [String: String]

        /// Reads what stands behind the colon. What is no pair is left out.
        init(_ text: some StringProtocol) {
            var values: [String: String] = [:]
            for pair in text.split(separator: ",") {
                let parts = pair.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
                if parts.count == 2 { values[String(parts[0])] = String(parts[1]) }
            }
            self.values = values
        }

        func text(_ name: String) -> String? { values[name] }

        /// A number; 0 if there is none of that name.
        func number(_ name: String) -> Double { values[name].flatMap(Double.init) ?? 0 }

        /// How far a copy is, as `done/total`; nil while there is none.
        func progress(_ name: String) -> (done: Int, total: Int)? {
            guard let parts = values[name]?.split(separator: "/"), parts.count == 2, let done = Int(parts[0]),
                let total = Int(parts[1])
            else { return nil }
            return (done, total)
        }
    }

    private var values: [String: String] = [:]
    private(set) var links: [Link] = []

    init(_ text: String) {
        for line in text.split(whereSeparator: \.isNewline) where !line.hasPrefix("#") {
            guard let colon = line.firstIndex(of: ":") else { continue }
            let (name, value) = (line[..<colon], line[line.index(after: colon)...])
            if name.hasPrefix("peer"), name.dropFirst(4).allSatisfy(\.isNumber) {
                links.append(Link(value))
            } else {
                values[String(name)] = String(value)
            }
        }
    }

    /// Asks a server.
    init(_ connection: Connection) throws {
        guard case .bulk(let text) = try connection.command("INFO", "replication") else {
            throw BenchError("INFO replication failed")
        }
        self.init(text)
    }

    func text(_ name: String) -> String? { values[name] }

    /// A number; 0 if there is none of that name.
    func number(_ name: String) -> Int { values[name].flatMap { Int($0) } ?? 0 }

    /// The same of all links together.
    func sum(_ name: String) -> Double { links.reduce(0) { $0 + $1.number(name) } }

    /// Whether the node has copied from all who are there, and so many links are up.
    func isReady(links count: Int) -> Bool {
        number("cluster_ready") == 1 && number("cluster_links_up") >= count
    }
}

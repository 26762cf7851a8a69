/// A client of Redis Cluster, as small as one can be: it goes where the slots say, and where nobody answers it asks the others anew.
final class SlotClient {
    /// A key, and its slot.
    struct Key {
        let name: String
        let slot: Int
    }

    private let ports: [Int]
    private var connections: [Int: Connection] = [:]
    private(set) var map: SlotMap

    /// - Parameter ports: of all nodes; some may not answer.
    init(_ ports: [Int]) throws {
        self.ports = ports
        guard let map = SlotMap(try Connection(port: ports[0]).command("CLUSTER", "SLOTS")) else {
            throw BenchError("CLUSTER SLOTS failed")
        }
        self.map = map
    }

    func key(_ name: String) throws -> Key {
        guard case .integer(let slot) = try Connection(port: ports[0]).command("CLUSTER", "KEYSLOT", name) else {
            throw BenchError("CLUSTER KEYSLOT failed")
        }
        return Key(name: name, slot: slot)
    }

    /// Reads and writes a key where the slots say; false if that failed: then the slots are asked for anew.
    func serve(_ key: Key, expecting value: String) -> Bool {
        if let port = map.port(of: key.slot), let connection = connection(port) {
            let shown = try? connection.command("GET", key.name)
            if shown == .bulk(value), (try? connection.command("SET", key.name, value)) == .simple("OK") { return true }
            connections[port] = nil
        }
        refresh()
        return false
    }

    private func refresh() {
        for port in ports {
            guard let reply = try? connection(port)?.command("CLUSTER", "SLOTS"), let map = SlotMap(reply) else {
                connections[port] = nil
                continue
            }
            self.map = map
            return
        }
    }

    private func connection(_ port: Int) -> Connection? {
        if let connection = connections[port] { return connection }
        let connection = try? Connection(port: port)
        connections[port] = connection
        return connection
    }
}

/// The subscribers of one event loop, by channel and by pattern. Touched on that loop only, so it needs no lock.
struct LoopSubscriptions {
    private(set) var channels: [[UInt8]: Subscribers] = [:]
    private(set) var patterns: [[UInt8]: Subscribers] = [:]

    mutating func add(_ client: Client, channel: [UInt8]) {
        channels[channel, default: Subscribers()].add(client)
    }

    mutating func remove(_ client: Client, channel: [UInt8]) {
        LoopSubscriptions.remove(client, channel, &channels)
    }

    mutating func add(_ client: Client, pattern: [UInt8]) {
        patterns[pattern, default: Subscribers()].add(client)
    }

    mutating func remove(_ client: Client, pattern: [UInt8]) {
        LoopSubscriptions.remove(client, pattern, &patterns)
    }

    private static func remove(_ client: Client, _ name: [UInt8], _ table: inout [[UInt8]: Subscribers]) {
        guard let index = table.index(forKey: name) else { return }
        table.values[index].remove(client)
        if table.values[index].clients.isEmpty { table.remove(at: index) }
    }
}

/// The clients with one subscription: a list to walk, with the place of each so that leaving costs no search.
struct Subscribers {
    private(set) var clients: [Client] = []
    private var places: [Int: Int] = [:]

    mutating func add(_ client: Client) {
        places[client.id] = clients.count
        clients.append(client)
    }

    mutating func remove(_ client: Client) {
        guard let place = places.removeValue(forKey: client.id) else { return }
        let last = clients.removeLast()
        if place < clients.count {
            clients[place] = last
            places[last.id] = place
        }
    }
}

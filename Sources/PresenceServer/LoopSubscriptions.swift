/// The subscribers of one event loop, by channel and by pattern. Touched on that loop only, so it needs no lock.
struct LoopSubscriptions {
    private(set) var channels: [[UInt8]: Subscribers] = [:]
    private(set) var patterns: [[UInt8]: Subscribers] = [:]
    private var patternCount = 0

    mutating func add(_ client: Client, channel: [UInt8]) {
        channels[channel, default: Subscribers()].add(client)
    }

    mutating func remove(_ client: Client, channel: [UInt8]) {
        LoopSubscriptions.remove(client, channel, &channels)
    }

    mutating func add(_ client: Client, pattern: [UInt8]) {
        if patterns[pattern] == nil {
            patternCount += 1
            patterns[pattern] = Subscribers(order: patternCount)
        }
        patterns[pattern]?.add(client)
    }

    mutating func remove(_ client: Client, pattern: [UInt8]) {
        LoopSubscriptions.remove(client, pattern, &patterns)
    }

    /// The patterns that match a channel, in the order in which they were first subscribed to.
    func patterns(matching channel: [UInt8]) -> [(pattern: [UInt8], subscribers: Subscribers)] {
        guard !patterns.isEmpty else { return [] }
        return patterns.filter { GlobPattern.matches($0.key.span, channel.span) }
            .sorted { $0.value.order < $1.value.order }.map { ($0.key, $0.value) }
    }

    private static func remove(_ client: Client, _ name: [UInt8], _ table: inout [[UInt8]: Subscribers]) {
        guard let index = table.index(forKey: name) else { return }
        table.values[index].remove(client)
        if table.values[index].clients.isEmpty { table.remove(at: index) }
    }
}

/// The clients with one subscription: a list to walk, with the place of each so that leaving costs no search.
struct Subscribers {
    /// When this subscription was first made, among those of its kind.
    let order: Int
    private(set) var clients: [Client] = []
    private var places: [Int: Int] = [:]

    init(order: Int = 0) { self.order = order }

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

/// The subscribers of one event loop, by channel and by pattern. Touched on that loop only, so it needs no lock.
struct LoopSubscriptions {
    private(set) var channels: [[UInt8]: Subscribers] = [:]
    private(set) var patterns: [[UInt8]: Subscribers] = [:]
    private var patternCount = 0
    /// The patterns in the order in which they were first subscribed to; nil when it is to be made anew.
    private var orderedPatterns: [[UInt8]]?

    mutating func add(_ client: Client, channel: [UInt8]) {
        channels[channel, default: Subscribers()].add(client)
    }

    mutating func remove(_ client: Client, channel: [UInt8]) {
        LoopSubscriptions.remove(client, channel, &channels)
    }

    /// Whether anybody hears a channel here, by its name or a pattern, and takes output: the others have not read yet what they got.
    mutating func canTake(_ channel: [UInt8]) -> Bool {
        if let subscribers = channels[channel], subscribers.canTake { return true }
        return patterns(matching: channel).contains { $0.subscribers.canTake }
    }

    mutating func add(_ client: Client, pattern: [UInt8]) {
        if patterns[pattern] == nil {
            patternCount += 1
            patterns[pattern] = Subscribers(order: patternCount)
            orderedPatterns = nil
        }
        patterns[pattern]?.add(client)
    }

    mutating func remove(_ client: Client, pattern: [UInt8]) {
        LoopSubscriptions.remove(client, pattern, &patterns)
        if patterns[pattern] == nil { orderedPatterns = nil }
    }

    /// The patterns that match a channel, in the order in which they were first subscribed to.
    mutating func patterns(matching channel: [UInt8]) -> [(pattern: [UInt8], subscribers: Subscribers)] {
        guard !patterns.isEmpty else { return [] }
        let ordered = orderedPatterns ?? patterns.sorted { $0.value.order < $1.value.order }.map(\.key)
        orderedPatterns = ordered
        var found: [(pattern: [UInt8], subscribers: Subscribers)] = []
        for pattern in ordered where GlobPattern.matches(pattern.span, channel.span) {
            if let subscribers = patterns[pattern] { found.append((pattern, subscribers)) }
        }
        return found
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
    var canTake: Bool { clients.contains { !$0.handler.isBackedUp } }

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

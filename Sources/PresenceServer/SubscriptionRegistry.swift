import Synchronization

/// How many clients of which event loop hold which subscription: what `PUBLISH` counts and where a message must go.
///
/// The clients themselves are known to their loop only (``LoopSubscriptions``). One lock, taken alone, by every SUBSCRIBE and by every message;
/// a server without subscribers is recognised by one load and takes it never. It is held for a look-up: patterns are compared after it.
///
/// The number of distinct channels is bounded by what clients subscribe to, and each of those is bounded by its connection.
final class SubscriptionRegistry: Sendable {
    /// The most event loops that a server may have: the loops of a route are one word of bits.
    static let maximumLoops = 64
    /// The most distinct patterns: each message is compared with each of them. Two event loops at once may go beyond it by what one command brings.
    static let maximumPatterns = 10_000
    /// The longest channel, in bytes: what nobody can subscribe to, and patterns need not be compared with.
    static let maximumChannelLength = 1_024

    /// Parts that the channels are kept in, by their hash: a walk over all of them takes the lock for one part at a time.
    static let parts = 64

    private struct Names {
        var channels: [[[UInt8]: [Int32]]] = Array(repeating: [:], count: parts)
        var patterns: [[UInt8]: [Int32]] = [:]
    }

    private let loopCount: Int
    private let names = Mutex(Names())
    private let subscriptionCount = Atomic<Int>(0)
    private let patternCount = Atomic<Int>(0)
    private let perUserCount = Atomic<Int>(0)
    private let keyspaceCount = Atomic<Int>(0)
    private let statusCount = Atomic<Int>(0)

    init(loopCount: Int) {
        precondition(loopCount > 0 && loopCount <= SubscriptionRegistry.maximumLoops, "1 to 64 event loops")
        self.loopCount = loopCount
    }

    /// Subscriptions of all clients, patterns too.
    var total: Int { subscriptionCount.load(ordering: .acquiring) }
    /// Distinct channels and patterns.
    var distinct: (channels: Int, patterns: Int) {
        names.withLock { ($0.channels.reduce(0) { $0 + $1.count }, $0.patterns.count) }
    }

    /// The channels of a part that have subscribers.
    func channels(part: Int) -> [[UInt8]] { names.withLock { Array($0.channels[part].keys) } }

    private static func part(of channel: [UInt8]) -> Int { channel.hashValue & (parts - 1) }

    /// How many clients are subscribed to a channel by its name.
    func subscribers(of channel: [UInt8]) -> Int {
        let part = SubscriptionRegistry.part(of: channel)
        return names.withLock { $0.channels[part][channel]?.reduce(0) { $0 + Int($1) } ?? 0 }
    }

    /// Whether anybody could hear of a change of a status.
    var wantsStatus: Bool { statusCount.load(ordering: .acquiring) + patternCount.load(ordering: .acquiring) > 0 }
    /// Whether anybody could hear a change on a user's own channel.
    var wantsPerUser: Bool { perUserCount.load(ordering: .acquiring) + patternCount.load(ordering: .acquiring) > 0 }
    /// Whether anybody could hear a keyspace notification.
    var wantsKeyspace: Bool { keyspaceCount.load(ordering: .acquiring) + patternCount.load(ordering: .acquiring) > 0 }

    /// Counts one subscription of a client of loop `loop`.
    func add(channel: [UInt8], loop: Int) {
        let part = SubscriptionRegistry.part(of: channel)
        names.withLock { $0.channels[part][channel, default: Array(repeating: 0, count: loopCount)][loop] += 1 }
        count(channel, 1)
    }

    /// Takes back one subscription.
    func remove(channel: [UInt8], loop: Int) {
        let part = SubscriptionRegistry.part(of: channel)
        names.withLock { SubscriptionRegistry.decrement(&$0.channels[part], channel, loop) }
        count(channel, -1)
    }

    /// Counts one subscription to a pattern.
    func add(pattern: [UInt8], loop: Int) {
        names.withLock { $0.patterns[pattern, default: Array(repeating: 0, count: loopCount)][loop] += 1 }
        patternCount.wrappingAdd(1, ordering: .acquiringAndReleasing)
        subscriptionCount.wrappingAdd(1, ordering: .acquiringAndReleasing)
    }

    /// Takes back one subscription to a pattern.
    func remove(pattern: [UInt8], loop: Int) {
        names.withLock { SubscriptionRegistry.decrement(&$0.patterns, pattern, loop) }
        patternCount.wrappingSubtract(1, ordering: .acquiringAndReleasing)
        subscriptionCount.wrappingSubtract(1, ordering: .acquiringAndReleasing)
    }

    /// Where a message on `channel` must go: how many receivers there are, and a bit for each loop that has one. Nobody hears a channel that is longer than
    /// any may be: one of keyspace notifications, of a very long key.
    func route(_ channel: [UInt8]) -> (receivers: Int, loops: UInt64) {
        guard total > 0, channel.count <= SubscriptionRegistry.maximumChannelLength else { return (0, 0) }
        let part = SubscriptionRegistry.part(of: channel)
        let (counts, patterns) = names.withLock {
            ($0.channels[part][channel], $0.patterns.isEmpty ? nil : $0.patterns)
        }
        var receivers = 0
        var loops: UInt64 = 0
        if let counts { SubscriptionRegistry.sum(counts, &receivers, &loops) }
        guard let patterns else { return (receivers, loops) }
        for (pattern, counts) in patterns where GlobPattern.matches(pattern.span, channel.span) {
            SubscriptionRegistry.sum(counts, &receivers, &loops)
        }
        return (receivers, loops)
    }

    private func count(_ channel: [UInt8], _ change: Int) {
        subscriptionCount.wrappingAdd(change, ordering: .acquiringAndReleasing)
        if StatusChannels.isPerUser(channel) { perUserCount.wrappingAdd(change, ordering: .acquiringAndReleasing) }
        if StatusChannels.isStatus(channel) { statusCount.wrappingAdd(change, ordering: .acquiringAndReleasing) }
        if StatusChannels.isKeyspace(channel) { keyspaceCount.wrappingAdd(change, ordering: .acquiringAndReleasing) }
    }

    private static func sum(_ counts: [Int32], _ receivers: inout Int, _ loops: inout UInt64) {
        for index in counts.indices where counts[index] > 0 {
            receivers += Int(counts[index])
            loops |= 1 << UInt64(index)
        }
    }

    private static func decrement(_ table: inout [[UInt8]: [Int32]], _ name: [UInt8], _ loop: Int) {
        guard let index = table.index(forKey: name) else { return }
        table.values[index][loop] -= 1
        if table.values[index].allSatisfy({ $0 == 0 }) { table.remove(at: index) }
    }
}

/// The channels that the server itself publishes on.
enum StatusChannels {
    /// Every change of every user.
    static let all = Array("user.status.changed".utf8)
    /// What a user's own channel begins with; his id follows.
    static let userPrefix = Array("user.status.changed:".utf8)
    /// Every change of every user's activity text.
    static let activity = Array("user.activity.changed".utf8)
    /// What the channel of one user's text begins with; his id follows.
    static let activityPrefix = Array("user.activity.changed:".utf8)
    /// That many sessions were lost at once, and that it is over.
    static let storm = Array("user.status.storm".utf8)
    /// `__keyspace@0__:<key>` tells what happened to a key.
    static let keyspacePrefix = Array("__keyspace@0__:".utf8)
    /// `__keyevent@0__:<event>` tells which key something happened to.
    static let keyeventPrefix = Array("__keyevent@0__:".utf8)

    static func isPerUser(_ channel: [UInt8]) -> Bool {
        channel.starts(with: userPrefix) || channel.starts(with: activityPrefix)
    }
    static func isStatus(_ channel: [UInt8]) -> Bool {
        channel == all || channel == activity || channel == storm || isPerUser(channel)
    }
    static func isKeyspace(_ channel: [UInt8]) -> Bool {
        channel.starts(with: keyspacePrefix) || channel.starts(with: keyeventPrefix)
    }
}

/// The keys that changed and have not been copied since, each once, in the order of their first change.
///
/// A level, not a log: however often a key changes while it waits, it is read once, as it is then. Bounded: when
/// `limit` keys wait, all are forgotten, `hasOverflowed` is set, and whoever reads goes through the whole source again.
struct ChangedKeys: Sendable {
    /// One key, and the greatest change to it since.
    struct Entry: Hashable, Sendable {
        var key: [UInt8]
        var change: KeyChange
    }

    let limit: Int
    private(set) var hasOverflowed = false
    /// Changes heard of.
    private(set) var heard = 0
    private var waiting: [[UInt8]: KeyChange] = [:]
    private var order: [[UInt8]] = []
    private var head = 0

    init(limit: Int = 1_000_000) {
        self.limit = limit
    }

    /// How many keys wait.
    var count: Int { waiting.count }

    /// Notes a change. That a key ended is remembered until it is taken, whatever comes after.
    mutating func add(_ key: [UInt8], _ change: KeyChange) {
        heard += 1
        guard !hasOverflowed else { return }
        if let known = waiting[key] {
            if change > known { waiting[key] = change }
            return
        }
        guard waiting.count < limit else {
            hasOverflowed = true
            forget()
            return
        }
        waiting[key] = change
        order.append(key)
    }

    /// Takes the oldest keys, at most `count`.
    mutating func take(_ count: Int) -> [Entry] {
        var taken: [Entry] = []
        while taken.count < count, head < order.count {
            let key = order[head]
            head += 1
            taken.append(Entry(key: key, change: waiting.removeValue(forKey: key) ?? .written))
        }
        if head > 4096, head * 2 > order.count {
            order.removeSubrange(..<head)
            head = 0
        }
        return taken
    }

    /// Begins anew: everything is about to be read.
    mutating func reset() {
        forget()
        hasOverflowed = false
    }

    private mutating func forget() {
        waiting = [:]
        order = []
        head = 0
    }
}

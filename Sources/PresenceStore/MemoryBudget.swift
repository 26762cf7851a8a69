import Synchronization

/// The bytes that all shards have, and how many they may have. Touched when a slab, segment or block comes or goes, not by every write.
final class MemoryBudget: Sendable {
    private let used = Atomic<Int>(0)
    private let limit: Atomic<Int>

    /// A budget of `limit` bytes; 0 is no limit.
    init(limit: Int) { self.limit = Atomic(limit) }

    var usedBytes: Int { used.load(ordering: .relaxed) }

    var limitBytes: Int { limit.load(ordering: .relaxed) }

    func setLimit(_ bytes: Int) { limit.store(bytes, ordering: .relaxed) }

    func add(_ bytes: Int) { used.add(bytes, ordering: .relaxed) }

    /// Whether `bytes` more would stay within the limit. Several shards that ask at once may go over it by one chunk each.
    func hasRoom(for bytes: Int) -> Bool {
        let limit = limitBytes
        return limit == 0 || usedBytes + bytes <= limit
    }
}

/// Some of a store's shards: those that an operation over several keys needs. A value of 128 bytes, without allocation.
public struct ShardSet: Sendable {
    /// Bit i of word w is shard 64 w + i.
    private var words = InlineArray<16, UInt64>(repeating: 0)

    /// The most shards that a store can have.
    static let limit = 1024

    /// No shard.
    public init() {}

    /// The first `count` shards: all of a store that has as many.
    public init(first count: Int) {
        for shard in 0..<count { insert(shard) }
    }

    /// Adds a shard, named as `ShardedStore.shard(of:_:)` does.
    public mutating func insert(_ shard: Int) { words[shard >> 6] |= 1 << UInt64(shard & 63) }

    /// Takes a shard out.
    package mutating func remove(_ shard: Int) { words[shard >> 6] &= ~(1 << UInt64(shard & 63)) }

    /// Whether the shard is among them.
    public func contains(_ shard: Int) -> Bool { words[shard >> 6] >> UInt64(shard & 63) & 1 != 0 }

    /// Whether there is none.
    public var isEmpty: Bool { first(from: 0) == nil }

    /// The first of them that is not below `shard`.
    package func first(from shard: Int) -> Int? {
        guard shard < ShardSet.limit else { return nil }
        var place = shard >> 6
        var word = words[place] & (.max << UInt64(shard & 63))
        while word == 0 {
            place += 1
            guard place < words.count else { return nil }
            word = words[place]
        }
        return place << 6 + word.trailingZeroBitCount
    }
}

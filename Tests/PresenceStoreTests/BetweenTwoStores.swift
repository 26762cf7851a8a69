import Presence
import PresenceTesting
import Testing

@testable import PresenceStore

/// Tests of two stores that take writes of strings and tell each other, one key at a time.
protocol BetweenTwoStores {
    var clock: TestClock { get }
    var one: ShardedStore { get }
    var two: ShardedStore { get }
}

extension BetweenTwoStores {
    func end(_ milliseconds: Int64) -> StringSetOptions {
        StringSetOptions(expiry: .at(clock.now().advanced(byMilliseconds: milliseconds)))
    }

    func set(
        _ store: ShardedStore, _ key: SlowModel.Name, _ value: SlowModel.Name, _ options: StringSetOptions = .init()
    ) throws {
        clock.advance(byMilliseconds: 1)
        try store.setString(key, value, options, at: clock.now())
    }

    func delete(_ store: ShardedStore, _ key: SlowModel.Name) {
        clock.advance(byMilliseconds: 1)
        store.remove(.string, key, at: clock.now())
    }

    func value(_ store: ShardedStore, _ key: SlowModel.Name) -> SlowModel.Name? {
        store.string(key, at: clock.now())
    }

    /// The image of one key.
    func image(_ store: ShardedStore, _ key: SlowModel.Name) throws -> [UInt8] {
        let image = store.imageOfString(key, at: clock.now())
        return try #require(image)
    }

    @discardableResult
    func send(_ key: SlowModel.Name, from: ShardedStore, to: ShardedStore) throws -> Bool {
        try to.merge(try image(from, key))
    }
}

extension ShardedStore {
    func timeToLiveOfString(_ key: SlowModel.Name, at now: Timestamp) -> TimeToLive {
        timeToLive(.string, key.bytes.span, at: now)
    }

    @discardableResult
    func expireString(_ key: SlowModel.Name, at deadline: Timestamp, now: Timestamp) throws(StoreError) -> Bool {
        try expire(.string, key.bytes.span, at: deadline, now: now)
    }

    /// The image of what is known of a key.
    func imageOfString(_ key: SlowModel.Name, at now: Timestamp) -> [UInt8]? {
        withKey(.string, key.bytes.span, at: now) { state, key, hash, now in
            let number = state.findString(key, hash)
            let place = number != 0 ? number : state.findTombstone(hash)
            return place == 0 ? nil : state.imageOfString(place, at: now)
        }
    }

    /// Whether a key has a record of a string, over or not.
    func hasString(_ key: SlowModel.Name) -> Bool {
        withKey(.string, key.bytes.span, at: clock.now()) { state, key, hash, _ in state.findString(key, hash) } != 0
    }

    /// Hands out all records in the order of their hashes.
    private func forEachRecord(_ body: (borrowing ShardState, UInt32) -> Void) {
        for shard in 0..<shardCount {
            withShard(shard) { state in
                var numbers: [UInt32] = []
                var position: UInt64? = UInt64(shard) << shardShift
                while let start = position { position = state.index.numbers(around: start) { numbers.append($0) } }
                for number in numbers { body(state, number) }
            }
        }
    }

    /// The images of all strings and tombstones.
    func imagesOfStrings(at now: Timestamp) -> [[UInt8]] {
        var images: [[UInt8]] = []
        forEachRecord { state, number in
            if let image = state.imageOfString(number, at: now) { images.append(image) }
        }
        return images
    }

    /// What all strings add to digests, in order.
    func digestsOfStrings(at now: Timestamp) -> [UInt64] {
        var digests: [UInt64] = []
        forEachRecord { state, number in
            if let digest = state.stringDigest(number, at: now) { digests.append(digest) }
        }
        return digests.sorted()
    }

    /// Records in all shards.
    func recordsInAll() -> Int {
        var count = 0
        forEachRecord { _, _ in count += 1 }
        return count
    }
}

extension ShardState {
    fileprivate func imageOfString(_ number: UInt32, at now: Timestamp) -> [UInt8]? {
        var image: [UInt8] = []
        return appendStringImage(of: number, at: now, to: &image) ? image : nil
    }
}

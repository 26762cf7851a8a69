import Presence

/// Many users at once: all keys are hashed and grouped by shard, what they need of memory is asked for, and then a group is worked through under one lock.
extension ShardedStore {
    /// Users worked through at a time. Bounds the time a lock is held, and the memory of a batch.
    private static let groupLimit = 512

    /// A shard's part of a batch that is shorter, on average, does not hide its own misses.
    private static let shortChain = 8

    /// A shard's part of a batch from which on its hold is timed: the longest are among these, and two readings of the clock are little beside so many look-ups.
    private static let timedChain = 16

    /// One key of a batch, hashed and packed once.
    private struct Item {
        var hash: UInt64 = 0
        var first: UInt64 = 0
        var second: UInt64 = 0
        /// Its place in what the caller gave.
        var position: Int32 = 0
        var next: Int32 = -1
        /// The record that it likely names; 0 before that was looked for, and if there is none.
        var likely: UInt32 = 0
        var isPacked = false
    }

    /// What of a batch is in one shard.
    private struct Chain {
        /// The place of its first item; -1 if it has none.
        var head: Int32 = -1
        /// Its items.
        var count: Int32 = 0
        /// How many slots the shard had given back when its items' records were looked for.
        var freed: UInt64 = 0
    }

    /// Beats many sessions: pairs of a user and a session, in the order of `bytes`' owner.
    ///
    /// - Parameters:
    ///   - bytes: what the ranges point into.
    ///   - pairs: user, session, user, session, ...; an odd one at the end is ignored.
    ///   - isActive: whether persons acted there.
    ///   - now: when.
    ///   - unknown: called with the 1-based position of every pair whose session is unknown or over, in ascending order.
    /// - Complexity: one look-up a pair, overlapped. Allocates nothing for up to 512 pairs without unknown ones.
    public func beatAll(
        _ bytes: Span<UInt8>, _ pairs: Span<KeyRange>, isActive: Bool = false, at now: Timestamp,
        unknown: (Int) -> Void
    ) {
        var start = 0
        let total = pairs.count / 2
        while start < total {
            let count = min(total - start, ShardedStore.groupLimit)
            var missing = InlineArray<8, UInt64>(repeating: 0)
            forEachGrouped(bytes, pairs, from: start, count: count, stride: 2, at: now) {
                state, number, _, position, now in
                bytes.extracting(pairs[position * 2 + 1].range).withUnsafeBytes { session in
                    if !state.beat(number, BytesKey(session), isActive: isActive, at: now) {
                        missing[(position - start) >> 6] |= 1 << UInt64((position - start) & 63)
                    }
                }
            }
            for offset in 0..<count where missing[offset >> 6] >> UInt64(offset & 63) & 1 != 0 {
                unknown(start + offset + 1)
            }
            start += count
        }
    }

    /// The public statuses of many users, handed out in their order.
    ///
    /// - Parameters:
    ///   - bytes: what the ranges point into.
    ///   - users: the users' ids.
    ///   - now: the instant of all statuses.
    ///   - body: called with the 0-based position and the status of every user, in ascending order.
    /// - Complexity: one look-up a user, overlapped. Allocates nothing for up to 512 users.
    public func statuses(
        _ bytes: Span<UInt8>, _ users: Span<KeyRange>, at now: Timestamp, _ body: (Int, Status) -> Void
    ) {
        forEachStatus(bytes, users, at: now, body) { state, number, _, _, now in
            state.status(number, at: now)
        }
    }

    /// Finds a status for each of many users, and hands them out in their order.
    ///
    /// - Parameters:
    ///   - readsRelations: whether `find` looks at what they said of others.
    ///   - find: gets the number of a user's record, 0 if there is none, his hash, his place, and the time in his shard.
    @inline(__always)
    func forEachStatus(
        _ bytes: Span<UInt8>, _ users: Span<KeyRange>, readsRelations: Bool = false, at now: Timestamp,
        _ body: (Int, Status) -> Void,
        _ find: (inout ShardState, UInt32, UInt64, Int, Timestamp) -> Status
    ) {
        var start = 0
        while start < users.count {
            let count = min(users.count - start, ShardedStore.groupLimit)
            var found = InlineArray<512, Status>(repeating: .offline)
            forEachGrouped(
                bytes, users, from: start, count: count, stride: 1, readsRelations: readsRelations, at: now
            ) { state, number, hash, position, now in
                found[position - start] = find(&state, number, hash, position, now)
            }
            for offset in 0..<count { body(start + offset, found[offset]) }
            start += count
        }
    }

    /// Keys whose records are asked for at a time: their lines are to be there still when they are read.
    public static var prefetchLimit: Int { 16 }

    /// Asks for the memory of up to `prefetchLimit` keys that will be worked on next, one by one. It changes nothing but how long they wait.
    ///
    /// - Complexity: two short holds of each key's lock; the misses of all keys overlap.
    public func prefetch(_ bytes: Span<UInt8>, _ keys: Span<KeyPlace>) {
        var hashes = InlineArray<16, UInt64>(repeating: 0)
        let count = min(keys.count, ShardedStore.prefetchLimit)
        for place in 0..<count {
            let key = keys[place]
            let hash = bytes.extracting(key.name.range).withUnsafeBytes {
                key.kind == .presence ? self.hash(BytesKey($0), .user) : self.hash(BytesKey(verbatim: $0), .string)
            }
            hashes[place] = hash
            withPlace(shardIndex(hash)) { $0.state?.pointee.index.prefetch(hash) }
        }
        for place in 0..<count {
            let hash = hashes[place]
            withPlace(shardIndex(hash)) {
                guard let state = $0.state else { return }
                let number = state.pointee.index.likely(hash)
                if number != 0 { state.pointee.slabs.reader.prefetchWhole(number) }
            }
        }
    }

    /// Calls `body` with the number of each of `count` users of a batch, 0 if he is unknown, his hash, his place, and the time
    /// in his shard: shard by shard, within a shard in the caller's order.
    @inline(__always)
    private func forEachGrouped(
        _ bytes: Span<UInt8>, _ ranges: Span<KeyRange>, from start: Int, count: Int, stride: Int,
        readsRelations: Bool = false, at now: Timestamp,
        _ body: (inout ShardState, UInt32, UInt64, Int, Timestamp) -> Void
    ) {
        withItems(count) { items in
            withUnsafeTemporaryAllocation(of: Chain.self, capacity: shardCount) { chains in
                chains.initialize(repeating: Chain())
                // Chained from the back, so that each chain is in the caller's order.
                for offset in (0..<count).reversed() {
                    let position = start + offset
                    var item = Item(position: Int32(truncatingIfNeeded: position))
                    bytes.extracting(ranges[position * stride].range).withUnsafeBytes {
                        let key = BytesKey($0)
                        item.hash = self.hash(key, .user)
                        (item.first, item.second, item.isPacked) = (key.first, key.second, key.isPacked)
                    }
                    let shard = shardIndex(item.hash)
                    item.next = chains[shard].head
                    items.initializeElement(at: offset, to: item)
                    chains[shard].head = Int32(truncatingIfNeeded: offset)
                    chains[shard].count &+= 1
                }
                let areShort = count < shardCount * ShardedStore.shortChain
                if areShort { prefetch(items, chains, readsRelations: readsRelations) }
                for shard in 0..<shardCount where chains[shard].head >= 0 {
                    let isLong = chains[shard].count >= ShardedStore.timedChain
                    withShard(shard, isLong: isLong, at: now) { state, now in
                        if !areShort {
                            prefetchGroups(items, chains[shard], state)
                            prefetchRecords(items, &chains[shard], state)
                            if readsRelations { prefetchRelations(items, chains[shard], state) }
                        }
                        // Where a slot was given back, a number may name nothing any more.
                        let freed = chains[shard].freed
                        var place = chains[shard].head
                        while place >= 0 {
                            let item = items[Int(place)]
                            let position = Int(item.position)
                            let number = bytes.extracting(ranges[position * stride].range).withUnsafeBytes {
                                let key = BytesKey($0, first: item.first, second: item.second, isPacked: item.isPacked)
                                let likely = state.slabs.freedCount == freed ? item.likely : 0
                                return state.find(key, item.hash, likely: likely)
                            }
                            body(&state, number, item.hash, position, now)
                            place = item.next
                        }
                    }
                }
            }
        }
    }

    /// Room for the keys of a group on the stack: temporary memory of more than a KiB would come from the heap.
    @inline(__always)
    private func withItems(_ count: Int, _ body: (UnsafeMutableBufferPointer<Item>) -> Void) {
        if count <= 1024 / MemoryLayout<Item>.stride {
            withUnsafeTemporaryAllocation(of: Item.self, capacity: count, body)
        } else if count <= 128 {
            var items = InlineArray<128, Item>(repeating: Item())
            var span = items.mutableSpan
            span.withUnsafeMutableBufferPointer { body(UnsafeMutableBufferPointer(rebasing: $0[..<count])) }
        } else {
            var items = InlineArray<512, Item>(repeating: Item())
            var span = items.mutableSpan
            span.withUnsafeMutableBufferPointer { body(UnsafeMutableBufferPointer(rebasing: $0[..<count])) }
        }
    }

    /// First the groups of all, then the records that they name, then what lies behind those: each round's misses overlap, over all shards.
    ///
    /// A shard's lock is held for its part of a round. Where few of a batch are in one shard, waiting for each shard's alone would be waiting for most.
    @inline(__always)
    private func prefetch(
        _ items: UnsafeMutableBufferPointer<Item>, _ chains: UnsafeMutableBufferPointer<Chain>, readsRelations: Bool
    ) {
        forEach(chains) { prefetchGroups(items, chains[$0], $1) }
        forEach(chains) { prefetchRecords(items, &chains[$0], $1) }
        guard readsRelations else { return }
        forEach(chains) {
            if $1.slabs.freedCount == chains[$0].freed { prefetchRelations(items, chains[$0], $1) }
        }
    }

    /// Calls `body` for each shard that has a chain, under its lock.
    @inline(__always)
    private func forEach(_ chains: UnsafeMutableBufferPointer<Chain>, _ body: (Int, borrowing ShardState) -> Void) {
        for shard in 0..<shardCount where chains[shard].head >= 0 {
            withPlace(shard) { place in
                if let state = place.state { body(shard, state.pointee) }
            }
        }
    }

    @inline(__always)
    private func prefetchGroups(
        _ items: UnsafeMutableBufferPointer<Item>, _ chain: Chain, _ state: borrowing ShardState
    ) {
        var place = chain.head
        while place >= 0 {
            state.index.prefetch(items[Int(place)].hash)
            place = items[Int(place)].next
        }
    }

    @inline(__always)
    private func prefetchRecords(
        _ items: UnsafeMutableBufferPointer<Item>, _ chain: inout Chain, _ state: borrowing ShardState
    ) {
        chain.freed = state.slabs.freedCount
        let records = state.slabs.reader
        var place = chain.head
        while place >= 0 {
            let number = state.index.likely(items[Int(place)].hash)
            items[Int(place)].likely = number
            if number != 0 { records.prefetch(number) }
            place = items[Int(place)].next
        }
    }

    /// Behind the records: their relations lie elsewhere.
    @inline(__always)
    private func prefetchRelations(
        _ items: UnsafeMutableBufferPointer<Item>, _ chain: Chain, _ state: borrowing ShardState
    ) {
        var place = chain.head
        while place >= 0 {
            state.prefetchRelations(items[Int(place)].likely)
            place = items[Int(place)].next
        }
    }
}

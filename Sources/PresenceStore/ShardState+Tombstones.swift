import Presence

/// The tombstones of a shard in the order in which they came, and how many there are.
struct TombstoneList {
    /// The ends of the list, by number; 0 if it is empty.
    var oldest: UInt32 = 0
    var newest: UInt32 = 0
    var count = 0
}

/// Tombstones of strings. They lie in the slabs and the index beside what is there, so that whoever walks the hash order meets them; every command
/// passes them by, since they are of a kind of their own.
///
/// **Kept true.** A key has a string or a tombstone, never both. A tombstone is newer than the newest flush. Without other nodes there is none.
///
/// **Bounds.** `maxStringTombstones`: when they are as many, the oldest goes, which had the most time to become known. Memory is taken for one only if it
/// is there: nobody is forgotten for a tombstone. Both are counted.
extension ShardState {
    private func tombstoneRecord(_ number: UInt32) -> TombstoneRecord { TombstoneRecord(slabs.address(number)) }

    /// The tombstone of a deletion by this node, of which others are to be told; nil if there are none.
    mutating func makeTombstone(of keyHash: UInt64, hasRunOut: Bool, at now: Timestamp) -> Tombstone? {
        guard replicaLog.isKept else { return nil }
        let stamp = stampWrite(of: keyHash, at: now)
        return Tombstone(stamp: stamp, since: stamp.timestamp, hasRunOut: hasRunOut)
    }

    /// The number of the tombstone of a key; 0 if it has none.
    func findTombstone(_ keyHash: UInt64) -> UInt32 {
        guard tombstones.count > 0 else { return 0 }
        return index.find(keyHash) { number in
            let address = slabs.address(number)
            return RecordHeader(address).kind == .tombstone && TombstoneRecord(address).hash == keyHash
        }
    }

    /// Keeps a tombstone of a key that has neither string nor tombstone. False if there is no need of it, or no room.
    @discardableResult
    mutating func leave(_ tombstone: Tombstone, _ keyHash: UInt64, at now: Timestamp) -> Bool {
        guard replicaLog.isKept, tombstone.stamp > flushStamp, !isOld(tombstone, at: now) else { return false }
        // Two at most: when the bound has sunk, the rest goes as new ones come.
        for _ in 0..<2 where tombstones.count > 0 && tombstones.count >= settings.maxStringTombstones {
            dropTombstone(tombstones.oldest)
            counters.droppedTombstones += 1
        }
        let growth = slabs.growth(forSize: TombstoneRecord.byteCount)
        // The hash may be another node's, and only a name's is known to be spread.
        guard settings.maxStringTombstones > 0, growth == 0 || budget.hasRoom(for: growth),
            !index.isCrowded(keyHash, hashOf: { hash(of: $0) })
        else {
            counters.droppedTombstones += 1
            return false
        }
        let number = slabs.allocate(TombstoneRecord.byteCount)
        let record = tombstoneRecord(number)
        record.initialize(tombstone, hash: keyHash)
        record.older = tombstones.newest
        if tombstones.newest != 0 {
            tombstoneRecord(tombstones.newest).newer = number
        } else {
            tombstones.oldest = number
        }
        tombstones.newest = number
        tombstones.count += 1
        enter(keyHash, number)
        account()
        return true
    }

    /// As `leave`, for a key that may have an older tombstone.
    @discardableResult
    mutating func replaceTombstone(of keyHash: UInt64, with tombstone: Tombstone, at now: Timestamp) -> Bool {
        dropTombstone(of: keyHash)
        return leave(tombstone, keyHash, at: now)
    }

    /// Forgets the tombstone of a key, if it has one.
    @inline(__always)
    mutating func dropTombstone(of keyHash: UInt64) {
        guard tombstones.count > 0 else { return }
        let number = findTombstone(keyHash)
        if number != 0 { dropTombstone(number) }
    }

    /// Forgets a tombstone.
    mutating func dropTombstone(_ number: UInt32) {
        let record = tombstoneRecord(number)
        let (older, newer) = (record.older, record.newer)
        if older != 0 { tombstoneRecord(older).newer = newer } else { tombstones.oldest = newer }
        if newer != 0 { tombstoneRecord(newer).older = older } else { tombstones.newest = older }
        tombstones.count -= 1
        index.remove(record.hash, number)
        slabs.free(number)
    }

    /// Tells the neighbours of a tombstone that it has moved.
    mutating func relinkTombstone(_ number: UInt32) {
        let record = tombstoneRecord(number)
        if record.older != 0 { tombstoneRecord(record.older).newer = number } else { tombstones.oldest = number }
        if record.newer != 0 { tombstoneRecord(record.newer).older = number } else { tombstones.newest = number }
    }

    /// Whether its time is over: the same instant at every node.
    func isOld(_ tombstone: Tombstone, at now: Timestamp) -> Bool {
        tombstone.since.advanced(byMilliseconds: settings.stringTombstoneMilliseconds) <= now
    }

    /// Whether the time of the first in the order is over. One that came late from another node may stay behind a younger one for as long as that does.
    func hasOldTombstone(at now: Timestamp) -> Bool {
        tombstones.count > 0 && isOld(tombstoneRecord(tombstones.oldest).tombstone, at: now)
    }

    // MARK: Flushes

    /// Remembers a flush: what is not newer is not taken from other nodes any more. Whether it was not known.
    mutating func noteFlush(_ stamp: Stamp) -> Bool {
        stamps.observe(stamp)
        guard stamp > flushStamp else { return false }
        flushStamp = stamp
        return true
    }
}

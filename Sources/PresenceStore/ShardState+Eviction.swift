import Presence

/// Room when `maxmemory` is reached: offline users of whom nothing is set are forgotten, a slab chunk at a time.
///
/// Memory is had and given in chunks, so freeing a slot here and there helps nobody. A clock hand goes round the chunks; one in which enough can be
/// forgotten is emptied: what must stay moves to free slots of the other chunks of its class. Without enough of these the forgotten ones leave theirs
/// in place, for new records of that class and for what moves out of the next chunk.
extension ShardState {
    /// How many chunks one write looks at before it gives up.
    private static let chunksPerAttempt = 64

    /// Forgets the offline users of one chunk and gives it back if it can be emptied. False if none was found with anyone to forget.
    ///
    /// - Parameter spared: a record that the caller is about to change, 0 for none: its chunk stays as it is.
    mutating func evictChunk(sparing spared: UInt32, at now: Timestamp) -> Bool {
        for _ in 0..<ShardState.chunksPerAttempt {
            guard let hand = slabs.chunk(after: evictionHand.sizeClass, evictionHand.chunk) else { return false }
            evictionHand = hand
            let numbers = slabs.numbers(inClass: hand.sizeClass, chunk: hand.chunk)
            if numbers.contains(spared) { continue }
            var forgettable = 0
            for number in numbers where isForgettable(number, at: now) { forgettable += 1 }
            let (used, freeElsewhere) = slabs.occupancy(ofClass: hand.sizeClass, chunk: hand.chunk)
            guard forgettable > 0 else { continue }
            for number in numbers where isForgettable(number, at: now) { forget(number) }
            if used - forgettable <= freeElsewhere {
                moveAway(numbers, at: now)
                slabs.releaseIfEmpty(hand)
            }
            account()
            return true
        }
        return false
    }

    /// An offline user without sessions, manual status, text and relations, whom nobody names.
    private func isForgettable(_ number: UInt32, at now: Timestamp) -> Bool {
        guard let address = slabs.addressIfPresent(number), RecordHeader(address).kind == .user else { return false }
        let record = UserRecord(address)
        return !record.hasManual && !record.hasText && !record.hasRelations && !record.hasWatchers && !record.isNamed
            && (record.sessionCount == 0 || hasOnlyEnds(record, at: now))
    }

    /// Whether all that is left of a user's sessions is that they were ended, and nothing holds that back. Other nodes may know them as live: then it is more than that.
    private func hasOnlyEnds(_ record: UserRecord, at now: Timestamp) -> Bool {
        guard !replicaLog.isKept, !record.isPresent, record.announced == .offline else { return false }
        var isOpen = false
        record.forEachSession { if !$0.isClosed { isOpen = true } }
        return !isOpen && sessionHeldLongest(record, at: now) == nil
    }

    private mutating func forget(_ number: UInt32) {
        let record = record(number)
        tell(.evicted, of: record)
        record.forEachSession { release(WordNumbers(of: $0), ofTombstone: true) }
        // Who asks for changes later finds no record of him that says which of his entries is the newest.
        ring.noteForgotten(.init(bytes: record.id, isPacked: record.isPacked), at: record.header.changePlace)
        counters[record.announced] -= 1
        counters.evictedUsers += 1
        index.remove(record.hash(hash), number)
        slabs.free(number)
    }

    /// Forgets a user again who became known by a call that failed, if nothing was said of him meanwhile.
    mutating func forgetUnsaid(ofHash userHash: UInt64, at now: Timestamp) {
        let number = find(userHash: userHash)
        guard number != 0, isForgettable(number, at: now), record(number).sessionCount == 0 else { return }
        let record = record(number)
        guard record.version == .zero, record.header.changePlace == 0 else { return }
        counters[record.announced] -= 1
        index.remove(userHash, number)
        slabs.free(number)
        account()
    }

    private mutating func moveAway(_ numbers: Range<UInt32>, at now: Timestamp) {
        for number in numbers {
            guard let address = slabs.addressIfPresent(number), RecordHeader(address).kind != .free else { continue }
            guard let other = slabs.allocate(besideChunkOf: number) else { return }
            move(number, to: other, byteCount: slabs.slotSize(of: other))
            switch RecordHeader(slabs.address(other)).kind {
            case .string: arm(other, string(other).header, by: string(other).expiry)
            case .tombstone: relinkTombstone(other)
            case .user, .free:
                let evidence = settle(other, at: now)
                arm(prune(other, at: now, mayShrink: false), evidence, at: now)
            }
        }
    }
}

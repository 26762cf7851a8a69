import Presence

/// The wheel's side: look at what has come up.
extension ShardState {
    /// Looks at up to `budget` records whose time has come by `now`.
    mutating func advance(to now: Timestamp, budget: Int) -> AdvanceResult {
        var result = AdvanceResult()
        let losses = counters.losses
        noteTime(now)
        // With nothing due, which is most of the time, no clock is read.
        var start: Int64?
        while true {
            var numbers = InlineArray<7, UInt32>(repeating: 0)
            var count = 0
            withUnsafeMutablePointer(to: &numbers) { pointer in
                pointer.withMemoryRebound(to: UInt32.self, capacity: 7) {
                    count = wheel.takeDue(at: now, into: $0)
                }
            }
            guard count > 0 else { break }
            if start == nil { start = holds.start() }
            for place in 0..<count where slabs.addressIfPresent(numbers[place]) != nil {
                slabs.reader.prefetch(numbers[place])
            }
            for place in 0..<count { look(at: numbers[place], now) }
            result.lookedAt += count
            if result.lookedAt >= budget {
                result.isBehind = true
                break
            }
        }
        while leases.hasSweep || stall.end(of: leases.nextEnd) <= now {
            if start == nil { start = holds.start() }
            result.lookedAt += max(sweepLeases(at: now), 1)
            if result.lookedAt >= budget {
                result.isBehind = result.isBehind || leases.hasSweep
                break
            }
        }
        while policySweepHand != nil {
            if start == nil { start = holds.start() }
            result.lookedAt += max(sweepForPolicy(at: now), 1)
            if result.lookedAt >= budget {
                result.isBehind = result.isBehind || policySweepHand != nil
                break
            }
        }
        while hasOldTombstone(at: now) {
            if start == nil { start = holds.start() }
            if result.lookedAt >= budget {
                result.isBehind = true
                break
            }
            dropTombstone(tombstones.oldest)
            result.lookedAt += 1
        }
        result.hasTimers = wheel.entryCount > 0 || hasLeases || policySweepHand != nil
        guard let start else { return result }
        defer { holds.end(start) }
        counters.timersLookedAt += UInt64(result.lookedAt)
        result.lost = Int(counters.losses - losses)
        account()
        return result
    }

    /// Counts the sessions that ran out since the record was armed, of those that had been kept alive.
    private mutating func countLosses(_ record: UserRecord, since: Timestamp, at now: Timestamp) {
        record.forEachSession { session in
            guard !session.isClosed, !session.isPassive, session.hasBeaten(near: now) else { return }
            // What a lease ends is counted there.
            if hasLeases, leases[session.server] != nil { return }
            let facts = facts(of: session, near: now)
            let deadline = facts.deadline(settings.policy)
            guard deadline <= now, deadline > since else { return }
            // For how long others were waited for is not for how long it lived.
            counters.countLosses(
                at: deadline.advanced(byMilliseconds: -facts.marginMilliseconds - facts.stalledMilliseconds))
        }
    }

    private mutating func look(at number: UInt32, _ now: Timestamp) {
        guard let address = slabs.addressIfPresent(number) else { return }
        let header = RecordHeader(address)
        let firedTick = header.armedTick
        guard wheel.isDue(header) else { return }
        switch header.kind {
        case .free, .tombstone: return
        case .string:
            let string = StringRecord(address)
            if string.expiry <= now {
                expireString(number, string.hash(hash), at: now, isTimer: true)
            } else {
                arm(number, header, by: string.expiry)
            }
        case .user:
            countLosses(UserRecord(address), since: wheel.settledUntil(firedTick), at: now)
            let evidence = settle(number, at: now, firedTick: firedTick)
            let isWhole = evidence.liveCount == UserRecord(address).sessionCount
            let kept = isWhole ? number : prune(number, at: now)
            if replicaLog.isKept {
                tellBeats(kept, evidence, firedTick: firedTick, at: now)
            } else {
                arm(kept, evidence, at: now)
            }
        }
    }
}

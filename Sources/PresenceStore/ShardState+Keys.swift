import Presence

/// What works on a key of either kind.
extension ShardState {
    mutating func exists(_ kind: KeyKind, _ key: BytesKey, _ keyHash: UInt64, at now: Timestamp) -> Bool {
        switch kind {
        case .string: return findLiveString(key, keyHash, at: now) != 0
        case .presence:
            let number = find(key, keyHash)
            return number != 0 && settle(number, at: now).isPresent
        }
    }

    mutating func timeToLive(_ kind: KeyKind, _ key: BytesKey, _ keyHash: UInt64, at now: Timestamp) -> TimeToLive {
        let end: Timestamp
        switch kind {
        case .string:
            let number = findLiveString(key, keyHash, at: now)
            guard number != 0 else { return .missing }
            end = string(number).expiry
        case .presence:
            let number = find(key, keyHash)
            guard number != 0 else { return .missing }
            var evidence = settle(number, at: now)
            guard evidence.isPresent else { return .missing }
            if settings.hasUnheardPeer { evidence.forgetGracesOfLeases() }
            end = evidence.latestDeadline
            if hasSessionsFromElsewhere(record(number)) {
                // For how long their homes are waited for is none of their time to live.
                var plain = self.evidence(of: record(number), at: now, near: now, waits: .forNothing)
                if settings.hasUnheardPeer { plain.forgetGracesOfLeases() }
                return .milliseconds(max(plain.latestDeadline.milliseconds(since: now), 1))
            }
        }
        return end == .distantFuture ? .persistent : .milliseconds(end.milliseconds(since: now))
    }

    /// Gives a key another end. For a presence it is a heartbeat of all live sessions with that TTL.
    mutating func expire(
        _ kind: KeyKind, _ key: BytesKey, _ keyHash: UInt64, at deadline: Timestamp, now: Timestamp
    ) throws(StoreError) -> Bool {
        switch kind {
        case .string:
            let number = findLiveString(key, keyHash, at: now)
            guard number != 0 else { return false }
            expireString(number, key, keyHash, at: deadline, now: now)
            return true
        case .presence:
            let number = find(key, keyHash)
            guard number != 0 else { return false }
            if deadline <= now {
                return closeAll(number, reason: .deleted, leavesGrace: false, isClean: false, at: now)
            }
            let ttl = deadline.milliseconds(since: now)
            let limit = settings.policy.heartbeatHardLimit
            guard ttl <= limit else { throw .ttlOutOfBounds(minimum: 1, maximum: limit) }
            let evidence = settle(number, at: now)
            guard evidence.liveCount > 0 else { return false }
            let hasOthers = evidence.hasPresentSession
            var isPlain = true
            var beaten: UInt64 = 0
            record(number).forEachSession { session in
                var facts = self.facts(of: session, near: now)
                // A calendar's hour neither begins anew nor ends early by the heartbeat of those who are here.
                guard facts.isLive(at: now, settings.policy), !(facts.isPassive && hasOthers) else { return }
                if facts.home != stamps.node || facts.ttlMilliseconds != ttl || facts.stalledMilliseconds > 0 {
                    isPlain = false
                }
                beat(&facts, ttlMilliseconds: ttl, at: now)
                store(facts, over: session)
                beaten += 1
            }
            counters.beats += beaten
            if !isPlain { announceWhatMarginsHeld(number, at: now) }
            if announceWrite(number, nil, reason: .activity, at: now) || !isPlain { noteChange(number) }
            tell(.expire, ofUser: key)
            return true
        }
    }

    mutating func remove(
        _ kind: KeyKind, _ key: BytesKey, _ keyHash: UInt64, reason: Reason, at now: Timestamp
    ) -> Bool {
        switch kind {
        case .string:
            let number = findLiveString(key, keyHash, at: now)
            guard number != 0 else { return false }
            deleteString(number, keyHash, at: now)
            return true
        case .presence:
            let number = find(key, keyHash)
            guard number != 0 else { return false }
            return closeAll(number, reason: reason, leavesGrace: false, isClean: false, at: now)
        }
    }

    /// The bytes that a key takes: its slot, its block, and its part of the index.
    mutating func memoryUsage(_ kind: KeyKind, _ key: BytesKey, _ keyHash: UInt64, at now: Timestamp) -> Int? {
        let number: UInt32
        var block = 0
        switch kind {
        case .string:
            number = findLiveString(key, keyHash, at: now)
            if number != 0 { block = string(number).outsideBytes }
        case .presence:
            number = find(key, keyHash)
            guard number == 0 || settle(number, at: now).isPresent else { return nil }
        }
        guard number != 0 else { return nil }
        return slabs.slotSize(of: number) + block + index.capacityBytes / index.count
    }

    /// The keys that exist of one segment, from `position` on in hash order, how many records were looked at, and where to go on; nil at the end of the shard.
    ///
    /// That is where the next segment begins, or within this one where its keys are so long that no more of them are copied at once.
    mutating func keys(
        from position: UInt64, at now: Timestamp
    ) -> (found: [(hash: UInt64, kind: KeyKind, key: [UInt8])], looked: Int, next: UInt64?) {
        var numbers: [(hash: UInt64, number: UInt32)] = []
        let records = slabs.reader
        let next = index.numbers(around: position) {
            records.prefetch($0); numbers.append((0, $0))
        }
        for place in numbers.indices { numbers[place].hash = hash(of: numbers[place].number) }
        numbers.sort { $0.hash < $1.hash }
        var found: [(hash: UInt64, kind: KeyKind, key: [UInt8])] = []
        var looked = 0
        var bytes = 0
        for (hash, number) in numbers where hash >= position {
            if bytes >= ShardState.keyBytesAtOnce, let last = found.last?.hash,
                last >> ShardedStore.cursorShift != hash >> ShardedStore.cursorShift
            {
                return (found, looked, hash)
            }
            looked += 1
            let address = slabs.address(number)
            switch RecordHeader(address).kind {
            case .string:
                let string = StringRecord(address)
                if string.expiry > now {
                    found.append((hash, .string, [UInt8](string.key)))
                    bytes += string.key.count
                }
            case .user:
                guard settle(number, at: now).isPresent else { continue }
                let record = UserRecord(address)
                found.append((hash, .presence, BytesText.expand(record.id, isPacked: record.isPacked)))
            case .tombstone, .free: continue
            }
        }
        return (found, looked, next)
    }

    /// Bytes of keys that are copied in one lock hold, and the last key.
    private static let keyBytesAtOnce = 65_536

    /// Ends the strings and sessions of one segment that are no newer than `limit`; where the next begins, nil at the end of the shard.
    mutating func flush(from position: UInt64, upTo limit: Stamp, at now: Timestamp) -> UInt64? {
        var numbers: [UInt32] = []
        let next = index.numbers(around: position) { numbers.append($0) }
        for number in numbers {
            let address = slabs.address(number)
            switch RecordHeader(address).kind {
            case .user:
                _ = closeAll(
                    number, reason: .flushed, leavesGrace: false, isClean: false, openedUpTo: limit, at: now)
            case .string:
                if StringRecord(address).expiry <= now {
                    expireString(number, hash(of: number), at: now, isTimer: false)
                } else if StringRecord(address).stamp <= limit {
                    removeString(number, hash(of: number), event: nil, leaving: nil, at: now)
                }
            case .tombstone:
                // What it keeps from coming back, the flush does.
                if TombstoneRecord(address).tombstone.stamp <= flushStamp { dropTombstone(number) }
            case .free: continue
            }
        }
        return next
    }
}

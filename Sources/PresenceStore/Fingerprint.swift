import Presence

/// One word that stands for everything that can be read of a key at an instant: equal words, nothing has changed.
///
/// It is made of the stamps and instants of what holds, so that two writes of the same bytes differ, and the look of a late wheel or a record that
/// moves does not. Two different states have the same word once in 2^64.
struct Fingerprint {
    private var word: UInt64 = 0x9e37_79b9_7f4a_7c15

    mutating func add(_ part: UInt64) {
        // The finalizer of SplitMix64 over what came before and the next part.
        word = (word &+ part) &* 0xbf58_476d_1ce4_e5b9
        word = (word ^ word >> 27) &* 0x94d0_49bb_1331_11eb
        word ^= word >> 31
    }

    mutating func add(_ instant: Timestamp?) {
        add(instant == nil ? 0 : 1)
        add(UInt64(bitPattern: instant?.milliseconds ?? 0))
    }

    /// Never 0: that is the fingerprint of what is not there.
    var value: UInt64 { word == 0 ? 1 : word }
}

extension ShardState {
    mutating func fingerprint(_ kind: KeyKind, _ key: BytesKey, _ keyHash: UInt64, at now: Timestamp) -> UInt64 {
        var print = Fingerprint()
        switch kind {
        case .string:
            let number = findLiveString(key, keyHash, at: now)
            guard number != 0 else { return 0 }
            print.add(string(number).stamp.rawValue)
            print.add(string(number).expiry)
        case .presence:
            let number = find(key, keyHash)
            guard number != 0 else { return 0 }
            let evidence = settle(number, at: now)
            // Of graces their end shows, and nothing else.
            if evidence.isPresent { print.add(evidence.latestDeadline) }
            add(record(number), to: &print, at: now)
        }
        return print.value
    }

    /// What holds at `now`: sessions that are over, and registers whose end has come, may be forgotten at any time.
    private func add(_ record: UserRecord, to print: inout Fingerprint, at now: Timestamp) {
        print.add(record.version.rawValue)
        print.add(record.isPresent ? 1 : 0)
        print.add(record.lastSeen(near: now))
        let manual = record.manual(near: now)
        if manual.value(at: now) != nil {
            print.add(manual.stamp.rawValue)
            print.add(manual.until)
        }
        if record.text(at: now) != nil { print.add(record.textStamp.rawValue) }
        let policy = settings.policy
        var part = Fingerprint()
        record.forEachSession { session in
            let facts = self.facts(of: session, near: now)
            guard facts.isLive(at: now, policy) else { return }
            part.add(facts.incarnation.rawValue)
            part.add(facts.heartbeat)
            part.add(UInt64(bitPattern: facts.ttlMilliseconds))
            if let leasedUntil = facts.leasedUntil { part.add(leasedUntil) }
            part.add(facts.activity)
            part.add(UInt64(facts.brought?.rawValue ?? 0) << 1 | (facts.isPassive ? 1 : 0))
            part.add(UInt64(facts.status(at: now, policy).rawValue))
        }
        print.add(part.value)
    }
}

extension ShardedStore {
    /// A word that differs after every write that a reader of the key can see, and after every change that time brings; 0 if nothing is known of it.
    ///
    /// For those who read, think, and then write only if nothing has happened in between: Redis's `WATCH`.
    public func fingerprint(of kind: KeyKind, _ key: Span<UInt8>, at now: Timestamp) -> UInt64 {
        withKey(kind, key, at: now) { state, key, hash, now in state.fingerprint(kind, key, hash, at: now) }
    }
}

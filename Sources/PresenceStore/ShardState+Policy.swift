import Presence

/// Other limits for the rules, while users are there.
///
/// A read judges by the limits that hold. But timers are armed for the old ones, and what a limit ends at once has no timer at all: a sweep looks at
/// every user, a chunk of records at a time, announces what is so now, and arms anew.
extension ShardState {
    /// Other limits from now on; a storm that is known stays known, and whose grace is over stays ended.
    mutating func update(_ policy: Policy, at now: Timestamp) {
        var policy = policy
        policy.follow(settings.policy, at: now)
        guard policy != settings.policy else { return }
        settings.policy = policy
        policySweepHand = (0, -1)
    }

    /// Whom a storm holds it lets go from now on.
    mutating func endHold(of storm: Storm) {
        settings.policy.storm = storm
        policySweepHand = (0, -1)
    }

    /// Goes on with a sweep under way, a chunk, if `policy` has a higher hard limit: what the lower one ended is to be written down first. Returns whether there
    /// is more.
    mutating func finishSweep(before policy: Policy, at now: Timestamp) -> Bool {
        let isRaised = policy.heartbeatHardLimit > settings.policy.heartbeatHardLimit
        guard isRaised, policySweepHand != nil else { return false }
        _ = sweepForPolicy(at: now)
        return policySweepHand != nil
    }

    /// Goes on likewise if the hard limit that holds now, a lower one, ended whom a server's lease covered when it was renewed last: a renewal would be a heartbeat of theirs.
    mutating func finishSweep(beforeLeaseOf server: Span<UInt8>, at now: Timestamp) -> Bool {
        let wordHash = server.withUnsafeBytes { hash.bytes($0, .free) }
        guard policySweepHand != nil, let number = servers.number(of: server, hash: wordHash),
            let lease = leases[number], lease.begin != nil,
            lease.renewedAt.advanced(byMilliseconds: settings.policy.heartbeatHardLimit) <= now
        else { return false }
        _ = sweepForPolicy(at: now)
        return policySweepHand != nil
    }

    /// Looks at the users of one chunk. Returns how many slots that were.
    mutating func sweepForPolicy(at now: Timestamp) -> Int {
        guard let hand = policySweepHand, let next = slabs.chunk(after: hand.sizeClass, hand.chunk),
            next.sizeClass > hand.sizeClass || next.sizeClass == hand.sizeClass && next.chunk > hand.chunk
        else {
            policySweepHand = nil
            return 0
        }
        policySweepHand = next
        let numbers = slabs.numbers(inClass: next.sizeClass, chunk: next.chunk)
        for number in numbers {
            guard let address = slabs.addressIfPresent(number), RecordHeader(address).kind == .user else { continue }
            let evidence = settle(number, at: now)
            let isWhole = evidence.liveCount == UserRecord(address).sessionCount
            arm(isWhole ? number : prune(number, at: now), evidence, at: now)
        }
        return numbers.count
    }
}

import Presence

/// A gateway's lease in one shard: until when its sessions live, and which of its ends have not been carried through yet.
struct Lease {
    /// One end: of a lease that was not renewed, or of a gateway that was dropped.
    struct End {
        /// When.
        var at: Timestamp
        /// Sessions of older incarnations ended then.
        var stamp: Stamp
        /// `leaseLost` or `dropped`.
        var reason: Reason
        /// When the lease that held then began, if one did, its last renewal, and until when that was to hold.
        var begin: Timestamp?
        var (renewedAt, until): (Timestamp, Timestamp)

        /// The first instant at which the sessions are not live. A drop is a write: what time changes in its millisecond came before it.
        var deadline: Timestamp { reason == .dropped ? at.advanced(byMilliseconds: 1) : at }
        /// The last instant up to which time alone changed what is announced.
        var last: Timestamp { deadline.advanced(byMilliseconds: -1) }
    }

    /// Ends that are kept apart. If more come before they are carried through, the newest stands for those behind the first; a sweep under way has not seen it.
    static let mostEnds = 8

    /// The first instant of the lease that holds; nil if none does.
    var begin: Timestamp?
    /// The renewal that holds.
    var renewedAt = Timestamp.distantPast
    /// The first instant at which it does not hold any more.
    var until = Timestamp.distantPast
    /// Ends that have not been carried through, oldest first.
    var ends: [End] = []
    /// How many of them the sweep under way carries through.
    var endsInSweep = 0
    /// Sessions that are open as far as their records say, and that one of these ends concerns: they were counted as lost when it came.
    var lost = 0
    /// Of those the ones that make nobody present: they are no loss.
    var lostPassive = 0
    /// Whether a session of the server was taken by another node since the last renewal: the next one takes it back.
    var hasStrayed = false

    /// What the lease makes of the facts of an open session: the end that comes first after its incarnation is its deadline, else that of the lease that
    /// holds; and the last renewal that it saw is a heartbeat.
    ///
    /// One that ran out before the lease began, though nobody looked, did not live to be covered.
    func apply(to session: inout Session, isHome: Bool, _ policy: Policy) {
        if let end = end(of: session, isHome: isHome) {
            guard isHome else {
                if end.deadline <= session.deadline(policy) { session.leasedUntil = end.deadline }
                return
            }
            cover(&session, from: end.begin, renewedAt: end.renewedAt, until: end.deadline, policy)
            if end.deadline <= session.deadline(policy) { session.leasedUntil = end.deadline }
        } else if isHome {
            cover(&session, from: begin, renewedAt: renewedAt, until: until, policy)
        }
    }

    /// The first end after a session was opened. A lease is its home's, and takes nobody who came home behind its end, with a beat; that a server was dropped
    /// holds for all that it had.
    func end(of session: Session, isHome: Bool) -> End? {
        ends.first {
            session.incarnation < $0.stamp
                && (isHome && session.heartbeat < $0.deadline || $0.reason == .dropped)
        }
    }

    private func cover(
        _ session: inout Session, from begin: Timestamp?, renewedAt: Timestamp, until: Timestamp, _ policy: Policy
    ) {
        guard let begin, session.incarnation.timestamp >= begin || session.deadline(policy) > begin else { return }
        if session.incarnation.timestamp <= renewedAt { session.heartbeat = max(session.heartbeat, renewedAt) }
        session.leasedUntil = until
    }

    /// The lease that holds, if one does, ends, and with it the sessions that are open.
    ///
    /// - Parameters:
    ///   - sessions: how many are open as far as their records say.
    ///   - passive: how many of them make nobody present.
    mutating func end(at: Timestamp, _ stamp: Stamp, _ reason: Reason, sessions: Int, passive: Int) {
        (lost, lostPassive) = (sessions, passive)
        if ends.count == Lease.mostEnds { ends.removeLast() }
        endsInSweep = min(endsInSweep, ends.count)
        ends.append(End(at: at, stamp: stamp, reason: reason, begin: begin, renewedAt: renewedAt, until: until))
        begin = nil
    }
}

/// The leases of one shard, by the number of the server's word, and the sweep that carries changes of deadlines through.
struct LeaseTable {
    private(set) var leases: [UInt16: Lease] = [:]
    /// No lease that holds ends before.
    private(set) var nextEnd = Timestamp.distantFuture
    /// The chunk that the sweep looked at last; nil if none is under way.
    var sweepHand: (sizeClass: Int, chunk: Int)?
    /// Whether something changed that the sweep under way has not seen from its beginning.
    var needsSweep = false

    var isEmpty: Bool { leases.isEmpty }
    var hasSweep: Bool { needsSweep || sweepHand != nil }
    var count: Int { leases.values.count { $0.begin != nil } }
    /// Sessions that count as open, made somebody present, and were counted as lost.
    var lost: Int { leases.values.reduce(0) { $0 + $1.lost - $1.lostPassive } }

    subscript(server: UInt16) -> Lease? { leases[server] }

    mutating func update<Result>(_ server: UInt16, _ body: (inout Lease) -> Result) -> Result {
        defer { nextEnd = leases.values.reduce(.distantFuture) { $1.begin == nil ? $0 : min($0, $1.until) } }
        return body(&leases[server, default: Lease()])
    }

    /// A session that counts as lost is not open any more, by an end or by something else.
    mutating func noteEndOfLost(_ server: UInt16, isPassive: Bool) {
        leases[server]?.lost -= 1
        if isPassive, let lease = leases[server], lease.lostPassive > 0 { leases[server]?.lostPassive -= 1 }
    }

    mutating func noteStray(_ server: UInt16) {
        leases[server]?.hasStrayed = true
    }

    /// Leases that hold and whose time is over.
    func over(at now: Timestamp) -> [UInt16] {
        guard nextEnd <= now else { return [] }
        return leases.filter { $0.value.begin != nil && $0.value.until <= now }.map(\.key).sorted()
    }

    /// The sweep has gone from its beginning to its end: what it saw at its beginning is carried through.
    mutating func finishSweep() {
        sweepHand = nil
        leases = leases.mapValues { lease in
            var rest = lease
            rest.ends.removeFirst(lease.endsInSweep)
            rest.endsInSweep = 0
            if rest.ends.isEmpty { (rest.lost, rest.lostPassive) = (0, 0) }
            return rest
        }
    }

    /// Forgets the servers of whose leases nothing is left, and names them.
    mutating func takeDone() -> [UInt16] {
        let done = leases.filter { $0.value.begin == nil && $0.value.ends.isEmpty }.map(\.key).sorted()
        for server in done { leases[server] = nil }
        return done
    }

    mutating func beginSweep() {
        needsSweep = false
        sweepHand = (0, -1)
        leases = leases.mapValues { lease in
            var swept = lease
            swept.endsInSweep = lease.ends.count
            return swept
        }
    }
}

/// Leases: one command of a gateway is the heartbeat of all its sessions, and its silence is their end.
///
/// Nothing is written to the sessions when a lease is renewed. A look takes it into account (`facts`), and a look after its end carries that through
/// first (`endLeased`). Only where deadlines come earlier than timers are armed for, a sweep looks at all records in slices.
extension ShardState {
    /// The facts of a session, with what its server's lease makes of them.
    @inline(__always)
    func facts(of session: SessionRecord, near now: Timestamp) -> Session {
        var facts = session.facts(near: now)
        if hasLeases { applyLease(to: &facts, ofServer: session.server) }
        if settings.peerMargin > 0, facts.home != stamps.node, facts.home != 0, facts.closed == nil {
            facts.marginMilliseconds = settings.peerMargin
        }
        if stall.isRemembered { hold(&facts, ofServer: session.server, at: now) }
        return facts
    }

    /// The same as they are at the session's home: nobody is waited for.
    func plainFacts(of session: SessionRecord, near now: Timestamp) -> Session {
        var facts = facts(of: session, near: now)
        facts.marginMilliseconds = 0
        facts.stalledMilliseconds = 0
        facts.stalledActivityMilliseconds = 0
        return facts
    }

    /// The same with a margin for heartbeats alone: idle is who would be so at the session's home.
    func factsWaitingForBeats(of session: SessionRecord, near now: Timestamp) -> Session {
        var facts = facts(of: session, near: now)
        facts.stalledMilliseconds = facts.marginMilliseconds
        facts.stalledActivityMilliseconds = 0
        facts.marginMilliseconds = 0
        return facts
    }

    @inline(never)
    private func applyLease(to facts: inout Session, ofServer server: UInt16) {
        guard facts.closed == nil, let lease = leases[server] else { return }
        lease.apply(to: &facts, isHome: facts.home == stamps.node, settings.policy)
    }

    /// When the record may forget a session.
    func keptUntil(_ session: SessionRecord, of record: UserRecord, near now: Timestamp) -> Timestamp {
        let isTold = isToldPastItsEnd(session)
        var kept = isTold ? awaitedUntil(session, near: now) : session.keptUntil(near: now, settings.policy)
        let hasStorm = settings.policy.storm != nil
        guard hasStorm || !session.isClosed && (hasLeases || stall.isRemembered || session.home != stamps.node)
        else { return kept }
        let facts = facts(of: session, near: now)
        if !session.isClosed, !isTold { kept = facts.deadline(settings.policy) }
        return hasStorm ? max(kept, facts.stormRelease(settings.policy, pacing: pacing(of: record))) : kept
    }

    /// Takes the word of a server for a lease that is to come.
    mutating func holdServer(_ server: Span<UInt8>, at now: Timestamp) throws(StoreError) {
        endLeasesThatAreOver(at: now)
        let wordHash = server.withUnsafeBytes { hash.bytes($0, .free) }
        defer { account() }
        guard servers.hold(server, hash: wordHash, limit: settings.maxWords) != nil else {
            throw .tooManyWords(limit: settings.maxWords)
        }
    }

    /// Gives it back: there will be no lease.
    mutating func releaseServer(_ server: Span<UInt8>) {
        let wordHash = server.withUnsafeBytes { hash.bytes($0, .free) }
        guard let number = servers.number(of: server, hash: wordHash) else { return }
        servers.release(number, isSession: false)
        account()
    }

    /// A renewal of a server whose word was taken for it (`holdServer`). Returns how many sessions the server has here.
    mutating func lease(_ server: Span<UInt8>, until: Timestamp, at now: Timestamp) -> Int {
        endLeasesThatAreOver(at: now)
        let wordHash = server.withUnsafeBytes { hash.bytes($0, .free) }
        guard let number = servers.number(of: server, hash: wordHash) else {
            preconditionFailure("the word was taken before")
        }
        // The lease that is there has the word already.
        if leases[number] != nil { servers.release(number, isSession: false) }
        let mustSweep = leases.update(number) { lease in
            // Sessions may be armed for their own deadlines, or for a later end of this lease; strays are to be brought home.
            let mustSweep = lease.begin == nil || until < lease.until || lease.hasStrayed
            lease.hasStrayed = false
            if lease.begin == nil { lease.begin = now }
            lease.renewedAt = now
            lease.until = until
            return mustSweep
        }
        hasLeases = true
        if mustSweep, servers.sessionCount(number) > 0 { leases.needsSweep = true }
        account()
        return sessionCount(ofServer: number)
    }

    /// Sessions that make somebody present, and neither ended nor are to end by what was said of their servers.
    var presentSessions: Int {
        let present = counters.sessions - counters.passiveSessions
        return leases.hasSweep ? max(present - leases.lost, 0) : present
    }

    /// Sessions of a server that neither ended nor are to end by what was said before.
    private func sessionCount(ofServer server: UInt16) -> Int {
        max(servers.sessionCount(server) - (leases[server]?.lost ?? 0), 0)
    }

    /// Every server that has sessions, with their number: those that are to end by what was said of it before are none, though nobody has met them yet.
    func forEachServer(_ body: (_ server: [UInt8], _ sessions: Int) -> Void) {
        servers.forEach { number, server, _ in
            let count = sessionCount(ofServer: number)
            if count > 0 { body(server, count) }
        }
    }

    /// The end of all sessions of a server. Returns how many it has here.
    mutating func drop(_ server: Span<UInt8>, at now: Timestamp) -> Int {
        endLeasesThatAreOver(at: now)
        let wordHash = server.withUnsafeBytes { hash.bytes($0, .free) }
        guard let number = servers.number(of: server, hash: wordHash) else { return 0 }
        let count = sessionCount(ofServer: number)
        if leases[number]?.begin != nil { counters.leasesDropped += 1 }
        if leases[number] == nil {
            guard count > 0 else { return 0 }
            _ = servers.hold(server, hash: wordHash, limit: settings.maxWords)
        }
        end(number, at: now, stamps.next(at: now), .dropped)
        return count
    }

    /// Losses, if a server were dropped now.
    func lossesOfDrop(_ server: Span<UInt8>) -> Int {
        let wordHash = server.withUnsafeBytes { hash.bytes($0, .free) }
        guard let number = servers.number(of: server, hash: wordHash) else { return 0 }
        return lossesOfEnd(number, .dropped)
    }

    /// Losses, if what a server has ended now. Nobody is lost twice.
    private func lossesOfEnd(_ server: UInt16, _ reason: Reason) -> Int {
        let (lost, lostPassive) = leases[server].map { ($0.lost, $0.lostPassive) } ?? (0, 0)
        let concerned = sessionsConcerned(server, reason)
        return max(concerned.all - concerned.passive - (lost - lostPassive), 0)
    }

    /// Open sessions of a server that an end concerns, and of these the ones that make nobody present. A lease is its home's: those whom the gateway took to
    /// another node live on there.
    private func sessionsConcerned(_ server: UInt16, _ reason: Reason) -> (all: Int, passive: Int) {
        let (all, passive) = (servers.sessionCount(server), servers.passiveCount(server))
        guard reason != .dropped else { return (all, passive) }
        let passiveAway = servers.awayCount(server, isPassive: true)
        return (all - servers.awayCount(server, isPassive: false) - passiveAway, passive - passiveAway)
    }

    /// Ends what a server has; if it has no session, there is nothing to be carried through.
    private mutating func end(_ server: UInt16, at instant: Timestamp, _ stamp: Stamp, _ reason: Reason) {
        hasLeases = true
        if servers.sessionCount(server) > 0 {
            let (sessions, passive) = sessionsConcerned(server, reason)
            // All at once and not as they are met: a storm is seen before it is told.
            counters.countLosses(lossesOfEnd(server, reason), at: instant)
            leases.update(server) { $0.end(at: instant, stamp, reason, sessions: sessions, passive: passive) }
            leases.needsSweep = true
        } else {
            leases.update(server) { $0.begin = nil }
            forgetLeases(leases.takeDone())
        }
    }

    private mutating func forgetLeases(_ servers: [UInt16]) {
        for server in servers { self.servers.release(server, isSession: false) }
        hasLeases = !leases.isEmpty
        account()
    }

    /// Turns leases that were not renewed in time into ends.
    mutating func endLeasesThatAreOver(at now: Timestamp) {
        for server in leases.over(at: now) {
            guard let until = leases[server]?.until, stall.end(of: until) <= now else { continue }
            counters.leasesLost += 1
            end(server, at: until, Stamp(until), .leaseLost)
        }
    }

    /// Carries through, for one record, the ends of leases that have come by `now`: each at its own instant, after what time changed before it.
    ///
    /// - Returns: the instant of the last of them, nil if there was none.
    @inline(never)
    mutating func endLeased(_ number: UInt32, at now: Timestamp, firedTick: UInt32?) -> Timestamp? {
        endLeasesThatAreOver(at: now)
        var carried: Timestamp?
        // Every end closes a session at least, and a session is closed once.
        for _ in 0..<record(number).sessionCount {
            guard let end = nextEnd(of: record(number), at: now) else { break }
            announceWhatTimeChanged(
                number, from: carried, until: end.last, firedTick: firedTick)
            carried = end.at
            let record = record(number)
            var ended = EndedTogether()
            record.forEachSession { session in
                guard self.end(of: session, near: now, by: now)?.at == end.at else { return }
                var facts = facts(of: session, near: now)
                ended.add(session)
                if end.reason == .leaseLost, settings.hasUnheardPeer {
                    facts.leasedUntil = nil
                    // Its gateway may have taken it to where nobody here can look: that it ended is not written down.
                    // The others may have been told of a later end: they are to hear of this one.
                    if end.deadline < facts.deadline(settings.policy) {
                        facts.home = 0
                        noteUnwrittenEnd(of: session.server, end)
                    }
                    facts.runOut(at: end.deadline)
                    store(facts, over: session)
                    arm(number, record.header, by: now)
                    return
                }
                let closure = Closure(at: end.at, reason: end.reason)
                facts.leasedUntil = end.begin == nil ? nil : end.until
                facts.endOfGateway(closure, isTold: replicaLog.isKept, settings.policy)
                session.store(facts)
                noteEnd(of: session)
            }
            let verdict = evidence(of: record, at: end.at, near: now).verdict(at: end.at)
            if firedTick != nil { counters.lateness.record(now.milliseconds(since: end.at)) }
            let cause = Cause(reason: end.reason, stamp: Stamp(end.at), at: end.at, isTime: end.reason == .leaseLost)
            announce(number, verdict, cause, ended.session(of: verdict.status), near: now)
        }
        if carried != nil { noteChange(number) }
        return carried
    }

    /// The earliest end of a lease that a session of the record has before it.
    private func nextEnd(of record: UserRecord, at now: Timestamp) -> Lease.End? {
        var next: Lease.End?
        record.forEachSession { session in
            if let end = end(of: session, near: now, by: now), end.at < next?.at ?? .distantFuture { next = end }
        }
        return next
    }

    /// The end that a session has behind it and nobody carried through: the first after its incarnation, if it lived until then.
    private func end(of session: SessionRecord, near now: Timestamp, by limit: Timestamp) -> Lease.End? {
        guard !session.isClosed, let lease = leases[session.server], !lease.ends.isEmpty else { return nil }
        let facts = facts(of: session, near: now)
        guard let end = lease.end(of: facts, isHome: facts.home == stamps.node), end.at <= limit else { return nil }
        // With other nodes it may have run out by it already.
        if replicaLog.isKept, session.deadline(near: now, settings.policy) == end.deadline { return nil }
        return facts.deadline(settings.policy) == end.deadline && facts.leasedUntil != nil ? end : nil
    }

    /// A session is not open any more.
    mutating func noteEnd(of session: SessionRecord) {
        counters.sessions -= 1
        if session.isPassive { notePassive(session, -1) } else { noteAway(session.server, home: session.home, -1) }
        devices.endSession(session.device)
        platforms.endSession(session.platform)
        servers.endSession(session.server)
        guard hasLeases, let lease = leases[session.server], lease.lost > 0 else { return }
        guard lease.ends.contains(where: { isEnded(session, by: $0) }) else { return }
        leases.noteEndOfLost(session.server, isPassive: session.isPassive)
    }

    /// Writes the facts of an open session over those that are there. Its home may be another one now.
    mutating func store(_ facts: Session, over session: SessionRecord) {
        noteAway(session.server, home: session.home, isPassive: session.isPassive, -1)
        noteAway(session.server, home: facts.home, isPassive: session.isPassive, 1)
        session.store(facts)
    }

    /// An open session has its home there; or so had one that ends, or moves.
    @inline(__always)
    mutating func noteAway(_ server: UInt16, home: UInt8, isPassive: Bool = false, _ more: Int) {
        if home != stamps.node { servers.noteAway(server, isPassive: isPassive, more) }
    }

    /// An open session, whose words and facts are written, makes nobody present; or so did one that ends.
    mutating func notePassive(_ session: SessionRecord, _ more: Int) {
        counters.passiveSessions += more
        servers.notePassive(session.server, more)
        noteAway(session.server, home: session.home, isPassive: true, more)
    }

    // MARK: Sweeping

    /// Looks at the records of one chunk. Returns how many slots that were.
    mutating func sweepLeases(at now: Timestamp) -> Int {
        endLeasesThatAreOver(at: now)
        if leases.sweepHand == nil {
            guard leases.needsSweep else { return 0 }
            leases.beginSweep()
        }
        guard let hand = leases.sweepHand, let next = slabs.chunk(after: hand.sizeClass, hand.chunk),
            next.sizeClass > hand.sizeClass || next.sizeClass == hand.sizeClass && next.chunk > hand.chunk
        else {
            leases.finishSweep()
            forgetLeases(leases.takeDone())
            return 0
        }
        leases.sweepHand = next
        let numbers = slabs.numbers(inClass: next.sizeClass, chunk: next.chunk)
        for number in numbers {
            guard let address = slabs.addressIfPresent(number), RecordHeader(address).kind == .user else { continue }
            guard isLeased(UserRecord(address)) else { continue }
            bringLeasedHome(number, at: now)
            arm(number, settle(number, at: now), at: now)
        }
        return numbers.count
    }

    private func isLeased(_ record: UserRecord) -> Bool {
        var isLeased = false
        record.forEachSession { session in
            if !session.isClosed, leases[session.server] != nil { isLeased = true }
        }
        return isLeased
    }

    /// Another node is the home of a session now, though its server has a lease here. If the server goes on renewing that, the next renewal is newer than what
    /// the other node heard.
    @inline(__always)
    mutating func noteStray(_ server: UInt16, home: UInt8) {
        if hasLeases, home != stamps.node { leases.noteStray(server) }
    }

    /// A lease is a sign of life: the sessions that it covers are at home where it is renewed.
    private mutating func bringLeasedHome(_ number: UInt32, at now: Timestamp) {
        var hasMoved = false
        record(number).forEachSession { session in
            guard session.home != stamps.node, let lease = leases[session.server], lease.begin != nil else { return }
            var facts = facts(of: session, near: now)
            // A lease that nobody renews any more, as its gateway renews another one there, is none.
            guard facts.isLive(at: now, settings.policy), lease.renewedAt > facts.heartbeat else { return }
            // Nor does one that was over before take with it who was not at home here: the next renewal brings it home.
            guard lease.end(of: facts, isHome: true) == nil else { return leases.noteStray(session.server) }
            bringHome(&facts, at: now)
            store(facts, over: session)
            hasMoved = true
        }
        guard hasMoved else { return }
        announceWhatMarginsHeld(number, at: now)
        noteChange(number)
    }
}

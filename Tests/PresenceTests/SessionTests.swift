import Presence
import PresenceTesting
import Testing

@Suite("Sessions")
struct SessionTests {
    let policy = Policy()
    let start = Timestamp(milliseconds: 1_000_000)

    var session: Session {
        Session(incarnation: Stamp(start, node: 1), heartbeat: start, ttlMilliseconds: 120_000)
    }

    @Test("A late heartbeat never resurrects")
    func lateHeartbeat() {
        var late = session
        let end = late.deadline(policy)
        let isLateTaken = late.beat(at: end, isActive: true, policy)
        #expect(!isLateTaken)
        #expect(late == session)
        let isInTimeTaken = late.beat(at: end.advanced(byMilliseconds: -1), isActive: false, policy)
        #expect(isInTimeTaken)
        #expect(late.isLive(at: end, policy))
    }

    @Test("A closed session stays closed, whatever beats or copies come")
    func closedStaysClosed() {
        for var random in SeededRandom.cases(3_000) {
            var session = random.session()
            session.closed = Closure(at: random.instant(), isLoss: Bool.random(using: &random))
            let incarnation = session.incarnation
            for _ in 0..<6 {
                if Bool.random(using: &random) {
                    let isTaken = session.beat(at: random.instant(), isActive: true, policy)
                    #expect(!isTaken, "\(random)")
                } else {
                    var copy = random.session()
                    if copy.incarnation > incarnation { copy.incarnation = incarnation }
                    session.merge(copy)
                }
                #expect(session.closed != nil, "\(random)")
                let now = random.instant()
                #expect(!session.isLive(at: now, policy), "\(random)")
            }
        }
    }

    @Test("Only a newer CONNECT opens a closed session again")
    func newerIncarnationOpens() {
        var closed = session
        let isEnded = closed.close(Closure(at: start, isLoss: false), policy)
        let isEndedAgain = closed.close(Closure(at: start, isLoss: true), policy)
        #expect(isEnded && !isEndedAgain)
        var opened = session
        opened.incarnation = closed.incarnation.successor
        closed.merge(opened)
        #expect(closed == opened)
    }

    @Test(
        "A goodbye within the grace of a loss is the end of it for all who merge it, also of the loss's own instant, and of a clock behind"
    )
    func goodbyeAfterLoss() {
        for late: Int64 in [-3, 0, 1, 14_999] {
            let lostAt = start.advanced(byMilliseconds: 10)
            var lost = session
            lost.closed = Closure(at: lostAt, isLoss: true)
            var left = lost
            let now = lostAt.advanced(byMilliseconds: late)
            let isTaken = left.leave(Closure(at: now, isLoss: false), policy)
            #expect(isTaken && left.heldUntil(at: now, pacing: 0, policy) <= max(now, lostAt))
            let isTakenAgain = left.leave(Closure(at: now, isLoss: false), policy)
            #expect(!isTakenAgain, "it was said")
            for (first, second) in [(lost, left), (left, lost), (session, left), (left, session)] {
                var merged = first
                merged.merge(second)
                #expect(merged == left)
            }
        }
        var over = session
        over.closed = Closure(at: start, isLoss: true)
        for (session, now) in [(session, start), (over, start.advanced(byMilliseconds: 15_000))] {
            var same = session
            let isTaken = same.leave(Closure(at: now, isLoss: false), policy)
            #expect(!isTaken && same == session, "it lives, or nothing is held")
        }
    }

    @Test("A key that was deleted at one node stays deleted though somebody said goodbye at another one later")
    func deletionAndGoodbye() {
        var lost = session
        lost.closed = Closure(at: start, isLoss: true)
        var deleted = lost
        deleted.closed?.leavesGrace = false
        var left = lost
        let isTaken = left.leave(Closure(at: start.advanced(byMilliseconds: 10), isLoss: false), policy)
        #expect(isTaken)
        for (first, second) in [(deleted, left), (left, deleted)] {
            var merged = first
            merged.merge(second)
            #expect(merged.closed == Closure(at: start.advanced(byMilliseconds: 10), isLoss: false, leavesGrace: false))
            var again = merged
            again.merge(left)
            again.merge(deleted)
            #expect(again == merged)
        }
    }

    @Test("A heartbeat whose clock stepped back moves nothing back")
    func clockStepsBack() {
        var beaten = session
        let isTaken = beaten.beat(at: start.advanced(byMilliseconds: -5_000), isActive: false, policy)
        #expect(isTaken)
        #expect(beaten.heartbeat == start)
    }

    @Test("The record is that of the most present session, of equal ones that of the latest activity")
    func mostPresentSession() {
        let now = start.advanced(byMilliseconds: 1_000)
        var acted = session
        acted.activity = now
        var actedEarlier = session
        actedEarlier.activity = start
        var calendar = acted
        calendar.isPassive = true
        var away = session
        away.brought = .away
        #expect(acted.isMorePresent(than: actedEarlier, at: now, policy))
        #expect(actedEarlier.isMorePresent(than: away, at: now, policy))
        #expect(away.isMorePresent(than: calendar, at: now, policy))
        #expect(!acted.isMorePresent(than: acted, at: now, policy))
    }

    @Test("Being more present is a strict order")
    func mostPresentIsAnOrder() {
        for var random in SeededRandom.cases(3_000) {
            let policy = random.policy()
            let now = random.instant()
            let (one, two, three) = (random.session(), random.session(), random.session())
            func above(_ left: Session, _ right: Session) -> Bool { left.isMorePresent(than: right, at: now, policy) }
            #expect(!(above(one, two) && above(two, one)), "\(random)")
            if above(one, two) && above(two, three) { #expect(above(one, three), "\(random)") }
        }
    }

    @Test("However often graces change: whose grace was over once is never in one again, and nobody else loses his")
    func gracesThatChange() {
        for var random in SeededRandom.cases(2_000) {
            var policy = Policy()
            var ends: [(session: Session, isOver: Bool)] = []
            var now = start
            for _ in 0..<60 {
                // Changes come at odd instants, and all else is even: never in the millisecond in which a grace is over.
                now = now.advanced(byMilliseconds: 2 * Int64.random(in: 0...2_000, using: &random))
                if random.chance(oneIn: 2) {
                    var ended = session
                    ended.heartbeat = now
                    ended.closed = Closure(at: now, isLoss: Bool.random(using: &random))
                    ends.append((ended, false))
                } else {
                    var next = Policy()
                    next.disconnectGrace = random.pick([0, 1_000, 6_000, 40_000])
                    next.lostGrace = random.pick([0, 2_000, 15_000, 30_000])
                    next.follow(policy, at: now.advanced(byMilliseconds: 1))
                    // What is over under the old one by then.
                    note(&ends, policy, at: now.advanced(byMilliseconds: 1))
                    policy = next
                    now = now.advanced(byMilliseconds: 2)
                }
                for (session, isOver) in ends {
                    let isHeld = now < session.graceEnd(policy)
                    #expect(isHeld == (!isOver && now < plainEnd(session, policy)), "\(random)")
                }
                note(&ends, policy, at: now)
            }
        }
    }

    private func note(_ ends: inout [(session: Session, isOver: Bool)], _ policy: Policy, at now: Timestamp) {
        for place in ends.indices where now >= plainEnd(ends[place].session, policy) { ends[place].isOver = true }
    }

    /// The end of a grace by the settings alone.
    private func plainEnd(_ session: Session, _ policy: Policy) -> Timestamp {
        guard let closed = session.closed else { return .distantPast }
        return min(closed.at.advanced(byMilliseconds: policy.grace(isLoss: closed.isLoss)), session.deadline(policy))
    }
}

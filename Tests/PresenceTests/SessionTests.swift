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
}

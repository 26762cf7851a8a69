import Presence
import PresenceTesting
import Testing

/// Replicas exchange facts in any order and repeat them: all must come to the same.
@Suite("Laws of merging")
struct MergeTests {
    private func checkLaws<Facts: Equatable>(
        _ merge: @escaping (inout Facts, Facts) -> Void, _ make: (inout SeededRandom) -> Facts
    ) {
        func merged(_ left: Facts, _ right: Facts) -> Facts {
            var joined = left
            merge(&joined, right)
            return joined
        }
        for var random in SeededRandom.cases(4_000) {
            let (one, two, three) = (make(&random), make(&random), make(&random))
            #expect(merged(one, two) == merged(two, one), "commutative, \(random)")
            #expect(merged(merged(one, two), three) == merged(one, merged(two, three)), "associative, \(random)")
            #expect(merged(one, one) == one, "idempotent, \(random)")
            #expect(merged(merged(one, two), two) == merged(one, two), "a repeat changes nothing, \(random)")
        }
    }

    @Test("Sessions merge in any order")
    func sessions() {
        checkLaws({ $0.merge($1) }, { $0.session() })
    }

    @Test("Registers merge in any order, of equal stamps too")
    func registers() {
        checkLaws({ $0.merge($1) }, { $0.manual() })
        checkLaws({ $0.merge($1) }, { $0.facts().text })
    }

    @Test("All facts of a user merge in any order")
    func users() {
        checkLaws({ $0.merge($1) }, { $0.facts() })
    }

    @Test("Holders that merged the same facts in different orders give the same verdicts")
    func sameFactsSameVerdict() {
        for var random in SeededRandom.cases(1_000) {
            let parts = (0..<4).map { _ in random.facts() }
            let policy = random.policy()
            var one = UserFacts()
            for part in parts { one.merge(part) }
            var other = UserFacts()
            for part in parts.shuffled(using: &random) + parts.shuffled(using: &random) { other.merge(part) }
            let now = random.instant()
            let ours = one.evidence(at: now, policy: policy, announced: .away)
            let theirs = other.evidence(at: now, policy: policy, announced: .away)
            #expect(ours.verdict(at: now) == theirs.verdict(at: now), "\(random)")
            #expect(ours.nextTransition(after: now) == theirs.nextTransition(after: now), "\(random)")
        }
    }

    @Test("Clearing is a write: it wins over an older value and gives way to a newer one")
    func clearing() {
        let old = Register(stamp: Stamp(rawValue: 1 << 20), value: ManualStatus.dnd)
        let cleared = Register<ManualStatus>(stamp: Stamp(rawValue: 2 << 20), value: nil)
        let new = Register(stamp: Stamp(rawValue: 3 << 20), value: ManualStatus.away)
        var register = old
        register.merge(cleared)
        #expect(register == cleared)
        register.merge(new)
        #expect(register == new)
        register.merge(cleared)
        #expect(register == new)
    }

    @Test("A register's value holds until its end")
    func registerEnds() {
        let end = Timestamp(milliseconds: 100)
        let register = Register(stamp: .zero, value: ManualStatus.dnd, until: end)
        #expect(register.value(at: Timestamp(milliseconds: 99)) == .dnd)
        #expect(register.value(at: end) == nil)
    }

    @Test("Facts merge part by part: sessions of both, the later last seen")
    func usersMergeByPart() {
        let session = Session(incarnation: .zero, heartbeat: .distantPast, ttlMilliseconds: 1)
        var one = UserFacts()
        one.sessions = [[1]: session]
        one.lastSeen = Timestamp(milliseconds: 5)
        var other = UserFacts()
        other.sessions = [[2]: session]
        other.lastSeen = Timestamp(milliseconds: 7)
        one.merge(other)
        #expect(one.sessions.count == 2)
        #expect(one.lastSeen == Timestamp(milliseconds: 7))
    }
}

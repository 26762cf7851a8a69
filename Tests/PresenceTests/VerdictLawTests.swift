import Presence
import PresenceTesting
import Testing

/// What timers, reads and peers rest on.
@Suite("Laws of the verdict")
struct VerdictLawTests {
    @Test("From the instant evidence was taken until the next transition the verdict does not change")
    func verdictIsConstant() {
        for var random in SeededRandom.cases(6_000) {
            let policy = random.policy()
            let facts = random.facts()
            let announced = random.pick(Status.allCases)
            let now = random.instant()
            let evidence = facts.evidence(at: now, policy: policy, announced: announced)
            let verdict = evidence.verdict(at: now)
            let next = evidence.nextTransition(after: now)
            #expect(next > now, "\(random)")
            let end = min(next, Timestamp(milliseconds: 200))
            var instant = now
            while instant < end {
                let later = facts.evidence(at: instant, policy: policy, announced: announced)
                #expect(evidence.verdict(at: instant) == verdict, "at \(instant), \(random)")
                #expect(later.verdict(at: instant) == verdict, "looked again at \(instant), \(random)")
                #expect(later.isPresent == verdict.isPresent, "at \(instant), \(random)")
                #expect(later.liveCount == evidence.liveCount || verdict.rule == .grace, "at \(instant), \(random)")
                instant = instant.advanced(byMilliseconds: 1)
            }
        }
    }

    @Test("Of the rules that an explanation names one decides, the verdict's, and none that does not apply could have")
    func consideredRules() {
        for var random in SeededRandom.cases(2_000) {
            let now = random.instant()
            let evidence = random.facts().evidence(
                at: now, policy: random.policy(), announced: random.pick(Status.allCases))
            let rules = evidence.consideredRules(at: now)
            #expect(rules.map(\.rule) == Rule.allCases, "\(random)")
            let deciding = rules.filter { $0.outcome == .decides }
            #expect(deciding.map(\.rule) == [evidence.verdict(at: now).rule], "\(random)")
            // What is asked before the one that decides does not apply, but for two that describe what is not there to decide.
            for considered in rules.prefix(while: { $0.outcome != .decides }) where considered.outcome == .givesWay {
                #expect([.noSession, .passiveOnly].contains(considered.rule), "\(random)")
            }
        }
    }

    @Test("Stepping from transition to transition meets every change")
    func transitionsMeetEveryChange() {
        for var random in SeededRandom.cases(2_000) {
            let policy = random.policy()
            let facts = random.facts()
            var armed = Timestamp(milliseconds: 0)
            var known = facts.evidence(at: armed, policy: policy, announced: .online).verdict(at: armed)
            var next = facts.evidence(at: armed, policy: policy, announced: .online).nextTransition(after: armed)
            for milliseconds in 1...200 {
                let now = Timestamp(milliseconds: Int64(milliseconds))
                let evidence = facts.evidence(at: now, policy: policy, announced: .online)
                if now == next {
                    armed = now
                    known = evidence.verdict(at: now)
                    next = evidence.nextTransition(after: now)
                }
                #expect(evidence.verdict(at: now) == known, "at \(now), armed at \(armed), \(random)")
            }
            #expect(next > Timestamp(milliseconds: 200), "facts of 60 instants come to rest, \(random)")
        }
    }

    @Test("Nobody is live, shown or present past the hard limit, whatever TTL or grace was asked for")
    func nobodyOutlivesTheHardLimit() {
        for var random in SeededRandom.cases(4_000) {
            let policy = random.policy()
            var facts = random.facts()
            for id in facts.sessions.keys where random.chance(oneIn: 3) { facts.sessions[id]?.ttlMilliseconds = .max }
            let heartbeat = facts.sessions.values.map(\.heartbeat).max() ?? .distantPast
            let limit = heartbeat.advanced(byMilliseconds: policy.heartbeatHardLimit)
            for beyond in [0, 1, 1_000, .max] as [Int64] {
                let now = limit.advanced(byMilliseconds: beyond)
                let evidence = facts.evidence(at: now, policy: policy, announced: .online)
                let verdict = evidence.verdict(at: now)
                #expect(verdict.status == .offline && verdict.publicStatus == .offline, "\(random)")
                // Not even evidence that nobody took again says otherwise.
                let stale = facts.evidence(at: Timestamp(milliseconds: 0), policy: policy, announced: .online)
                #expect(stale.verdict(at: now).status == .offline, "\(random)")
                // Passive sessions show nobody live, and may keep the key.
                guard !facts.sessions.values.contains(where: \.isPassive) else { continue }
                let silent = Verdict(status: .offline, publicStatus: .offline, rule: .noSession, isPresent: false)
                #expect(verdict == silent, "\(random)")
                #expect(evidence.liveCount == 0 && evidence.latestDeadline == .distantPast, "\(random)")
            }
        }
    }

    @Test("The user turns offline at the latest deadline if nothing is written, and not before")
    func latestDeadlineIsTheEnd() {
        for var random in SeededRandom.cases(3_000) {
            var policy = random.policy()
            // A storm holds those who still live when their deadline comes: the latest deadline does not know that.
            policy.storm = nil
            let facts = random.facts()
            let now = random.instant()
            let end = facts.evidence(at: now, policy: policy, announced: .online).latestDeadline
            guard end > .distantPast else { continue }
            let before = end.advanced(byMilliseconds: -1)
            #expect(facts.evidence(at: before, policy: policy, announced: .online).isPresent, "\(random)")
            #expect(!facts.evidence(at: end, policy: policy, announced: .online).isPresent, "\(random)")
        }
    }

    @Test("The order in which sessions are added does not matter")
    func orderOfSessionsDoesNotMatter() {
        for var random in SeededRandom.cases(1_000) {
            let policy = random.policy()
            let sessions = (0..<5).map { _ in random.session() }
            let manual = random.manual()
            let now = random.instant()
            func evidence(_ sessions: [Session]) -> Evidence {
                var evidence = Evidence(
                    at: now, policy: policy, announced: .idle, manual: manual.value, manualUntil: manual.until)
                for session in sessions { evidence.add(session, policy) }
                return evidence
            }
            let one = evidence(sessions)
            let other = evidence(sessions.shuffled(using: &random))
            #expect(one.verdict(at: now) == other.verdict(at: now), "\(random)")
            #expect(one.nextTransition(after: now) == other.nextTransition(after: now), "\(random)")
        }
    }
}

import Presence
import Testing

/// One test a sentence of the specification.
@Suite("Rules")
struct RuleTests {
    let start = Timestamp(milliseconds: 1_000_000_000)
    let policy = Policy()

    func session(
        _ beat: Int64 = 0, ttl: Int64 = 120_000, activity: Int64? = nil, brings: SessionStatus? = nil,
        isPassive: Bool = false, closed: Int64? = nil, isLoss: Bool = false, leavesGrace: Bool = true
    ) -> Session {
        Session(
            incarnation: Stamp(start, node: 1), heartbeat: start.advanced(byMilliseconds: beat), ttlMilliseconds: ttl,
            activity: activity.map { start.advanced(byMilliseconds: $0) }, brought: brings, isPassive: isPassive,
            closed: closed.map {
                Closure(at: start.advanced(byMilliseconds: $0), isLoss: isLoss, leavesGrace: leavesGrace)
            })
    }

    func verdict(
        after milliseconds: Int64 = 0, announced: Status = .online, manual: ManualStatus? = nil, until: Int64? = nil,
        _ sessions: Session...
    ) -> Verdict {
        let now = start.advanced(byMilliseconds: milliseconds)
        var evidence = Evidence(
            at: now, policy: policy, announced: announced, manual: manual,
            manualUntil: until.map { start.advanced(byMilliseconds: $0) })
        for session in sessions { evidence.add(session, policy) }
        return evidence.verdict(at: now)
    }

    // MARK: 1. No live session

    @Test("A user without sessions is offline, and his key does not exist")
    func noSession() {
        #expect(verdict() == Verdict(status: .offline, publicStatus: .offline, rule: .noSession, isPresent: false))
    }

    @Test("A session is live until its TTL has passed since the last heartbeat, to the millisecond")
    func deadlineIsExact() {
        #expect(verdict(after: 119_999, session()).status == .online)
        #expect(verdict(after: 120_000, session()).status == .offline)
    }

    @Test("A TTL above the hard limit is cut to it")
    func hardLimitCutsTTL() {
        #expect(verdict(after: 299_999, session(ttl: 900_000)).status == .online)
        #expect(verdict(after: 300_000, session(ttl: 900_000)).status == .offline)
    }

    @Test("A TTL that runs out has no grace")
    func expiryHasNoGrace() {
        #expect(verdict(after: 120_000, session()).rule == .noSession)
    }

    @Test("A goodbye is announced at once, since disconnect-grace is 0")
    func goodbye() {
        #expect(verdict(after: 50_000, session(closed: 50_000)).rule == .noSession)
    }

    @Test("A loss that was noticed holds the announced status for 15 s, and the key exists that long")
    func loss() {
        let lost = session(closed: 50_000, isLoss: true)
        let held = verdict(after: 64_999, announced: .idle, lost)
        #expect(held == Verdict(status: .idle, publicStatus: .idle, rule: .grace, isPresent: true))
        #expect(verdict(after: 65_000, announced: .idle, lost).rule == .noSession)
    }

    @Test("A loss shows nobody for longer than the TTL would have")
    func lossEndsWithTheTTL() {
        let lost = session(closed: 110_000, isLoss: true)
        #expect(verdict(after: 119_999, lost).rule == .grace)
        #expect(verdict(after: 120_000, lost).rule == .noSession)
    }

    @Test("A deletion leaves no grace, nor does the end of a passive session")
    func noGrace() {
        #expect(verdict(after: 50_000, session(closed: 50_000, isLoss: true, leavesGrace: false)).rule == .noSession)
        #expect(verdict(after: 50_000, session(isPassive: true, closed: 50_000, isLoss: true)).rule == .noSession)
    }

    @Test("While another session lives, a loss changes nothing")
    func lossOfOneOfTwo() {
        let lost = session(closed: 50_000, isLoss: true)
        #expect(verdict(after: 50_000, announced: .dnd, lost, session()).rule == .noActivityReport)
    }

    @Test("A passive session alone makes nobody online, but the key exists")
    func passiveOnly() {
        let passive = session(brings: .dnd, isPassive: true)
        #expect(
            verdict(manual: .dnd, passive)
                == Verdict(status: .offline, publicStatus: .offline, rule: .passiveOnly, isPresent: true))
    }

    // MARK: 2. Manual status

    @Test("A manual status goes before what sessions bring and do", arguments: [ManualStatus.dnd, .away, .idle])
    func manualGoesFirst(manual: ManualStatus) throws {
        let verdict = verdict(manual: manual, session(activity: 0, brings: .away))
        #expect(verdict.rule == .manual)
        #expect(verdict.status == manual.status && verdict.publicStatus == manual.status)
    }

    @Test("A manual status holds until its end, to the millisecond")
    func manualEnds() {
        #expect(verdict(after: 59_999, manual: .dnd, until: 60_000, session()).status == .dnd)
        #expect(verdict(after: 60_000, manual: .dnd, until: 60_000, session()).status == .online)
    }

    @Test("A manual status makes nobody present")
    func manualNeedsASession() {
        #expect(verdict(manual: .dnd).status == .offline)
    }

    @Test("Who is invisible is shown as offline; his true status goes on, and his key exists")
    func invisible() {
        #expect(
            verdict(after: 300_000, manual: .invisible, session(290_000, activity: 0))
                == Verdict(status: .idle, publicStatus: .offline, rule: .invisible, isPresent: true))
    }

    @Test("Who turns invisible during a grace is shown as offline at once")
    func invisibleInGrace() {
        let lost = session(closed: 50_000, isLoss: true)
        #expect(verdict(after: 55_000, manual: .invisible, lost).publicStatus == .offline)
        #expect(verdict(after: 55_000, manual: .invisible, until: 55_000, lost).publicStatus == .online)
    }

    // MARK: 3. What a session brings

    @Test("Of what sessions bring, dnd goes over away over idle, passive sessions too")
    func broughtByStrength() {
        let calendar = session(brings: .dnd, isPassive: true)
        #expect(verdict(session(brings: .idle), session(brings: .away)).status == .away)
        #expect(verdict(session(brings: .away), session(), calendar).status == .dnd)
        #expect(verdict(session(), calendar).rule == .sessionStatus)
    }

    @Test("What a session brought ends with it")
    func broughtEnds() {
        #expect(verdict(after: 60_000, session(), session(ttl: 60_000, brings: .dnd)).status == .online)
    }

    // MARK: 4. Activity

    @Test("A session that never reported activity is not called idle")
    func noReportIsNotInactivity() {
        #expect(verdict(after: 3_600_000, session(3_590_000)).status == .online)
        #expect(verdict(after: 3_600_000, session(3_590_000)).rule == .noActivityReport)
    }

    @Test("Without activity for 5 minutes idle, for 30 away, to the millisecond, however it beats")
    func inactivity() {
        func status(_ now: Int64) -> Status { verdict(after: now, session(now, activity: 0)).status }
        #expect(status(299_999) == .online)
        #expect(status(300_000) == .idle)
        #expect(status(1_799_999) == .idle)
        #expect(status(1_800_000) == .away)
    }

    @Test("The most present of several sessions counts")
    func mostPresent() {
        let now: Int64 = 1_800_000
        #expect(verdict(after: now, session(now, activity: 0), session(now, activity: now - 1)).status == .online)
        #expect(verdict(after: now, session(now, activity: 0), session(now, activity: 1_400_000)).status == .idle)
        #expect(verdict(after: now, session(now, activity: 0), session(now)).status == .online)
    }

    @Test("Activity of a passive session makes nobody more present")
    func passiveActivity() {
        let passive = session(1_800_000, activity: 1_800_000, isPassive: true)
        #expect(verdict(after: 1_800_000, session(1_800_000, activity: 0), passive).status == .away)
    }

    @Test("If away-after is not above idle-after, nobody is idle")
    func awayBeforeIdle() {
        var policy = policy
        policy.awayAfter = 60_000
        #expect(session(activity: 0).status(at: start.advanced(byMilliseconds: 59_999), policy) == .online)
        #expect(session(activity: 0).status(at: start.advanced(byMilliseconds: 60_000), policy) == .away)
    }
}

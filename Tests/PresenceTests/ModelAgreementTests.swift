import Presence
import PresenceTesting
import Testing

/// One user as the store keeps him: facts, what was announced, and the rules of `Evidence`.
private struct RuledUser {
    var facts = UserFacts()
    var announced = Status.offline
    var events: [SlowModel.Event] = []
    var now: Timestamp
    let policy: Policy
    var stamps = StampClock(node: 1)

    var evidence: Evidence { facts.evidence(at: now, policy: policy, announced: announced) }

    mutating func look(_ reason: Reason) {
        let status = evidence.verdict(at: now).publicStatus
        guard status != announced else { return }
        events.append(SlowModel.Event(user: "u", old: announced, new: status, reason: reason, timestamp: now))
        announced = status
    }

    /// Looks again at every transition, as a timer does.
    mutating func advance(to instant: Timestamp) {
        while case let next = evidence.nextTransition(after: now), next <= instant {
            now = next
            look(.restored)
        }
        now = instant
    }
}

/// Two ways of writing the specification down, and random lives in which they must agree.
@Suite("Rules and model agree")
struct ModelAgreementTests {
    private let ids: [SlowModel.Name] = ["a", "b", "c", "d"]

    @Test("Over random operations and times, on every status, event, key and TTL")
    func agree() {
        for var random in SeededRandom.cases(1_500) {
            var policy = random.policy()
            // Where the model's time begins.
            policy.storm?.heldFrom = Timestamp(milliseconds: 1_000)
            policy.storm?.heldUntil = Timestamp(milliseconds: 1_000 + Int64.random(in: 0...400, using: &random))
            var model = SlowModel(at: Timestamp(milliseconds: 1_000), policy: policy, sessionTTLMilliseconds: 30)
            var ruled = RuledUser(now: model.now, policy: policy)
            for step in 0..<80 {
                let operation = apply(&random, &model, &ruled)
                let note = "step \(step), \(operation), \(random)"
                #expect(model.status(of: "u") == ruled.evidence.verdict(at: ruled.now).publicStatus, "\(note)")
                #expect(model.status(of: "u") == ruled.announced, "reads and announcements agree, \(note)")
                #expect(model.exists(user: "u") == ruled.evidence.isPresent, "\(note)")
                #expect(model.liveSessions(of: "u").count == ruled.evidence.liveCount, "\(note)")
                let deadline = ruled.evidence.latestDeadline
                let timeToLive = ruled.evidence.isPresent ? deadline.milliseconds(since: ruled.now) : nil
                #expect(model.timeToLive(user: "u") == timeToLive, "\(note)")
            }
            let events = model.takeEvents()
            #expect(events.map { [$0.old, $0.new] } == ruled.events.map { [$0.old, $0.new] }, "\(random)")
            #expect(events.map(\.timestamp) == ruled.events.map(\.timestamp), "\(random)")
        }
    }

    private func apply(_ random: inout SeededRandom, _ model: inout SlowModel, _ user: inout RuledUser) -> String {
        let id = random.pick(ids)
        let policy = user.policy
        switch Int.random(in: 0..<10, using: &random) {
        case 0, 1:
            let ttl = Int64.random(in: 1...60, using: &random)
            let brought = random.chance(oneIn: 4) ? random.pick(SessionStatus.allCases) : nil
            let isPassive = random.chance(oneIn: 4)
            model.connect("u", session: id, ttlMilliseconds: ttl, brings: brought, isPassive: isPassive)
            user.facts.sessions[id.bytes] = Session(
                incarnation: user.stamps.next(at: user.now), heartbeat: user.now, ttlMilliseconds: ttl,
                brought: brought, isPassive: isPassive)
            user.look(.connect)
            return "connect"
        case 2, 3:
            let isActive = Bool.random(using: &random)
            let now = user.now
            let isTaken = user.facts.sessions[id.bytes]?.beat(at: now, isActive: isActive, policy) ?? false
            let isKnown = model.beat("u", session: id, isActive: isActive)
            #expect(isKnown == isTaken, "\(random)")
            user.look(.activity)
            return "beat"
        case 4:
            let reason = random.pick([Reason.disconnect, .leaseLost])
            let end = Closure(at: user.now, isLoss: reason.isLoss)
            var isEnded = user.facts.sessions[id.bytes]?.close(end, policy) ?? false
            let goodbye = Closure(at: user.now, isLoss: false)
            if !isEnded, !reason.isLoss {
                isEnded = user.facts.sessions[id.bytes]?.leave(goodbye, policy) ?? false
            }
            let isKnown = model.disconnect("u", session: id, reason: reason)
            #expect(isKnown == isEnded, "\(random)")
            user.look(reason)
            return "disconnect"
        case 5 where random.chance(oneIn: 2):
            let manual = random.chance(oneIn: 3) ? nil : random.pick(ManualStatus.allCases)
            let until = random.maybe { _ in user.now.advanced(byMilliseconds: 20) }
            model.setManual("u", manual, until: until)
            user.facts.manual = Register(stamp: user.stamps.next(at: user.now), value: manual, until: until)
            user.look(.manual)
            return "manual"
        case 6 where random.chance(oneIn: 3):
            let isThere = user.evidence.isPresent
            let isRemoved = model.remove(user: "u")
            #expect(isRemoved == isThere, "\(random)")
            // Of a key that is not there nothing is deleted, also not what a storm would hold once its user is seen again.
            for key in user.facts.sessions.keys where isThere {
                let end = Closure(at: user.now, isLoss: false, leavesGrace: false)
                guard user.facts.sessions[key]?.close(end, policy) == false else { continue }
                // What a grace or a storm holds is not held any more.
                if user.facts.sessions[key]?.closed == nil { user.facts.sessions[key]?.closed = end }
                user.facts.sessions[key]?.closed?.leavesGrace = false
            }
            user.look(.deleted)
            return "remove"
        case 7 where random.chance(oneIn: 2):
            let ttl = Int64.random(in: 1...60, using: &random)
            model.expire(user: "u", ttlMilliseconds: ttl)
            let live = user.facts.sessions.filter { $0.value.isLive(at: user.now, policy) }
            let hasOthers = live.values.contains { !$0.isPassive }
            for (key, session) in live where !(session.isPassive && hasOthers) {
                _ = user.facts.sessions[key]?.beat(at: user.now, isActive: false, ttlMilliseconds: ttl, policy)
            }
            user.look(.activity)
            return "expire"
        default:
            let interval = Int64.random(in: 1...25, using: &random)
            model.advance(byMilliseconds: interval)
            user.advance(to: user.now.advanced(byMilliseconds: interval))
            return "advance \(interval)"
        }
    }
}

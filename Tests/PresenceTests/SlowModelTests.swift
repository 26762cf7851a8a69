import Presence
import PresenceTesting
import Testing

@Suite("The slow model")
struct SlowModelTests {
    let start = Timestamp(milliseconds: 1_735_689_600_000)

    func event(_ old: Status, _ new: Status, _ reason: Reason, after milliseconds: Int64) -> SlowModel.Event {
        SlowModel.Event(
            user: "alice", old: old, new: new, reason: reason,
            timestamp: start.advanced(byMilliseconds: milliseconds))
    }

    @Test("A user connects, goes quiet, and is announced at the very milliseconds")
    func story() {
        var model = SlowModel(at: start)
        check(model.connect("alice", session: "phone") == 1)
        model.advance(byMilliseconds: 1_000)
        model.beat("alice", session: "phone", isActive: true)
        for _ in 0..<7 {
            model.advance(byMilliseconds: 60_000)
            model.beat("alice", session: "phone")
        }
        #expect(model.timeToLive(user: "alice") == 120_000)
        model.advance(byMilliseconds: 3_600_000)
        #expect(!model.exists(user: "alice") && model.timeToLive(user: "alice") == nil)
        #expect(model.lastSeen(of: "alice") == start.advanced(byMilliseconds: 1_000))
        check(
            model.takeEvents() == [
                event(.offline, .online, .connect, after: 0),
                event(.online, .idle, .inactivity, after: 301_000),
                event(.idle, .offline, .heartbeatTimeout, after: 541_000),
            ])
        check(model.takeEvents().isEmpty)
    }

    @Test("A loss is announced after its grace, unless the user comes back")
    func grace() {
        var model = SlowModel(at: start)
        model.connect("alice", session: "phone")
        model.disconnect("alice", session: "phone", reason: .leaseLost)
        model.advance(byMilliseconds: 10_000)
        #expect(model.exists(user: "alice") && model.timeToLive(user: "alice") == 5_000)
        model.connect("alice", session: "phone")
        model.disconnect("alice", session: "phone", reason: .dropped)
        model.advance(byMilliseconds: 15_000)
        check(
            model.takeEvents() == [
                event(.offline, .online, .connect, after: 0), event(.online, .offline, .graceEnded, after: 25_000),
            ])
        #expect(model.lastSeen(of: "alice") == nil, "a loss is no clean close")
    }

    @Test("lastSeen does not move while invisible, nor by passive sessions")
    func lastSeen() {
        var model = SlowModel(at: start)
        model.connect("alice", session: "phone")
        model.connect("alice", session: "calendar", isPassive: true)
        model.setManual("alice", .invisible)
        model.beat("alice", session: "phone", isActive: true)
        model.disconnect("alice", session: "phone")
        model.setManual("alice", nil)
        model.disconnect("alice", session: "calendar")
        #expect(model.lastSeen(of: "alice") == nil)
        check(
            model.takeEvents() == [
                event(.offline, .online, .connect, after: 0), event(.online, .offline, .manual, after: 0),
            ])
    }

    @Test("A record is set as the table says")
    func records() {
        var model = SlowModel(at: start)
        model.setRecord("alice", status: .online, ttlMilliseconds: 3_000_000)
        model.advance(byMilliseconds: 1_000)
        model.setRecord("alice", status: .idle)
        model.advance(byMilliseconds: 1_000)
        model.setRecord("alice", status: .dnd, keepsTTL: true)
        model.advance(byMilliseconds: 1_000)
        model.setOffline("alice")
        check(
            model.takeEvents() == [
                event(.offline, .online, .connect, after: 0), event(.online, .idle, .inactivity, after: 1_000),
                event(.idle, .dnd, .sessionStatus, after: 2_000), event(.dnd, .offline, .disconnect, after: 3_000),
            ])
    }

    @Test("EXPIRE is a heartbeat with that TTL, and 0 is DEL: no grace is left")
    func expire() {
        var model = SlowModel(at: start)
        check(!model.expire(user: "alice", ttlMilliseconds: 10_000))
        model.connect("alice", session: "phone")
        check(model.expire(user: "alice", ttlMilliseconds: 10_000))
        #expect(model.timeToLive(user: "alice") == 10_000)
        model.disconnect("alice", session: "phone", reason: .leaseLost)
        #expect(model.exists(user: "alice"))
        check(model.expire(user: "alice", ttlMilliseconds: 0))
        check(!model.exists(user: "alice") && !model.remove(user: "alice"))
        check(model.takeEvents().last == event(.online, .offline, .deleted, after: 0))
    }

    @Test("A user has a bounded number of sessions; opening one anew takes no more room")
    func maximumSessions() {
        var model = SlowModel(at: start, maxSessionsPerUser: 2)
        check(model.connect("alice", session: "1") == 1)
        check(model.connect("alice", session: "2") == 2)
        check(model.connect("alice", session: "3") == nil)
        check(model.connect("alice", session: "2") == 2)
        check(!model.setRecord("alice", session: "3", status: .online))
    }

    @Test("Strings end at their instant, and SET's conditions and KEEPTTL hold")
    func strings() {
        var model = SlowModel(at: start)
        let end = start.advanced(byMilliseconds: 500)
        check(!model.set(string: "k", to: "0", condition: .ifPresent))
        check(model.set(string: "k", to: "1", expiry: .at(end), condition: .ifAbsent))
        check(!model.set(string: "k", to: "2", condition: .ifAbsent))
        check(model.set(string: "k", to: "3", expiry: .keep, condition: .ifPresent))
        #expect(model.string("k") == "3" && model.timeToLive(string: "k") == 500 && model.stringCount == 1)
        model.advance(byMilliseconds: 499)
        #expect(model.exists(string: "k"))
        model.advance(byMilliseconds: 1)
        #expect(!model.exists(string: "k") && model.stringCount == 0 && model.timeToLive(string: "k") == nil)
        model.set(string: "k", to: "4")
        #expect(model.timeToLive(string: "k") == .max)
        check(model.expire(string: "k", at: start) && !model.exists(string: "k"))
        check(!model.remove(string: "k"))
        model.set(string: "k", to: "5")
        model.removeAll()
        #expect(model.stringCount == 0)
    }
}

/// As `#expect`, which takes no call that changes the model.
private func check(_ holds: Bool, sourceLocation: SourceLocation = #_sourceLocation) {
    #expect(holds, sourceLocation: sourceLocation)
}

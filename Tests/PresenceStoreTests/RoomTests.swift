import Presence
import PresenceTesting
import Testing

@testable import PresenceStore

/// How many ends of sessions, and how many bytes, a user's record holds.
@Suite("Room in a record")
struct RoomTests {
    private let start = Timestamp(milliseconds: 1_767_225_600_000)
    private func later(_ milliseconds: Int64) -> Timestamp { start.advanced(byMilliseconds: milliseconds) }
    /// The longest id there is, which is not packed.
    private let longUser = SlowModel.Name([UInt8](repeating: 255, count: 255))

    private func longSession(_ number: Int) -> SlowModel.Name {
        SlowModel.Name([UInt8](repeating: 254, count: 253) + [UInt8(number >> 8), UInt8(number & 0xff)])
    }

    private func store(_ change: (inout ShardedStore.Configuration) -> Void = { _ in }) -> ShardedStore {
        .standing(at: start) {
            $0.policy.lostGrace = 15_000
            change(&$0)
        }
    }

    private func changes(_ reader: EventReader) -> [StatusChange] {
        var events: [StoreEvent] = []
        while !reader.read(shard: 0, into: &events) {}
        return events.compactMap { event in
            guard case .status(let change) = event else { return nil }
            return change
        }
    }

    /// Bytes of the record of a user.
    private func bytes(_ store: ShardedStore, _ user: SlowModel.Name) -> Int {
        store.withUser(user.bytes.span, at: start) { state, key, hash, _ in
            UserRecord(state.slabs.address(state.find(key, hash))).byteCount
        }
    }

    @Test("However many sessions are lost in one millisecond, few ends are kept")
    func lossesOfOneInstant() throws {
        let store = store()
        let reader = store.makeReader { _ in }
        defer { reader.cancel() }
        for number in 0..<400 {
            let session = SlowModel.Name("s\(number)")
            #expect(try store.connect("alice", session: session, at: start) == 1)
            store.disconnect("alice", session: session, reason: .heartbeatTimeout, at: start)
            #expect(store.statistics().sessions == 0)
        }
        #expect(bytes(store, "alice") < 40 * 40)
        #expect(store.status(of: "alice", at: later(14_999)) == .online)
        store.advance(to: later(15_000))
        #expect(store.status(of: "alice", at: later(15_000)) == .offline)
        let told = changes(reader)
        #expect(told.map(\.new) == [.online, .offline])
        #expect(told.last?.timestamp == later(15_000))
    }

    @Test("Nor do losses pile up that a storm lets go of at one instant")
    func lossesOfOneStorm() throws {
        let store = store {
            $0.policy.storm = Storm(
                began: start, heldUntil: start.advanced(byMilliseconds: 60_000), spreadMilliseconds: 0)
        }
        let reader = store.makeReader { _ in }
        defer { reader.cancel() }
        for number in 0..<1_000 {
            let now = later(Int64(number) * 40)
            try store.connect("alice", session: SlowModel.Name("s\(number)"), at: now)
            store.advance(to: now.advanced(byMilliseconds: 20))
            store.disconnect(
                "alice", session: SlowModel.Name("s\(number)"), reason: .heartbeatTimeout,
                at: now.advanced(byMilliseconds: 20))
        }
        #expect(bytes(store, "alice") < 40 * 40)
        store.advance(to: later(59_999))
        #expect(changes(reader).map(\.new) == [.online])
        store.advance(to: later(60_000))
        #expect(changes(reader).map { $0.timestamp } == [later(60_000)])
    }

    @Test("Ends give way to what is new: a full record takes a status, a text, a friend")
    func endsGiveWay() throws {
        let store = store()
        for number in 0..<32 { try store.connect(longUser, session: longSession(number), server: "gw", at: start) }
        try store.drop(SlowModel.Name("gw").bytes.span, at: later(10))
        store.advance(to: later(20))
        // As many as there may be besides the ends of the first, which are held for 15 s.
        for number in 32..<64 { try store.connect(longUser, session: longSession(number), at: later(30)) }
        #expect(store.sessions(of: longUser.bytes.span, at: later(30)).count == 32)
        let text = [UInt8](repeating: 120, count: 128)
        try store.set(longUser.bytes.span, UserSettings(status: .dnd, activity: text), at: later(40))
        #expect(store.status(of: longUser, at: later(40)) == .dnd)
        #expect(store.describe(longUser.bytes.span, at: later(40))?.activity == text)
        #expect(bytes(store, longUser) <= Slabs.maximumSize)
    }

    @Test("What does not fit says so, and nothing is done")
    func full() throws {
        let one = store { $0.maxSessionsPerUser = 50 }
        let two = store {
            $0.maxSessionsPerUser = 50
            $0.node = 2
            $0.hashSecret = (1, 2)
        }
        for number in 0..<40 {
            try one.connect(longUser, session: longSession(number), at: start)
            try two.connect(longUser, session: longSession(100 + number), at: start)
        }
        let image = one.image(of: longUser.bytes.span, at: start) ?? []
        #expect(try two.merge(image.span, at: start))
        let live = two.sessions(of: longUser.bytes.span, at: start).count
        #expect((51..<80).contains(live), "as many as a record holds")
        let before = (bytes(two, longUser), two.statistics().changes)
        let text = [UInt8](repeating: 120, count: 128)
        let more = UserRecord.manualBytes + UserRecord.textBytes + text.count
        #expect(
            before.0 <= Slabs.maximumSize && before.0 + more > Slabs.maximumSize,
            "so full that it has no room for these")
        #expect(throws: StoreError.userTooLarge(limit: 16_384)) {
            try two.set(longUser.bytes.span, UserSettings(status: .dnd, activity: text), at: start)
        }
        #expect(two.status(of: longUser, at: start) == .online)
        #expect(two.describe(longUser.bytes.span, at: start)?.activity == nil)
        #expect((bytes(two, longUser), two.statistics().changes) == before)
    }
}

import Presence
import PresenceTesting
import Testing

@testable import PresenceStore

@Suite("Change ring")
struct ChangeRingTests {
    /// A key event whose key tells its place in the order.
    private func append(_ place: Int, length: Int, to ring: inout ChangeRing) {
        var key = [UInt8](repeating: UInt8(truncatingIfNeeded: place), count: max(length, 8))
        for byte in 0..<8 { key[byte] = UInt8(truncatingIfNeeded: place >> (byte * 8)) }
        key.withUnsafeBytes { ring.append(.deleted, .string, key: .init(bytes: $0)) }
    }

    private func place(_ event: StoreEvent) -> Int? {
        guard case .keyspace(.deleted, .string, let key) = event else { return nil }
        let tail = key.dropFirst(8)
        let place = (0..<8).reduce(0) { $0 | Int(key[$1]) << ($1 * 8) }
        return tail.allSatisfy { $0 == UInt8(truncatingIfNeeded: place) } ? place : nil
    }

    @Test("Readers at any pace get every entry in order, or are told exactly how many they missed")
    func paces() {
        for var random in SeededRandom.cases(4) {
            var ring = ChangeRing(capacity: 16_384)
            var cursors = [ring.end, ring.end, ring.end]
            var expected = [0, 0, 0]
            var written = 0
            for _ in 0..<5_000 {
                append(written, length: Int.random(in: 0...random.pick([20, 200, 3_000]), using: &random), to: &ring)
                written += 1
                for reader in 0..<3 where random.chance(oneIn: [1, 40, 400][reader]) {
                    var events: [StoreEvent] = []
                    ring.read(&cursors[reader], limit: .random(in: 1...60, using: &random), into: &events)
                    for event in events {
                        if case .missed(let count) = event {
                            expected[reader] += count
                        } else {
                            check(place(event) == expected[reader], "\(random)")
                            expected[reader] += 1
                        }
                    }
                }
            }
            for reader in 0..<3 {
                var events: [StoreEvent] = []
                ring.read(&cursors[reader], limit: .max, into: &events)
                for event in events {
                    if case .missed(let count) = event { expected[reader] += count } else { expected[reader] += 1 }
                }
                check(expected[reader] == written, "\(random)")
                let hasMore = ring.hasEntries(after: cursors[reader])
                check(!hasMore)
            }
        }
    }

    @Test("An explanation has the last change as it was announced, while it is in the ring, also behind texts")
    func lastChange() throws {
        let start = Timestamp(milliseconds: 1_767_225_600_000)
        let store = ShardedStore.standing(at: start, shards: 1) { $0.changeRingBytes = 16_384 }
        for user in ["alice", "6ba7b810-9dad-11d1-80b4-00c04fd430c8"] as [SlowModel.Name] {
            func change() -> StatusChange? { store.explain(user.bytes.span, for: nil, at: start).lastChange }
            func headline() -> String? { store.explain(user.bytes.span, for: nil, at: start).lines.first }
            try store.set(user.bytes.span, UserSettings(status: .away), at: start)
            #expect(change() == nil, "nobody has been told anything of him")
            try store.connect(user, session: "phone", at: start)
            #expect(change()?.reason == .connect)
            #expect(change()?.userID == user.bytes)
            #expect(headline()?.hasSuffix(" (0 ms ago), by connect of session phone: set by hand") == true)
            try store.set(user.bytes.span, UserSettings(activity: .some([65])), at: start)
            #expect(change()?.reason == .connect)
            try store.set(user.bytes.span, UserSettings(status: .dnd), at: start)
            #expect(change()?.reason == .manual)
            #expect(change()?.old == .away)
            for other in 0..<400 {
                try store.connect(SlowModel.Name(stringLiteral: "other-\(other)"), session: "s", at: start)
                store.remove(.presence, SlowModel.Name(stringLiteral: "other-\(other)"), at: start)
            }
            #expect(change() == nil, "it was overwritten")
            #expect(headline()?.hasSuffix(" (0 ms ago): set by hand") == true)
        }
    }

    @Test("A reader that stands exactly one ring behind misses nothing and reads nothing wrong")
    func oneRingBehind() {
        // Entries of every length, so that every distance between the end of the ring and a filler comes up.
        for length in stride(from: 8, through: 1_200, by: 8) {
            var ring = ChangeRing(capacity: 16_384)
            for place in 0..<40 { append(place, length: length + place % 3 * 8, to: &ring) }
            var cursor = ring.end
            var next = 40
            var behind: [StoreEvent] = []
            for _ in 0..<400 {
                append(next, length: length, to: &ring)
                next += 1
                var probe = cursor
                var events: [StoreEvent] = []
                ring.read(&probe, limit: 1, into: &events)
                if case .missed = events.first {
                    cursor = ring.end
                    continue
                }
                behind = events
                check(behind.count == 1 && place(behind[0]) != nil, "length \(length)")
            }
        }
    }

    @Test("A status entry comes back with everything that was put in")
    func status() {
        var ring = ChangeRing(capacity: 0)
        var cursor = ring.end
        let entry = ChangeRing.StatusEntry(
            record: 5, old: .away, new: .dnd, reason: .sessionStatus,
            version: Stamp(Timestamp(milliseconds: 99), counter: 3, node: 2), timestamp: Timestamp(milliseconds: 98),
            since: Timestamp(milliseconds: 97))
        let uuid: [UInt8] = Array("0f8fad5b-d9cb-469f-a165-70867728950e".utf8)
        let long = [UInt8](repeating: 7, count: 255)
        let place = uuid.withUnsafeBytes { uuid in
            let key = BytesKey(uuid)
            return long.withUnsafeBytes { long in
                withUnsafeTemporaryAllocation(byteCount: 16, alignment: 8) { packed in
                    key.store(to: packed.baseAddress!)
                    return ring.append(
                        entry, user: .init(bytes: UnsafeRawBufferPointer(packed), isPacked: true),
                        session: .init(bytes: long), device: .init(), server: .init(bytes: uuid), activity: .init())
                }
            }
        }
        #expect(place == 1)
        var events: [StoreEvent] = []
        ring.read(&cursor, limit: 9, into: &events)
        #expect(
            events == [
                .status(
                    StatusChange(
                        userID: uuid, old: .away, new: .dnd, reason: .sessionStatus,
                        timestamp: Timestamp(milliseconds: 98), since: Timestamp(milliseconds: 97),
                        version: entry.version, activity: nil, device: nil, connection: long, server: uuid))
            ])
    }

    @Test("A key longer than a quarter of the ring is counted and left out")
    func oversized() {
        var ring = ChangeRing(capacity: 16_384)
        var cursor = ring.end
        append(0, length: 4_096, to: &ring)
        append(1, length: 4_097, to: &ring)
        append(1, length: 50_000, to: &ring)
        append(1, length: 30, to: &ring)
        var events: [StoreEvent] = []
        ring.read(&cursor, limit: 9, into: &events)
        #expect(events.map(place) == [0, 1])
        let count = ring.oversizedCount
        #expect(count == 2)
    }

    @Test(
        "Its capacity is a power of two and 16 KiB at least",
        arguments: [(0, 16_384), (16_385, 32_768), (65_536, 65_536)])
    func capacity(asked: Int, given: Int) {
        let ring = ChangeRing(capacity: asked)
        let capacity = ring.capacity
        #expect(capacity == given)
    }
}

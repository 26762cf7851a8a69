import Presence
import PresenceTesting
import Testing

@testable import PresenceStore

/// The drawings in `RecordUser.swift`, `RecordSession.swift` and `RecordString.swift`, byte by byte.
@Suite("Layout of records")
struct RecordLayoutTests {
    private static let user: [UInt8] = Array("0f8fad5b-d9cb-469f-a165-70867728950e".utf8)
    private static let connection: [UInt8] = Array("ws-conn-abc123def456".utf8)
    private static let uuidBytes: [UInt8] = [
        0x0f, 0x8f, 0xad, 0x5b, 0xd9, 0xcb, 0x46, 0x9f, 0xa1, 0x65, 0x70, 0x86, 0x77, 0x28, 0x95, 0x0e,
    ]

    /// The bytes of a record with a UUID and one session, written by the store's own code.
    private func withRecord(_ session: Session, _ body: (UserRecord, SessionRecord) -> Void) {
        withUnsafeTemporaryAllocation(byteCount: 512, alignment: 16) { slot in
            slot.initializeMemory(as: UInt8.self, repeating: 0xEE)
            let record = UserRecord(slot.baseAddress!)
            RecordLayoutTests.user.withUnsafeBytes { record.initialize(BytesKey($0)) }
            let place = SessionRecord(record.address + record.byteCount)
            RecordLayoutTests.connection.withUnsafeBytes {
                place.initialize(session, BytesKey($0), device: 0x0102, platform: 0x0304, server: 0x0506)
            }
            record.sessionCount = 1
            body(record, place)
        }
    }

    private func session() -> Session {
        Session(
            incarnation: Stamp(rawValue: 0x1122_3344_5566_7788), heartbeat: Timestamp(milliseconds: 0x01_0203_0405),
            ttlMilliseconds: 120_000, activity: Timestamp(milliseconds: 0x06_0708_090A), home: 7)
    }

    @Test("A user with a UUID, one session of a 20-byte id and all words takes 92 bytes, a slot of 96")
    func size() {
        withRecord(session()) { record, session in
            #expect(record.byteCount == 92)
            #expect(session.byteCount == 50)
            #expect(session.address - record.address == 42)
        }
        #expect(Slabs.size(ofClass: Slabs.sizeClass(for: 92)) == 96)
        #expect(RecordHeader.byteCount == 12)
        #expect(UserRecord.idOffset == 26)
        #expect(SessionRecord.fixedBytes == 30)
        #expect(UserRecord.manualBytes == 14)
        #expect(UserRecord.textBytes == 15)
        #expect(StringRecord.fixedBytes == 36)
        #expect(RecordInstant.byteCount == 5)
    }

    @Test("Whether something is set by hand follows both registers, in whatever order they are written")
    func setByHand() {
        let text: [UInt8] = [65, 66]
        let stamp = Stamp(rawValue: 1)
        withRecord(session()) { record, _ in
            record.sessionCount = 0
            record.announced = .online
            record.isPresent = true
            func isNone() -> Bool {
                record.sessionCount = 1
                defer { record.sessionCount = 0 }
                return record.isShownOnlineByOneSession || record.isShownOnlineBesideRegisters
            }
            func set(_ status: ManualStatus?) { record.storeManual(Register(stamp: stamp, value: status)) }
            func say(_ text: [UInt8]) {
                text.withUnsafeBytes {
                    record.storeText($0, stamp: stamp, until: nil, at: Timestamp(milliseconds: 0))
                }
            }
            #expect(isNone())
            set(.dnd)
            #expect(!isNone())
            set(nil)
            #expect(isNone() && record.hasManual && record.manual(near: Timestamp(milliseconds: 0)).stamp == stamp)
            say(text)
            #expect(!isNone())
            set(.away)
            say([])
            #expect(!isNone())
            say(text)
            set(nil)
            #expect(!isNone())
            say([])
            #expect(isNone() && record.hasText && record.textStamp == stamp)
            set(.invisible)
            record.clearParts()
            #expect(isNone())
        }
    }

    @Test("The user's part lies as it is drawn")
    func userPart() {
        withRecord(session()) { record, _ in
            record.announced = .online
            record.isPresent = true
            record.version = Stamp(rawValue: 0xA1A2_A3A4_A5A6_A7A8)
            record.raiseLastSeen(to: Timestamp(milliseconds: 0x05_0403_0201), near: Timestamp(milliseconds: 0))
            record.header.armedTick = 0xB1B2_B3B4
            record.header.changePlace = 0xC1C2_C3C4
            let bytes = [UInt8](UnsafeRawBufferPointer(start: record.address, count: 42))
            #expect(bytes[0] == RecordKind.user.rawValue)
            #expect(bytes[1] == 1 | 2, "packed, has lastSeen")
            #expect(bytes[2] == 16, "id size")
            #expect(bytes[3] == 1, "sessions")
            #expect(Array(bytes[4..<8]) == [0xB4, 0xB3, 0xB2, 0xB1], "armed tick")
            #expect(Array(bytes[8..<12]) == [0xC4, 0xC3, 0xC2, 0xC1], "change place")
            #expect(bytes[12] == Status.online.rawValue | 8, "status, present")
            #expect(Array(bytes[13..<18]) == [1, 2, 3, 4, 5], "lastSeen")
            #expect(Array(bytes[18..<26]) == [0xA8, 0xA7, 0xA6, 0xA5, 0xA4, 0xA3, 0xA2, 0xA1], "version")
            // Each half of a UUID is two words of eight digits.
            #expect(Array(bytes[26..<42]) == RecordLayoutTests.uuidBytes, "id")
        }
    }

    @Test("The session's part lies as it is drawn")
    func sessionPart() {
        withRecord(session()) { _, session in
            let bytes = [UInt8](UnsafeRawBufferPointer(start: session.address, count: 50))
            #expect(Array(bytes[0..<8]) == [0x88, 0x77, 0x66, 0x55, 0x44, 0x33, 0x22, 0x11], "incarnation")
            #expect(Array(bytes[8..<13]) == [5, 4, 3, 2, 1], "heartbeat")
            #expect(Array(bytes[13..<18]) == [0x0A, 9, 8, 7, 6], "activity")
            #expect(Array(bytes[18..<22]) == [0xC0, 0xD4, 1, 7], "TTL, home")
            #expect(Array(bytes[22..<28]) == [2, 1, 4, 3, 6, 5], "device, platform, server")
            #expect(bytes[28] == 32, "has activity")
            #expect(bytes[29] == 20, "id size")
            #expect(Array(bytes[30..<50]) == RecordLayoutTests.connection)
        }
    }

    @Test("A TTL keeps its milliseconds below 2^23 of them; a longer one is rounded up to 20 ms")
    func longTTL() {
        let kept: [(Int64, Int64)] = [
            (0, 0), (1, 1), (8_388_607, 8_388_607), (8_388_608, 8_388_620), (86_400_000, 86_400_000),
            (86_400_001, 86_400_020), (.max, SessionRecord.maximumTTL),
        ]
        for (ttl, expected) in kept {
            var facts = session()
            facts.ttlMilliseconds = ttl
            withRecord(facts) { _, session in
                #expect(session.facts(near: facts.heartbeat).ttlMilliseconds == expected)
                #expect(session.home == 7)
            }
        }
    }

    @Test("Facts come back from a record as they were put in")
    func facts() {
        for var random in SeededRandom.cases(2_000) {
            let now = Timestamp(milliseconds: 1_767_225_600_000)
            func instant() -> Timestamp {
                now.advanced(byMilliseconds: .random(in: -300_000_000_000...0, using: &random))
            }
            var facts = Session(
                incarnation: Stamp(rawValue: random.next()), heartbeat: instant(),
                ttlMilliseconds: .random(in: 1...8_388_607, using: &random))
            if random.chance(oneIn: 2) { facts.activity = instant() }
            if random.chance(oneIn: 2) { facts.brought = random.pick(SessionStatus.allCases) }
            facts.isPassive = random.chance(oneIn: 2)
            facts.home = UInt8.random(in: .min ... .max, using: &random)
            if random.chance(oneIn: 2) {
                // The end lies where the activity lay.
                facts.activity = nil
                facts.closed = Closure(
                    at: instant(), isLoss: random.chance(oneIn: 2), leavesGrace: random.chance(oneIn: 2),
                    isOfGateway: random.chance(oneIn: 2))
            }
            withRecord(facts) { _, session in
                check(session.facts(near: now) == facts, "\(random)")
                check(session.isPassive == facts.isPassive && session.isClosed == (facts.closed != nil), "\(random)")
            }
        }
    }

    @Test("A store of users with UUIDs and one session spends 96 bytes of slabs on each")
    func inTheStore() throws {
        let store = ShardedStore()
        let now = Timestamp(milliseconds: 1_767_225_600_000)
        for number in 0..<2_000 {
            let digits = String(number, radix: 16)
            let user = "0f8fad5b-d9cb-469f-a165-" + String(repeating: "0", count: 12 - digits.count) + digits
            try store.connect(
                .init(user), session: .init(RecordLayoutTests.connection), device: "mobile", platform: "ios",
                server: "server-1", at: now)
        }
        #expect(store.statistics().memory.slabsInUse == 2_000 * 96)
    }
}

import Presence
import PresenceTesting
import Testing

@testable import PresenceStore

/// Strings beyond what the model run sees: bounds, events in their order, room.
@Suite("Strings")
struct StringTests {
    private let now = Timestamp(milliseconds: 1_767_225_600_000)

    private func store() -> ShardedStore { .standing(at: now) }

    @Test("Numbers are read in their one spelling and nothing else, as Redis reads them")
    func decimals() {
        func parse(_ text: String) -> Int64? { DecimalText.parse(Array(text.utf8).span) }
        for text in [
            "", "-", "+1", "01", "-01", "-0", "00", " 1", "1 ", "1.0", "1e3", "0x1", "--1", "9223372036854775808",
            "-9223372036854775809", "18446744073709551616", "99999999999999999999", "-99999999999999999999",
            "100000000000000000000", "1\0", "\u{0661}",
        ] {
            #expect(parse(text) == nil, "\(text)")
        }
        for var random in SeededRandom.cases(3_000) {
            let shift = UInt64.random(in: 0..<64, using: &random)
            let number = Int64(bitPattern: random.next()) >> Int64(shift)
            for number in [number, .min, .max, 0] {
                let text = DecimalText.withText(of: number) { Array(copying: $0) }
                check(text == Array(String(number).utf8), "\(random)")
                check(DecimalText.parse(text.span) == number, "\(random)")
            }
            // What Swift reads and writes back the same is a number; all else is none.
            let bytes = (0..<Int.random(in: 1...21, using: &random)).map { _ in random.pick(Array("0123456789-+ ".utf8))
            }
            let known = Int64(String(decoding: bytes, as: UTF8.self)).flatMap {
                Array(String($0).utf8) == bytes ? $0 : nil
            }
            check(DecimalText.parse(bytes.span) == known, "\(random)")
        }
    }

    @Test("A key tells what happens to it in Redis's order and by Redis's names")
    func events() throws {
        let store = store()
        store.setKeyspaceInterest([.expired, .new, .generic, .string])
        let reader = store.makeReader { _ in }
        defer { reader.cancel() }
        let key = SlowModel.Name("k").bytes
        func told(_ body: () throws -> Void) rethrows -> [String] {
            try body()
            var events: [StoreEvent] = []
            reader.read(shard: 0, into: &events)
            return events.compactMap { event in
                guard case .keyspace(let event, .string, key) = event else { return nil }
                return "\(event.word)"
            }
        }
        func end(_ milliseconds: Int64) -> StringSetOptions {
            StringSetOptions(expiry: .at(now.advanced(byMilliseconds: milliseconds)))
        }
        func get(_ change: StringExpiryChange) { _ = store.string("k", changing: change, at: now) }
        #expect(try told { try store.setString("k", "1", at: now) } == ["new", "set"])
        #expect(try told { try store.setString("k", "1", end(50), at: now) } == ["set", "expire"])
        #expect(try told { try store.setString("k", "1", .init(expiry: .keep), at: now) } == ["set"])
        #expect(try told { try store.setString("k", "1", .init(condition: .ifAbsent), at: now) } == [])
        #expect(try told { try store.increment("k", by: 5, at: now) } == ["incrby"])
        #expect(try told { try store.append("k", "k", at: now) } == ["append"])
        #expect(
            told { #expect(throws: StoreError.notAnInteger) { try store.increment("k", by: 1, at: now) } } == [])
        #expect(told { get(.keep) } == [])
        #expect(told { get(.persist) } == ["persist"])
        #expect(told { get(.persist) } == [])
        #expect(told { get(.at(now.advanced(byMilliseconds: 9))) } == ["expire"])
        #expect(told { store.persistString("k", at: now) } == ["persist"])
        #expect(told { store.persistString("k", at: now) } == [])
        #expect(told { get(.at(now)) } == ["del"])
        #expect(told { get(.at(now)) } == [])
        #expect(try told { try store.increment("k", by: 5, at: now) } == ["new", "incrby"])
        #expect(told { _ = store.takeString("k", at: now) } == ["del"])
        #expect(try told { try store.append("k", "", at: now) } == ["new", "append"])
        #expect(try told { try store.setString("k", "1", end(0), at: now) } == ["set", "expire", "expired"])
        #expect(try told { try store.setString("k", "1", end(0), at: now) } == ["new", "set", "expire", "expired"])
        #expect(try told { try store.setString("k", "1", end(50), at: now) } == ["new", "set", "expire"])
        let later = now.advanced(byMilliseconds: 50)
        #expect(try told { try store.setString("k", "2", at: later) } == ["expired", "new", "set"])
        #expect(told { store.remove(.string, "k", at: later) } == ["del"])
    }

    @Test("A string that grows is copied seldom, keeps its key and end, and its room is counted")
    func growth() throws {
        let store = store()
        let end = now.advanced(byMilliseconds: 60_000)
        try store.setString("log", "", StringSetOptions(expiry: .at(end)), at: now)
        var expected: [UInt8] = []
        for number in 0..<30_000 {
            let more = Array("\(number),".utf8)
            expected += more
            try store.append("log", .init(more), at: now)
            if number % 1_000 == 0 { check(store.string("log", at: now)?.bytes == expected) }
        }
        #expect(store.string("log", at: now)?.bytes == expected)
        #expect(store.timeToLive(.string, SlowModel.Name("log").bytes.span, at: now) == .milliseconds(60_000))
        let blocks = store.statistics().memory.blocks
        #expect(blocks >= expected.count && blocks <= 2 * expected.count + 100)
        #expect(store.usedBytes == store.statistics().memory.total)
        let usage = store.memoryUsage(.string, "log", at: now) ?? 0
        #expect(usage > blocks && usage < blocks + 2_000)
        // Another value of it takes what it needs and no more.
        try store.setString("log", .init(expected), at: now)
        #expect(store.statistics().memory.blocks == expected.count + 3)
        store.remove(.string, "log", at: now)
        #expect(store.statistics().memory.blocks == 0)
    }

    @Test("Appending stops at the caller's limit, and where memory ends, with nothing half done")
    func limits() throws {
        let store = store()
        try store.append("k", .init([UInt8](repeating: 1, count: 1_000)), maximumLength: 1_000, at: now)
        #expect(throws: StoreError.stringTooLong) {
            try store.append("k", "1", maximumLength: 1_000, at: now)
        }
        #expect(try store.append("k", "", maximumLength: 1_000, at: now) == 1_000)
        store.setMaxMemory(store.usedBytes)
        #expect(throws: StoreError.outOfMemory) {
            try store.append("k", .init([UInt8](repeating: 1, count: 100_000)), at: now)
        }
        #expect(store.stringLength("k", at: now) == 1_000)
        #expect(store.stringLength("none", at: now) == nil)
        #expect(StoreError.overflow.message == "ERR increment or decrement would overflow")
        #expect(StoreError.notAnInteger.message == "ERR value is not an integer or out of range")
        #expect(StoreError.stringTooLong.message == "ERR string exceeds maximum allowed size (proto-max-bulk-len)")
    }

    @Test("A flush in slices ends what was there when it began and spares what came meanwhile", arguments: [1, 8])
    func slices(_ shards: Int) throws {
        var configuration = ShardedStore.Configuration()
        configuration.shards = shards
        configuration.clock = TestClock(now)
        let store = ShardedStore(configuration)
        for number in 0..<2_000 {
            try store.setString(.init("old-\(number)"), "1", at: now)
            try store.connect(.init("user-\(number)"), session: "s", at: now)
        }
        // One shard's clock has run ahead of the others'.
        for _ in 0..<5_000 { try store.setString("busy", "1", at: now) }
        let limit = store.beginRemoveAll(at: now)
        var cursor: UInt64 = 0
        var slices = 0
        repeat {
            try store.setString(.init("new-\(slices)"), "1", at: now)
            let before = store.keyCount()
            cursor = store.removeAll(from: cursor, upTo: limit, at: now)
            check(before - store.keyCount() <= 160, "a slice is one segment")
            slices += 1
        } while cursor != 0
        #expect(slices > 20)
        #expect(store.keyCount() == slices)
        #expect(store.allKeys(at: now).allSatisfy { $0.kind == .string && $0.key.description.hasPrefix("new-") })
        store.removeAll(at: now)
        #expect(store.keyCount() == 0)
    }

    @Test("What a key takes is its slot, its block and its part of the index; nothing for what is not there")
    func memoryUsage() throws {
        let store = store()
        let name = SlowModel.Name("u")
        #expect(store.memoryUsage(.presence, name, at: now) == nil)
        #expect(store.memoryUsage(.string, name, at: now) == nil)
        try store.connect("u", session: "s", at: now)
        try store.setString("u", .init(String(repeating: "v", count: 5_000)), at: now)
        let index = store.statistics().memory.index / 2
        #expect(store.memoryUsage(.presence, name, at: now) == 64 + index)
        #expect(store.memoryUsage(.string, name, at: now) == 48 + 5_001 + index)
        store.remove(.presence, "u", at: now)
        #expect(store.memoryUsage(.presence, name, at: now) == nil, "he is known, but his key does not exist")
    }
}

import Presence
import PresenceTesting
import Testing

@testable import PresenceStore

@Suite("Words")
struct WordTableTests {
    private func intern(_ word: String, hash: UInt64, limit: Int = 100, in table: inout WordTable) -> UInt16? {
        table.intern(word.utf8.span, hash: hash, limit: limit)
    }

    @Test("A word has one number for all who use it, and is forgotten with the last of them")
    func lives() {
        var table = WordTable()
        let first = intern("mobile", hash: 1, in: &table)
        let again = intern("mobile", hash: 1, in: &table)
        let other = intern("web", hash: 2, in: &table)
        #expect(first == again && first != other && first != WordTable.none)
        table.release(first!, isSession: true)
        #expect(table.bytes(first!) == Array("mobile".utf8))
        table.release(first!, isSession: true)
        let count = table.count
        #expect(count == 1)
        let next = intern("tablet", hash: 3, in: &table)
        #expect(next == first)
        table.release(next!, isSession: true)
        table.release(other!, isSession: true)
        let bytes = table.capacityBytes
        #expect(bytes == 0)
    }

    @Test("Words of one hash are told apart")
    func collisions() {
        var table = WordTable()
        let numbers = ["a", "b", "c", "d"].map { intern($0, hash: 9, in: &table)! }
        #expect(Set(numbers).count == 4)
        table.release(numbers[0], isSession: true)
        for (place, word) in ["a", "b", "c", "d"].enumerated().dropFirst() {
            let number = intern(word, hash: 9, in: &table)
            check(number == numbers[place], "\(word) is the word that it was")
        }
        let count = table.count
        #expect(count == 3)
    }

    @Test("A full table refuses new words, counts that, and takes known ones")
    func bound() {
        var table = WordTable()
        for place in 0..<5 { _ = intern("\(place)", hash: UInt64(place), limit: 5, in: &table) }
        #expect(intern("new", hash: 50, limit: 5, in: &table) == nil)
        #expect(intern("3", hash: 3, limit: 5, in: &table) != nil)
        let refused = table.refusedCount
        #expect(refused == 1)
    }

    @Test("Tombstones keep a word, but are not counted as sessions")
    func tombstones() {
        var table = WordTable()
        let number = intern("mobile", hash: 1, in: &table)!
        table.endSession(number)
        var counted = 0
        table.forEach { _, _, sessions in counted += sessions }
        #expect(counted == 0)
        #expect(table.bytes(number) != nil)
        table.release(number, isSession: false)
        let count = table.count
        #expect(count == 0)
    }
}

@Suite("Packed UUIDs")
struct PackedUUIDTests {
    private func packed(_ text: [UInt8]) -> [UInt8]? {
        text.withUnsafeBytes { bytes in
            let key = BytesKey(bytes)
            guard key.isPacked else { return nil }
            return withUnsafeTemporaryAllocation(byteCount: 16, alignment: 8) { place in
                key.store(to: place.baseAddress!)
                return [UInt8](place)
            }
        }
    }

    private func spelled(_ bytes: [UInt8]) -> [UInt8] {
        bytes.withUnsafeBytes { BytesText.expand($0, isPacked: true) }
    }

    @Test("Every canonical spelling comes back as it was, in sixteen bytes that differ for each")
    func roundTrip() {
        for var random in SeededRandom.cases(3_000) {
            var text: [UInt8] = []
            for place in 0..<36 {
                text.append([8, 13, 18, 23].contains(place) ? UInt8(ascii: "-") : random.pick("0123456789abcdef".utf8))
            }
            let bytes = packed(text)
            check(bytes?.count == 16 && bytes.map(spelled) == text, "\(random)")
        }
    }

    @Test("Every digit at every place is kept, and every other byte makes the id a plain one")
    func everyByte() {
        let text = Array("0f8fad5b-d9cb-469f-a165-70867728950e".utf8)
        for place in text.indices {
            let isDash = text[place] == UInt8(ascii: "-")
            for byte in UInt8.min...UInt8.max {
                var changed = text
                changed[place] = byte
                let isCanonical =
                    isDash ? byte == UInt8(ascii: "-") : "0123456789abcdef".utf8.contains(byte)
                let bytes = packed(changed)
                check((bytes != nil) == isCanonical, "byte \(byte) at \(place)")
                if let bytes { check(spelled(bytes) == changed) }
            }
        }
    }

    @Test(
        "Other spellings of a UUID are kept as they are",
        arguments: [
            "0F8FAD5B-D9CB-469F-A165-70867728950E", "0f8fad5bd9cb469fa16570867728950e",
            "{0f8fad5b-d9cb-469f-a165-70867728950e}", "0f8fad5b-d9cb-469f-a165-70867728950", "",
        ])
    func others(text: String) {
        #expect(packed(Array(text.utf8)) == nil)
    }
}

@Suite("Small parts")
struct SmallPartsTests {
    @Test("An instant of five bytes comes back next to any time within 17 years of it")
    func instants() {
        let reach = Int64(1) << 39
        for var random in SeededRandom.cases(3_000) {
            let now = Timestamp(milliseconds: .random(in: 0...4_000_000_000_000, using: &random))
            let instant = now.advanced(byMilliseconds: .random(in: -reach...(reach - 1), using: &random))
            withUnsafeTemporaryAllocation(byteCount: 8, alignment: 8) { place in
                let address = place.baseAddress! + 3
                RecordInstant.store(instant, to: address)
                let read = RecordInstant.load(address, near: now)
                check(read == instant, "\(now), \(random)")
            }
        }
    }

    @Test("Percentiles are within an eighth above the truth, and never above the maximum")
    func lateness() {
        for var random in SeededRandom.cases(30) {
            var histogram = DurationHistogram()
            let bound = random.pick([10 as Int64, 1_000, 60_000])
            let values = (0..<500).map { _ in Int64.random(in: 0...bound, using: &random) }.sorted()
            for value in values { histogram.record(value) }
            for share in [0.01, 0.5, 0.9, 0.99, 1] {
                let truth = values[Int((share * 500).rounded(.up)) - 1]
                let told = histogram.percentile(share)
                check(told >= truth && told <= truth + truth / 8 && told <= values.last!, "\(share) \(random)")
            }
            check(histogram.count == 500 && histogram.maximum == values.last)
        }
    }

    @Test("A histogram takes negative and huge values, and adds up")
    func latenessBounds() {
        var one = DurationHistogram()
        #expect(one.percentile(0.5) == 0)
        one.record(-4)
        one.record(.max)
        var two = DurationHistogram()
        two.record(7)
        two.add(one)
        #expect(two.count == 3 && two.maximum == .max)
        #expect(two.percentile(0.3) == 0)
        #expect(two.percentile(0.6) == 7)
    }

    @Test("Of short holds of a lock one in 128 is timed, of long ones each")
    func holds() throws {
        var configuration = ShardedStore.Configuration()
        configuration.shards = 1
        let store = ShardedStore(configuration)
        let now = configuration.clock.now()
        let key = Array("key".utf8)
        for _ in 0..<1_280 { _ = store.exists(.string, key.span, at: now) }
        #expect(store.statistics().lockHolds.count == 10)
        store.resetStatistics()
        #expect(store.statistics().lockHolds.count == 0)
        _ = store.advance(to: now)
        #expect(store.statistics().lockHolds.count == 0, "nothing was due")
        let soon = StringSetOptions(expiry: .at(now.advanced(byMilliseconds: 100)))
        _ = try store.setString(key.span, key.span, soon, at: now)
        store.advance(to: now.advanced(byMilliseconds: 200))
        _ = store.scan(cursor: 0, count: 10, at: now) { _, _ in }
        store.atomically(store.allShards) { _ = $0.exists(.string, key.span, at: now) }
        #expect(store.statistics().lockHolds.count == 3)
        #expect(store.statistics().lockHolds.maximum < 60_000_000)
    }

    @Test("Of a batch each shard's part of 16 or more is timed, and so is each look at what changed")
    func batchHolds() throws {
        var configuration = ShardedStore.Configuration()
        configuration.shards = 1
        let store = ShardedStore(configuration)
        let now = configuration.clock.now()
        let bytes = Array("user".utf8)
        let user = KeyRange(offset: 0, length: bytes.count)
        let pairs = Array(repeating: user, count: 2 * 600)
        store.resetStatistics()
        for _ in 0..<8 { store.beatAll(bytes.span, pairs.span.extracting(0..<2 * 15), at: now) { _ in } }
        #expect(store.statistics().lockHolds.count == 0, "short ones are as single operations")
        for _ in 0..<8 { store.beatAll(bytes.span, pairs.span.extracting(0..<2 * 16), at: now) { _ in } }
        #expect(store.statistics().lockHolds.count == 8)
        store.statuses(bytes.span, pairs.span.extracting(0..<600), at: now) { _, _ in }
        #expect(store.statistics().lockHolds.count == 10, "two groups: of 512 and of 88")
        let reader = store.makeReader { _ in }
        defer { reader.cancel() }
        var events: [StoreEvent] = []
        for _ in 0..<3 { reader.read(shard: 0, into: &events) }
        while store.pumpWatches(shard: 0) {}
        _ = store.countSessions(by: .device)
        #expect(store.statistics().lockHolds.count == 15)
    }

    @Test("Hashes spread over shards, groups and tags, whatever the names have in common")
    func hashes() {
        let hash = BytesHash(secret: (0x1357_9bdf_0246_8ace, 0xfedc_ba98_7654_3210))
        let families: [(String, (Int) -> String)] = [
            ("numbers", { "\($0)" }), ("users", { "user:\($0)" }),
            ("padded", { "\(String(repeating: "x", count: 40))\($0)\(String(repeating: "y", count: 40))" }),
            (
                "UUIDs",
                { n in
                    let digits = String(n, radix: 16)
                    return "0f8fad5b-d9cb-469f-a165-" + String(repeating: "0", count: 12 - digits.count) + digits
                }
            ),
        ]
        let count = 16_384
        for (name, spell) in families {
            var shards = [Int](repeating: 0, count: 32)
            var groups = [Int](repeating: 0, count: 16)
            var tags = [Int](repeating: 0, count: 256)
            var all: Set<UInt64> = []
            for number in 0..<count {
                let value = Array(spell(number).utf8).withUnsafeBytes { hash(BytesKey($0), .user) }
                shards[Int(value >> 59)] += 1
                groups[Int(value & 15)] += 1
                tags[Int(value >> 4 & 255)] += 1
                all.insert(value)
            }
            check(all.count == count, "\(name)")
            // Six standard deviations of a fair draw.
            for counts in [shards, groups, tags] {
                let mean = Double(count) / Double(counts.count)
                for count in counts { check(abs(Double(count) - mean) < 6 * mean.squareRoot(), "\(name)") }
            }
        }
    }

    @Test(
        "A name's kind, every one of its bytes and its length are part of its hash, even of a poor secret",
        arguments: [0, 1, UInt64.max])
    func hashParts(word: UInt64) {
        let hash = BytesHash(secret: (word, word >> 1))
        var all: Set<UInt64> = []
        var count = 0
        for length in 0...70 {
            for kind in [RecordKind.user, .string] {
                for changed in 0...length {
                    var bytes = [UInt8](repeating: 0, count: length)
                    if changed < length { bytes[changed] = 1 }
                    all.insert(bytes.withUnsafeBytes { hash.bytes($0, kind) })
                    count += 1
                }
            }
        }
        #expect(all.count == count)
    }
}

import PresenceTesting
import Testing

@testable import PresenceStore

/// The index beside a dictionary. A number's hash is `hashes[number]`, so that any hashes can be tried.
@Suite("Segmented index")
struct SegmentedIndexTests {
    /// An index with the names that it is asked for.
    private struct Named: ~Copyable {
        var index: SegmentedIndex
        var hashes: [UInt32: UInt64] = [:]

        init(skippedBits: Int = 0) { index = SegmentedIndex(skippedBits: skippedBits) }

        mutating func insert(_ hash: UInt64, _ number: UInt32) {
            hashes[number] = hash
            let hashes = hashes
            index.insert(hash, number, prefetch: { _ in }) { hashes[$0]! }
        }

        mutating func remove(_ number: UInt32) {
            index.remove(hashes[number]!, number)
            hashes[number] = nil
        }

        func find(_ hash: UInt64, _ number: UInt32) -> Bool { index.find(hash) { $0 == number } == number }

        /// All numbers, segment by segment from the first hash on.
        func walk(from start: UInt64 = 0) -> [UInt32] {
            var found: [UInt32] = []
            var position: UInt64? = start
            while let place = position { position = index.numbers(around: place) { found.append($0) } }
            return found
        }
    }

    @Test("Holds what a dictionary holds through growth and removal", arguments: [0, 3, 10])
    func model(skippedBits: Int) {
        for var random in SeededRandom.cases(3) {
            var named = Named(skippedBits: skippedBits)
            // All of a shard have the same leading bits.
            let shard = skippedBits == 0 ? 0 : random.next() << (64 - UInt64(skippedBits))
            var next: UInt32 = 1
            for step in 0..<4_000 {
                if random.chance(oneIn: step < 2_500 ? 4 : 2),
                    let victim = named.hashes.keys.randomElement(using: &random)
                {
                    let hash = named.hashes[victim]!
                    named.remove(victim)
                    let isFound = named.find(hash, victim)
                    check(!isFound, "\(random)")
                } else {
                    // Few different groups and tags: neighbours overflow into each other.
                    let low = random.chance(oneIn: 2) ? random.next() & 0x3f : random.next() & 0xfff
                    named.insert(shard | (random.next() >> UInt64(skippedBits)) & ~0xfff | low, next)
                    next += 1
                }
                let count = named.index.count
                check(count == named.hashes.count, "\(random)")
            }
            for (number, hash) in named.hashes {
                let isFound = named.find(hash, number)
                check(isFound, "\(random)")
            }
            let start = shard
            let all = named.walk(from: start)
            check(all.count == named.hashes.count, "\(random)")
            check(Set(all) == Set(named.hashes.keys), "\(random)")
        }
    }

    @Test("Tells numbers of one hash apart, as many as a segment holds")
    func equalHashes() {
        var named = Named()
        let limit = UInt32(SegmentedIndex.segmentLimit)
        for number in 1...limit { named.insert(0x1234_5678_9abc_def0, number) }
        for number in 1...limit {
            let isFound = named.find(0x1234_5678_9abc_def0, number)
            check(isFound)
        }
        for number in 1...limit where number.isMultiple(of: 3) { named.remove(number) }
        for number in 1...limit {
            let isFound = named.find(0x1234_5678_9abc_def0, number)
            check(isFound == !number.isMultiple(of: 3))
        }
    }

    @Test("A search for what is not there ends, however full the segment is")
    func missingInFull() {
        for var random in SeededRandom.cases(50) {
            var named = Named()
            for number in 1...UInt32(SegmentedIndex.segmentLimit) { named.insert(random.next(), number) }
            for _ in 0..<200 {
                let isFound = named.find(random.next(), 70_000)
                check(!isFound, "\(random)")
            }
        }
    }

    @Test("A number that moved is found under its new name alone")
    func replaced() {
        var named = Named()
        for number in UInt32(1)...1_000 { named.insert(UInt64(number) &* 0x9e37_79b9_7f4a_7c15, number) }
        let hash = 7 &* 0x9e37_79b9_7f4a_7c15 as UInt64
        named.index.replace(hash, 7, with: 70_000)
        let isOld = named.find(hash, 7)
        let isNew = named.find(hash, 70_000)
        #expect(!isOld && isNew)
    }

    @Test("A split touches the entries of one segment and no others")
    func splitIsLocal() {
        var index = SegmentedIndex(skippedBits: 0)
        var hashes: [UInt64] = [0]
        var random = SeededRandom(seed: 3)
        for number in UInt32(1)...20_000 {
            let hash = random.next()
            hashes.append(hash)
            var touched = 0
            index.insert(hash, number, prefetch: { _ in }) {
                touched += 1
                return hashes[Int($0)]
            }
            // A segment whose entries all go to one side splits again: rare with random hashes.
            check(touched <= 2 * SegmentedIndex.segmentLimit)
        }
        let bytes = index.capacityBytes
        #expect(bytes / 20_000 <= 13, "bytes an entry")
        let segments = index.segmentCount
        #expect(bytes >= segments * SegmentedIndex.segmentBytes)
    }

    @Test("A walk hands out every number that lives through it exactly once, whatever comes and goes meanwhile")
    func walkUnderGrowth() {
        for var random in SeededRandom.cases(5) {
            var named = Named()
            for number in UInt32(1)...2_000 { named.insert(random.next(), number) }
            var lived = Set(named.hashes.keys)
            var seen: [UInt32] = []
            var next: UInt32 = 10_000
            var position: UInt64? = 0
            while let place = position {
                // As `scan` does: of a segment only what lies at the position or behind it.
                var found: [UInt32] = []
                let hashes = named.hashes
                position = named.index.numbers(around: place) { if hashes[$0]! >= place { found.append($0) } }
                seen += found
                for _ in 0..<300 {
                    named.insert(random.next(), next)
                    next += 1
                }
                for _ in 0..<40 {
                    guard let victim = named.hashes.keys.randomElement(using: &random) else { continue }
                    named.remove(victim)
                    lived.remove(victim)
                }
            }
            check(seen.count == Set(seen).count, "\(random)")
            check(lived.isSubset(of: seen), "\(random)")
        }
    }
}

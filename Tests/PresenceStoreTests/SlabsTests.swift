import PresenceTesting
import Testing

@testable import PresenceStore

#if os(Linux)
    import Glibc
#endif

@Suite("Slabs")
struct SlabsTests {
    @Test("Every size has the smallest class that holds it")
    func classes() {
        var last = 0
        for size in 1...Slabs.maximumSize {
            let index = Slabs.sizeClass(for: size)
            check(Slabs.size(ofClass: index) >= size)
            check(index == 0 || Slabs.size(ofClass: index - 1) < size)
            check(index >= last)
            last = index
        }
        #expect(Slabs.size(ofClass: Slabs.sizeClass(for: Slabs.maximumSize)) == Slabs.maximumSize)
    }

    @Test("Numbers keep their bytes until they are freed, and no two live at one place")
    func contents() {
        for var random in SeededRandom.cases(3) {
            var slabs = Slabs()
            var live: [UInt32: (size: Int, mark: UInt8)] = [:]
            var bytes = 0
            for _ in 0..<20_000 {
                if random.chance(oneIn: 2), let number = live.keys.randomElement(using: &random), live.count > 500 {
                    let (size, mark) = live.removeValue(forKey: number)!
                    let end = slabs.address(number).load(fromByteOffset: size - 1, as: UInt8.self)
                    check(end == mark, "\(random)")
                    slabs.free(number)
                    let kind = slabs.addressIfPresent(number).map { RecordHeader($0).kind }
                    check(kind == .free || kind == nil, "\(random)")
                    bytes -= Slabs.size(ofClass: Slabs.sizeClass(for: size))
                } else {
                    let size = Int.random(in: 16...(random.chance(oneIn: 20) ? Slabs.maximumSize : 300), using: &random)
                    let number = slabs.allocate(size)
                    check(number != 0 && live[number] == nil, "\(random)")
                    let mark = UInt8.random(in: 1...255, using: &random)
                    let address = slabs.address(number)
                    RecordHeader(address).kind = .user
                    for offset in 12..<size { address.storeBytes(of: mark, toByteOffset: offset, as: UInt8.self) }
                    live[number] = (size, mark)
                    bytes += Slabs.size(ofClass: Slabs.sizeClass(for: size))
                }
                let used = slabs.usedBytes
                check(used == bytes, "\(random)")
            }
            for (number, record) in live {
                let address = slabs.address(number)
                let first = address.load(fromByteOffset: 12, as: UInt8.self)
                let last = address.load(fromByteOffset: record.size - 1, as: UInt8.self)
                check(first == record.mark && last == record.mark, "\(random)")
            }
        }
    }

    @Test("Growth is told before it happens, to the byte of a chunk")
    func growth() {
        var slabs = Slabs()
        for _ in 0..<2_000 {
            let expected = slabs.growth(forSize: 96)
            let before = slabs.capacityBytes
            _ = slabs.allocate(96)
            let grown = slabs.capacityBytes - before
            // A chunk of 256 slots is six pages; the table of chunks is doubled now and then and counted too.
            check(expected == 0 || expected == 24_576)
            check(grown == 0 ? expected == 0 : grown >= expected && grown < expected + 1_024)
        }
        let used = slabs.usedBytes
        #expect(used == 2_000 * 96)
    }

    @Test("Empty chunks are given back, all but the last with room, and used again")
    func givenBack() {
        var slabs = Slabs()
        let numbers = (0..<2_560).map { _ in slabs.allocate(64) }
        let full = slabs.capacityBytes
        for number in numbers { slabs.free(number) }
        let empty = slabs.capacityBytes
        let used = slabs.usedBytes
        #expect(full - empty == 9 * 256 * 64)
        #expect(used == 0)
        let again = Set((0..<2_560).map { _ in slabs.allocate(64) })
        #expect(again.count == 2_560)
        let refilled = slabs.capacityBytes
        #expect(refilled == full)
    }

    @Test("The last empty chunk of a class can be asked back")
    func releasedIfEmpty() {
        var slabs = Slabs()
        let number = slabs.allocate(64)
        let sizeClass = Slabs.sizeClass(of: number)
        slabs.releaseIfEmpty((sizeClass, 0))
        let isThere = slabs.addressIfPresent(number) != nil
        #expect(isThere)
        slabs.free(number)
        let before = slabs.capacityBytes
        slabs.releaseIfEmpty((sizeClass, 0))
        let given = before - slabs.capacityBytes
        let isGone = slabs.addressIfPresent(number) == nil
        #expect(given == 256 * 64)
        #expect(isGone)
    }

    @Test("The armed tick of a number survives that it is freed and used again")
    func armedTick() {
        var slabs = Slabs()
        let keeper = slabs.allocate(64)
        let number = slabs.allocate(64)
        RecordHeader(slabs.address(number)).armedTick = 77
        slabs.free(number)
        let again = slabs.allocate(64)
        #expect(again == number && again != keeper)
        let tick = RecordHeader(slabs.address(again)).armedTick
        #expect(tick == 77)
    }

    @Test("A round over all chunks comes back to where it began")
    func round() throws {
        var slabs = Slabs()
        for size in [30, 96, 600, 5_000] { for _ in 0..<300 { _ = slabs.allocate(size) } }
        var hand = (sizeClass: 0, chunk: -1)
        var seen: [[Int]] = []
        repeat {
            let next = slabs.chunk(after: hand.sizeClass, hand.chunk)
            hand = try #require(next)
            seen.append([hand.sizeClass, hand.chunk])
        } while seen.count < 2 || seen.last != seen.first
        seen.removeLast()
        #expect(seen.count == 2 + 2 + 5 + 19)
        #expect(Set(seen).count == seen.count)
    }

    @Test("Pages are whole, zeros and nobody else's, in the first region and behind it, also when they are used again")
    func pages() throws {
        for usesHugePages in [true, false] {
            let pages = SlabPages(usesHugePages: usesHugePages)
            var taken: [(start: UnsafeMutableRawPointer, byteCount: Int)] = []
            func use(_ start: UnsafeMutableRawPointer, _ byteCount: Int) {
                check(Int(bitPattern: start) % 4096 == 0)
                let words = start.bindMemory(to: UInt64.self, capacity: byteCount / 8)
                for place in stride(from: 0, to: byteCount / 8, by: 64) {
                    check(words[place] == 0, "\(taken.count) pages were taken before")
                    words[place] = UInt64(taken.count + 1)
                }
                taken.append((start, byteCount))
            }
            for byteCount in [4_096, 24_576, 262_144] {
                for _ in 0..<(6 << 20) / byteCount { use(pages.take(byteCount), byteCount) }
            }
            for (index, (start, byteCount)) in taken.enumerated() {
                let words = start.bindMemory(to: UInt64.self, capacity: byteCount / 8)
                for place in stride(from: 0, to: byteCount / 8, by: 64) { check(words[place] == UInt64(index + 1)) }
            }
            // One that has neighbours in its huge page.
            let (start, byteCount) = taken[1_600]
            use(pages.discard(start, byteCount) ?? pages.take(byteCount), byteCount)
        }
    }

    #if os(Linux) && !SANITIZED
        /// Whether the system has made this page: nobody has to wait for it.
        private func isTouched(_ page: UnsafeMutableRawPointer) -> Bool {
            var state: UInt8 = 0
            check(mincore(page, 4_096, &state) == 0)
            return state & 1 == 1
        }

        @Test("What is handed out next was touched before by the tick, also across regions; not in a small store")
        func touchedAhead() {
            for usesHugePages in [true, false] {
                let pages = SlabPages(usesHugePages: usesHugePages)
                pages.touchAhead()
                #expect(!isTouched(pages.take(4_096)))
                pages.touchAhead()
                #expect(!isTouched(pages.take(4_096)), "a store of a few users costs what it touches")
                // Up to the last pages of the first region, and then the whole next one and a bit.
                let chunk = SlabPages.aheadBytes / 4
                for _ in 0..<(2 << 20) / chunk - 3 { _ = pages.take(chunk) }
                for place in 0..<(65 << 20) / chunk {
                    pages.touchAhead()
                    if place >= 3 { check(isTouched(pages.take(chunk)), "\(place)") } else { _ = pages.take(chunk) }
                }
            }
        }
    #endif
}

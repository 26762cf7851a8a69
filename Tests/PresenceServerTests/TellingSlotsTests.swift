import Testing

@testable import PresenceServer

@Suite("Lists wait for their frames in slots of the window")
struct TellingSlotsTests {
    @Test(
        "each is told within a window, and once a window at most",
        arguments: [1_000, 5_000, 50_000, 10_000_000] as [Int64])
    func withinWindow(_ window: Int64) {
        var slots = TellingSlots<UInt32>()
        var marked: [UInt32: Int64] = [:]
        var last: [UInt32: Int64] = [:]
        var counts: [UInt32: Int] = [:]
        // Everything that ends until then is told when it ends, and marked anew at once.
        func go(to limit: Int64) {
            while let next = slots.next, next <= limit {
                var told: [UInt32] = []
                slots.take(endedAt: next, into: &told)
                for number in told {
                    #expect(next - (marked[number] ?? 0) <= window)
                    if let before = last[number] { #expect(next - before >= window) }
                    counts[number, default: 0] += 1
                    last[number] = next
                    mark(number, at: next)
                }
            }
        }
        func mark(_ number: UInt32, at now: Int64) {
            marked[number] = now
            slots.add(number, number: number, window: window, at: now)
        }
        let start: Int64 = 7_777_777
        for number in 0..<40 as Range<UInt32> {
            let now = start + Int64(number) * window / 40
            go(to: now)
            mark(number, at: now)
        }
        go(to: start + 10 * window)
        #expect(counts.count == 40)
        for count in counts.values { #expect((9...10).contains(count)) }
    }

    @Test("lists of a long window are spread over it, of the shortest they are told together")
    func spread() {
        for (window, count) in [(50_000, 16), (9_000, 3), (1_000, 1)] as [(Int64, Int)] {
            var slots = TellingSlots<UInt32>()
            for number in 0..<160 as Range<UInt32> {
                slots.add(number, number: number, window: window, at: 1_000_000)
            }
            var sizes: [Int] = []
            while let next = slots.next {
                #expect(next > 1_000_000 && next <= 1_000_000 + window)
                var told: [UInt32] = []
                slots.take(endedAt: next - 1, into: &told)
                #expect(told.isEmpty)
                slots.take(endedAt: next, into: &told)
                sizes.append(told.count)
            }
            #expect(sizes.count == count && sizes.reduce(0, +) == 160)
            #expect((sizes.max() ?? 0) - (sizes.min() ?? 0) <= 1)
        }
    }

    @Test("a window that is made shorter or longer loses nobody")
    func changedWindow() {
        var slots = TellingSlots<UInt32>()
        for number in 0..<64 as Range<UInt32> {
            slots.add(number, number: number, window: number.isMultiple(of: 2) ? 50_000 : 3_000, at: 500_000)
        }
        var told: [UInt32] = []
        slots.take(endedAt: 550_000, into: &told)
        #expect(told.sorted() == Array(0..<64))
        #expect(slots.next == nil)
    }

    @Test("a list that is put again waits once, and who has its number later takes its place")
    func again() {
        var slots = TellingSlots<String>()
        for _ in 0..<1_000 { slots.add("old", number: 7, window: 50_000, at: 500_000) }
        slots.add("other", number: 23, window: 50_000, at: 500_000)
        slots.add("new", number: 7, window: 50_000, at: 510_000)
        var told: [String] = []
        slots.take(endedAt: 550_000, into: &told)
        #expect(told == ["new", "other"])
        slots.add("new", number: 7, window: 50_000, at: 550_000)
        told = []
        slots.take(endedAt: 600_000, into: &told)
        #expect(told == ["new"])
    }
}

import Presence
import PresenceTesting
import Synchronization
import Testing

@testable import PresenceStore

#if canImport(Glibc)
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif

/// Real threads on one store. What one thread sees must be as if the others took turns with it.
@Suite("Threads")
struct ThreadTests {
    private let start = Timestamp(milliseconds: 1_767_225_600_000)

    private func store(shards: Int, ring: Int = 131_072) -> ShardedStore {
        .standing(at: start, shards: shards) { $0.changeRingBytes = ring }
    }

    private static func seconds() -> Double {
        var time = timespec()
        clock_gettime(CLOCK_MONOTONIC, &time)
        return Double(time.tv_sec) + Double(time.tv_nsec) / 1e9
    }

    @Test("Two threads that write one user for two seconds never show a reader a falling version or a torn state")
    func fallingVersions() {
        let store = store(shards: 1)
        let end = ThreadTests.seconds() + 2
        let writes = Atomic<Int>(0)
        let reads = Atomic<Int>(0)
        let fallen = Atomic<Int>(0)
        let torn = Atomic<Int>(0)
        let start = start
        let writer: @Sendable (Int) -> Void = { thread in
            var random = SeededRandom(seed: UInt64(thread))
            let session = SlowModel.Name("session-\(thread)")
            var time = start
            while ThreadTests.seconds() < end {
                for _ in 0..<20 {
                    time = time.advanced(byMilliseconds: .random(in: 0...3, using: &random))
                    switch Int.random(in: 0..<5, using: &random) {
                    case 0, 1: _ = try? store.connect("u", session: session, at: time)
                    case 2: store.disconnect("u", session: session, at: time)
                    case 3: store.beat("u", session: session, isActive: true, at: time)
                    default:
                        let status = random.chance(oneIn: 2) ? nil : random.pick(ManualStatus.allCases)
                        try? store.set(SlowModel.Name("u").bytes.span, UserSettings(status: .some(status)), at: time)
                    }
                    writes.add(1, ordering: .relaxed)
                }
            }
        }
        let reader: @Sendable () -> Void = {
            var last = Stamp.zero
            let user = SlowModel.Name("u")
            while ThreadTests.seconds() < end {
                for _ in 0..<20 {
                    guard let seen = store.describe(user.bytes.span, at: start) else { continue }
                    if seen.version < last { fallen.add(1, ordering: .relaxed) }
                    if seen.id != user.bytes || (seen.status != .offline && !seen.isPresent) {
                        torn.add(1, ordering: .relaxed)
                    }
                    last = seen.version
                    reads.add(1, ordering: .relaxed)
                }
            }
        }
        onThreads([{ writer(1) }, { writer(2) }, reader, reader])
        print("threads: \(writes.load(ordering: .relaxed)) writes, \(reads.load(ordering: .relaxed)) reads")
        #expect(fallen.load(ordering: .relaxed) == 0)
        #expect(torn.load(ordering: .relaxed) == 0)
        #expect(writes.load(ordering: .relaxed) > 100 && reads.load(ordering: .relaxed) > 1_000)
    }

    @Test("While several threads write, a reader gets each user's events in order: old after new, rising versions")
    func order() {
        let store = store(shards: 2)
        let writers = 3
        let running = Atomic<Int>(writers)
        let start = start
        let reader = store.makeReader { _ in }
        let writer: @Sendable (Int) -> Void = { thread in
            var random = SeededRandom(seed: UInt64(thread) &+ 77)
            for step in 0..<4_000 {
                let user = SlowModel.Name("user-\(Int.random(in: 0..<12, using: &random))")
                let session = SlowModel.Name("session-\(thread)")
                let time = start.advanced(byMilliseconds: Int64(step))
                if random.chance(oneIn: 2) {
                    _ = try? store.connect(user, session: session, at: time)
                } else {
                    store.disconnect(user, session: session, at: time)
                }
                if step.isMultiple(of: 500) { store.advance(to: time) }
            }
            running.subtract(1, ordering: .releasing)
        }
        let problems = Mutex<[String]>([])
        let counted = Atomic<Int>(0)
        let follow: @Sendable () -> Void = {
            var last: [[UInt8]: StatusChange] = [:]
            var isOver = false
            while !isOver {
                isOver = running.load(ordering: .acquiring) == 0
                var events: [StoreEvent] = []
                for shard in 0..<2 {
                    while !reader.read(shard: shard, into: &events) {}
                }
                for event in events {
                    guard case .status(let change) = event else {
                        problems.withLock { $0.append("\(event)") }
                        continue
                    }
                    let before = last[change.userID]
                    if change.old != before?.new ?? .offline || change.version <= before?.version ?? .zero
                        || change.old == change.new
                    {
                        problems.withLock { $0.append("\(change) after \(String(describing: before))") }
                    }
                    last[change.userID] = change
                    counted.add(1, ordering: .relaxed)
                }
            }
        }
        onThreads((0..<writers).map { thread -> @Sendable () -> Void in { writer(thread) } } + [follow])
        reader.cancel()
        // A reader that fell behind on a busy machine is told so; nothing else may be amiss.
        let missed = problems.withLock { $0.filter { $0.hasPrefix("missed") } }
        if missed.isEmpty { #expect(problems.withLock { $0 } == []) }
        let told = UInt64(counted.load(ordering: .relaxed))
        #expect(missed.isEmpty ? told == store.statistics().statusChanges : told > 0)
    }

    @Test("Threads that write, read, walk, flush and turn the wheel leave a store whose counts are right")
    func everything() {
        let store = store(shards: 4)
        let start = start
        let writer: @Sendable (Int) -> Void = { thread in
            var random = SeededRandom(seed: UInt64(thread) &+ 9)
            for step in 0..<3_000 {
                let name = SlowModel.Name("n\(Int.random(in: 0..<400, using: &random))")
                let session = SlowModel.Name("s\(Int.random(in: 0..<3, using: &random))")
                let time = start.advanced(byMilliseconds: Int64(step) * 20)
                switch Int.random(in: 0..<10, using: &random) {
                case 0..<3: _ = try? store.connect(name, session: session, device: "web", at: time)
                case 3: store.beat(name, session: session, isActive: true, at: time)
                case 4: store.disconnect(name, session: session, at: time)
                case 5: _ = try? store.setString(name, .init(random.bytes(0...2_500)), at: time)
                case 6: _ = store.string(name, at: time)
                case 7: store.remove(.string, name, at: time)
                case 8: store.advance(to: time)
                default:
                    if random.chance(oneIn: 40) { store.removeAll(at: time) }
                    if random.chance(oneIn: 20) { _ = store.allKeys(at: time) }
                    _ = store.statistics()
                }
            }
        }
        onThreads((0..<3).map { thread -> @Sendable () -> Void in { writer(thread) } })
        let end = start.advanced(byMilliseconds: 60_000)
        let keys = store.allKeys(at: end)
        #expect(keys.count == store.keyCount())
        #expect(Set(keys.map { "\($0.kind) \($0.key)" }).count == keys.count)
        #expect(store.usedBytes == store.statistics().memory.total)
        store.advance(to: end.advanced(byMilliseconds: 400_000))
        let statistics = store.statistics()
        #expect(statistics.sessions == 0 && statistics.presentUsers == 0 && statistics.words == 0)
    }
}

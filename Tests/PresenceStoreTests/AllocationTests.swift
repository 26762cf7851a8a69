#if canImport(CJemalloc)
    import CJemalloc
    import Presence
    import PresenceTesting
    import Testing

    @testable import PresenceStore

    /// What jemalloc says of this thread: nothing on the way of a heartbeat or a status read allocates.
    @Suite("Allocations")
    struct AllocationTests {
        private let start = Timestamp(milliseconds: 1_767_225_600_000)

        /// The bytes that this thread has ever allocated.
        private func allocated() -> Int { Int(presenced_jemalloc_figure("thread.allocated")) }

        @Test("A million beats and status reads, one by one and in batches, allocate nothing")
        func nothing() throws {
            guard allocated() > 0 else { return }
            var configuration = ShardedStore.Configuration()
            configuration.clock = TestClock(start)
            let store = ShardedStore(configuration)
            // One string of all ids: user, session, user, session...
            var bytes: [UInt8] = []
            var pairs: [KeyRange] = []
            var users: [KeyRange] = []
            for number in 0..<500 {
                let digits = String(number, radix: 16)
                let padding = String(repeating: "0", count: 12 - digits.count)
                let user = Array("0f8fad5b-d9cb-469f-a165-\(padding)\(digits)".utf8)
                let session = Array("ws-conn-abc123def\(number)".utf8)
                users.append(KeyRange(offset: bytes.count, length: user.count))
                for id in [user, session] {
                    pairs.append(KeyRange(offset: bytes.count, length: id.count))
                    bytes += id
                }
                try store.connect(.init(user), session: .init(session), device: "mobile", at: start)
            }
            var now = start
            var answers = 0
            func single(_ isActive: Bool) {
                for pair in 0..<500 {
                    let user = bytes.span.extracting(pairs[pair * 2].range)
                    let session = bytes.span.extracting(pairs[pair * 2 + 1].range)
                    if store.beat(user, session: session, isActive: isActive, at: now) { answers += 1 }
                    if store.status(of: user, at: now) == .online { answers += 1 }
                }
            }
            let places = users.prefix(16).map { KeyPlace(.presence, $0.range) }
            func batch(_ isActive: Bool) {
                store.prefetch(bytes.span, places.span)
                store.beatAll(bytes.span, pairs.span, isActive: isActive, at: now) { _ in answers -= 1 }
                store.statuses(bytes.span, users.span, at: now) { _, status in
                    if status == .online { answers += 1 }
                }
            }
            // Once for what is made on first use, such as wheel pages.
            single(true)
            batch(true)
            answers = 0
            let before = allocated()
            for round in 0..<1_000 {
                now = start.advanced(byMilliseconds: Int64(round))
                single(round.isMultiple(of: 10))
            }
            let between = allocated()
            for round in 1_000..<2_000 {
                now = start.advanced(byMilliseconds: Int64(round))
                batch(round.isMultiple(of: 10))
            }
            let after = allocated()
            #expect(answers == 1_000 * 500 * 2 + 1_000 * 500)
            // A few bytes are those of the loops here.
            #expect(between - before < 1_000, "bytes allocated by half a million beats and reads, one by one")
            #if DEBUG
                // Code that is not optimized keeps contexts of closures on the heap: 48 bytes a key of a batch.
                #expect(after - between < 1_000 * 1_000 * 48 + 1_000, "bytes allocated by as many in batches")
            #else
                #expect(after - between < 1_000, "bytes allocated by as many in batches")
            #endif
        }
    }
#endif

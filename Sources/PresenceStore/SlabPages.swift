import Synchronization

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#elseif canImport(Darwin)
    import Darwin
#endif

/// Whole pages for what a store looks up all the time, the chunks of its records and the segments of its index: from the system itself, one behind the
/// other, for all shards.
///
/// A general allocator adds a page here and there to blocks of this size, a twentieth of the memory of all users. And a processor has few pages of 4 KiB
/// at hand: who waits for a record waits for the way to its page first. So all but the first region are asked to be of huge pages (2 MiB), of which
/// it has as many at hand, for 512 times the memory. The first is of plain ones: a small store costs what it touches. `docs/decisions/0025` has the figures.
///
/// What is discarded leaves the process, the kernel has it back when it needs memory, and its addresses stay for who had it; all is given back with the
/// store. Sanitized builds take pages from the allocator, which then notices whoever uses a chunk that was discarded.
///
/// **Cost.** One lock a call, held for a few instructions. Who touches a huge page first waits until it is made of zeros: 0.3 ms, some milliseconds where a
/// virtual machine's host must find the memory. `touchAhead` takes that upon itself, so that nobody does who holds a shard's lock.
final class SlabPages: Sendable {
    private static let hugePage = 2 << 20
    private static let regionBytes = 32 * hugePage
    /// How far ahead of what was handed out memory is touched: what a million users a second take in a tick.
    static let aheadBytes = hugePage / 4

    /// Unchecked: memory that is handed out once.
    private struct Regions: @unchecked Sendable {
        var all: [UnsafeMutableRawBufferPointer] = []
        /// What was not handed out yet of the region that is.
        var rest = UnsafeMutableRawBufferPointer(start: nil, count: 0)
        /// The region to be handed out next, where `rest` will soon be over.
        var next: UnsafeMutableRawBufferPointer?
        /// Where what was touched ahead ends.
        var touched: UnsafeMutableRawPointer?
    }

    private let usesHugePages: Bool
    private let regions = Lock(Regions())
    /// Whether pages were handed out since memory was touched ahead.
    private let hasGiven = Atomic(false)

    /// - Parameter usesHugePages: whether the system is asked for them. One that has none gives plain pages.
    init(usesHugePages: Bool = true) { self.usesHugePages = usesHugePages }

    deinit {
        regions.withLock { regions in
            for region in regions.all { SlabPages.giveBack(region) }
        }
    }

    #if SANITIZED
        /// Pages of zeros.
        func take(_ byteCount: Int) -> UnsafeMutableRawPointer {
            let pages = UnsafeMutableRawBufferPointer.allocate(byteCount: byteCount, alignment: 4096)
            pages.initializeMemory(as: UInt8.self, repeating: 0)
            regions.withLock { $0.all.append(pages) }
            return pages.baseAddress.unsafelyUnwrapped
        }

        /// Gives memory and addresses back.
        func discard(_ pages: UnsafeMutableRawPointer, _ byteCount: Int) -> UnsafeMutableRawPointer? {
            regions.withLock { $0.all.removeAll { $0.baseAddress == pages } }
            pages.deallocate()
            return nil
        }

        /// The allocator's to decide.
        func touchAhead() {}

        private static func giveBack(_ region: UnsafeMutableRawBufferPointer) { region.deallocate() }
    #else
        /// Pages of zeros. The process stops if the system has none: `maxmemory` is there to prevent that.
        ///
        /// - Parameter byteCount: a number of whole pages of 4 KiB, at most `regionBytes`.
        func take(_ byteCount: Int) -> UnsafeMutableRawPointer {
            hasGiven.store(true, ordering: .relaxed)
            return regions.withLock { regions in
                if regions.rest.count < byteCount {
                    regions.rest = regions.next ?? addRegion(&regions)
                    regions.next = nil
                }
                let pages = regions.rest.baseAddress.unsafelyUnwrapped
                regions.rest = UnsafeMutableRawBufferPointer(rebasing: regions.rest[byteCount...])
                return pages
            }
        }

        /// Gives the memory back and keeps the addresses: they are zeros when they are used again. Nil if the addresses are gone too.
        func discard(_ pages: UnsafeMutableRawPointer, _ byteCount: Int) -> UnsafeMutableRawPointer? {
            madvise(pages, byteCount, MADV_DONTNEED)
            return pages
        }

        /// Touches what is handed out next, as far as `aheadBytes`, unless it is of the first region: whoever is to use it waits for no page then.
        ///
        /// To be called by the tick, without a lock of a shard. Does nothing before Linux 5.14. A load, as long as nothing is handed out.
        @inline(__always)
        func touchAhead() {
            if hasGiven.load(ordering: .relaxed) { touchAheadNow() }
        }

        @inline(never)
        private func touchAheadNow() {
            hasGiven.store(false, ordering: .relaxed)
            #if os(Linux)
                guard let (start, byteCount) = regions.withLock({ untouched(&$0) }) else { return }
                // Swift's own list of constants may be older: MADV_POPULATE_WRITE.
                madvise(start, byteCount, 23)
            #endif
        }

        /// What is to be touched next, which counts as touched from now on.
        private func untouched(_ regions: inout Regions) -> (start: UnsafeMutableRawPointer, byteCount: Int)? {
            guard !regions.all.isEmpty else { return nil }
            var ahead = regions.rest
            if ahead.count < SlabPages.aheadBytes {
                if regions.next == nil { regions.next = addRegion(&regions) }
                ahead = regions.next.unsafelyUnwrapped
            } else if regions.all.count == 1 {
                return nil
            }
            guard var start = ahead.baseAddress else { return nil }
            let end = start + min(ahead.count, SlabPages.aheadBytes)
            if let touched = regions.touched, start < touched, touched <= end { start = touched }
            guard start < end else { return nil }
            regions.touched = end
            return (start, end - start)
        }

        /// A region more, of which nothing is handed out: the usable part of it.
        private func addRegion(_ regions: inout Regions) -> UnsafeMutableRawBufferPointer {
            let isFirst = regions.all.isEmpty
            // Huge pages begin at multiples of their size. What is not touched costs addresses alone.
            let byteCount = isFirst ? SlabPages.hugePage : SlabPages.regionBytes + SlabPages.hugePage
            let start = mmap(nil, byteCount, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0)
            guard let start, start != MAP_FAILED else { fatalError("out of memory: no pages for records") }
            let region = UnsafeMutableRawBufferPointer(start: start, count: byteCount)
            regions.all.append(region)
            guard !isFirst else { return region }
            let skipped = -Int(bitPattern: start) & (SlabPages.hugePage - 1)
            let usable = UnsafeMutableRawBufferPointer(rebasing: region[skipped..<skipped + SlabPages.regionBytes])
            #if os(Linux)
                if usesHugePages { madvise(usable.baseAddress, usable.count, MADV_HUGEPAGE) }
            #endif
            return usable
        }

        private static func giveBack(_ region: UnsafeMutableRawBufferPointer) {
            munmap(region.baseAddress, region.count)
        }
    #endif
}

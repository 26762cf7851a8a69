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
/// What is discarded costs no memory any more, and its addresses stay for who had it; all is given back with the store. Sanitized builds take pages
/// from the allocator, which then notices whoever uses a chunk that was discarded.
///
/// **Cost.** One lock a call, held for a few instructions and now and then for an `mmap`. A huge page is made of zeros when it is touched first, 0.1 ms or so.
final class SlabPages: Sendable {
    private static let hugePage = 2 << 20
    private static let regionBytes = 32 * hugePage

    /// Unchecked: memory that is handed out once.
    private struct Regions: @unchecked Sendable {
        var all: [UnsafeMutableRawBufferPointer] = []
        /// What of the newest was not handed out yet.
        var rest = UnsafeMutableRawBufferPointer(start: nil, count: 0)
    }

    private let usesHugePages: Bool
    private let regions = Lock(Regions())

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

        private static func giveBack(_ region: UnsafeMutableRawBufferPointer) { region.deallocate() }
    #else
        /// Pages of zeros. The process stops if the system has none: `maxmemory` is there to prevent that.
        ///
        /// - Parameter byteCount: a number of whole pages of 4 KiB, at most `regionBytes`.
        func take(_ byteCount: Int) -> UnsafeMutableRawPointer {
            regions.withLock { regions in
                if regions.rest.count < byteCount { addRegion(&regions) }
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

        private func addRegion(_ regions: inout Regions) {
            let isFirst = regions.all.isEmpty
            // Huge pages begin at multiples of their size. What is not touched costs addresses alone.
            let byteCount = isFirst ? SlabPages.hugePage : SlabPages.regionBytes + SlabPages.hugePage
            let start = mmap(nil, byteCount, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0)
            guard let start, start != MAP_FAILED else { fatalError("out of memory: no pages for records") }
            let region = UnsafeMutableRawBufferPointer(start: start, count: byteCount)
            regions.all.append(region)
            regions.rest = region
            guard !isFirst else { return }
            let skipped = -Int(bitPattern: start) & (SlabPages.hugePage - 1)
            regions.rest = UnsafeMutableRawBufferPointer(rebasing: region[skipped..<skipped + SlabPages.regionBytes])
            #if os(Linux)
                if usesHugePages { madvise(regions.rest.baseAddress, regions.rest.count, MADV_HUGEPAGE) }
            #endif
        }

        private static func giveBack(_ region: UnsafeMutableRawBufferPointer) {
            munmap(region.baseAddress, region.count)
        }
    #endif
}

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#elseif canImport(Darwin)
    import Darwin
#endif

/// Whole pages for chunks, from the system itself: a general allocator adds a page here and there to blocks of this size, a twentieth of the memory of
/// all users.
///
/// What is discarded costs no memory any more, and its addresses stay for the next chunk of the class. Sanitized builds take pages from the
/// allocator, which then notices whoever uses a chunk that was given back.
enum SlabPages {
    /// Pages of zeros. The process stops if the system has none: `maxmemory` is there to prevent that.
    static func take(_ byteCount: Int) -> UnsafeMutableRawPointer {
        #if SANITIZED
            let pages = UnsafeMutableRawPointer.allocate(byteCount: byteCount, alignment: 4096)
            pages.initializeMemory(as: UInt8.self, repeating: 0, count: byteCount)
            return pages
        #else
            let pages = mmap(nil, byteCount, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)
            guard let pages, pages != MAP_FAILED else { fatalError("out of memory: no pages for \(byteCount) bytes") }
            return pages
        #endif
    }

    /// Gives the memory back and keeps the addresses: they are zeros when they are used again. Nil if the addresses are gone too.
    static func discard(_ pages: UnsafeMutableRawPointer, _ byteCount: Int) -> UnsafeMutableRawPointer? {
        #if SANITIZED
            pages.deallocate()
            return nil
        #else
            madvise(pages, byteCount, MADV_DONTNEED)
            return pages
        #endif
    }

    /// Gives memory and addresses back.
    static func give(_ pages: UnsafeMutableRawPointer, _ byteCount: Int) {
        #if SANITIZED
            pages.deallocate()
        #else
            munmap(pages, byteCount)
        #endif
    }
}

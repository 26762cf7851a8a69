import CPrefetch

/// Records of one shard in slabs by size class, named by 32-bit numbers.
///
/// A number is a class and a place in it, so that an index entry, a wheel entry and a ring entry are four bytes each:
/// ```
///  31    26 25                                  0
/// +--------+-------------------------------------+
/// | class  | chunk and slot within the chunk     |
/// +--------+-------------------------------------+
/// ```
/// Number 0 is no record. A class has chunks of 256, 64 or 16 slots; with classes of 16 bytes a chunk of 256 is whole pages, and costs exactly
/// those. A chunk that becomes empty is given back, unless it is the last of its class with room.
///
/// **Kept true.** The first eight bytes of a slot are the record's header (`RecordHeader`): kind 0 says that the slot is free, and the armed tick
/// survives freeing, since a timer belongs to a number and not to what happens to live there (see `TimerWheel`).
///
/// **Cost.** `address` is three dependent loads, the first two as a rule in cache; `allocate` and `free` are O(1); memory is counted in whole chunks.
struct Slabs: ~Copyable {
    static let maximumSize = 16_384
    /// Classes 1...32 are multiples of 16 bytes; above, four steps a doubling.
    private static let classCount = 53
    fileprivate static let indexBits: UInt32 = 26
    fileprivate static let indexMask: UInt32 = 1 << indexBits - 1
    fileprivate static let noChunk: Int32 = -1
    fileprivate static let noSlot: UInt16 = .max

    /// The slabs for reading, while something else of their shard changes.
    struct Reader {
        fileprivate let classes: UnsafeMutablePointer<SizeClass>

        /// Where record `number` lies: valid until it is freed.
        @inline(__always)
        func address(_ number: UInt32) -> UnsafeMutableRawPointer {
            let entry = classes + Int(number >> Slabs.indexBits)
            let place = number & Slabs.indexMask
            let shift = entry.pointee.chunkShift
            let slot = Int(place & (1 &<< shift &- 1))
            return entry.pointee.bases[Int(place &>> shift)].unsafelyUnwrapped + slot &* entry.pointee.slotSize
        }

        @inline(__always)
        func prefetch(_ number: UInt32) {
            let address = address(number)
            presence_prefetch(address)
            presence_prefetch(address + 64)
        }

        /// As `prefetch`, for a record of any size: up to six lines of it, behind which the processor reads on by itself.
        @inline(__always)
        func prefetchWhole(_ number: UInt32) {
            let address = address(number)
            let end = min(classes[Int(number >> Slabs.indexBits)].slotSize, 384)
            var offset = 0
            while offset < end {
                presence_prefetch(address + offset)
                offset &+= 64
            }
        }
    }

    /// One size class. `bases` is apart from `chunks`: looking a record up reads eight bytes a chunk and no more.
    fileprivate struct SizeClass {
        var slotSize: Int
        var chunkShift: UInt32
        var bases: UnsafeMutablePointer<UnsafeMutableRawPointer?>
        var chunks: UnsafeMutablePointer<Chunk>
        var chunkCount: Int32 = 0
        var chunkCapacity: Int32 = 0
        /// Chunks with room, a doubly linked list; chunks given back, a singly linked one.
        var withRoom = noChunk
        var vacant = noChunk

        var slotsPerChunk: Int { 1 << Int(chunkShift) }
        var chunkBytes: Int { slotSize << Int(chunkShift) }
    }

    fileprivate struct Chunk {
        var used: UInt16 = 0
        /// Slots that were ever handed out; the rest of the chunk was never touched.
        var fresh: UInt16 = 0
        var firstFree: UInt16 = noSlot
        var previous: Int32 = noChunk
        var next: Int32 = noChunk
        /// Addresses without memory of a chunk that was given back.
        var reserved: UnsafeMutableRawPointer?
    }

    private let classes: UnsafeMutablePointer<SizeClass>
    /// Where chunks come from: theirs is the memory, whoever is done with it.
    private let pages: SlabPages
    /// Bytes of all chunks and of the tables that find them.
    private(set) var capacityBytes = 0
    /// Bytes of the slots in use.
    private(set) var usedBytes = 0
    /// How often a slot was given back: as long as that stays the same, every number names what it named.
    private(set) var freedCount: UInt64 = 0

    init(_ pages: SlabPages = SlabPages()) {
        self.pages = pages
        classes = .allocate(capacity: Slabs.classCount)
        for index in 0..<Slabs.classCount {
            let size = Slabs.size(ofClass: index)
            let shift: UInt32 = size <= 512 ? 8 : size <= 2048 ? 6 : 4
            (classes + index).initialize(
                to: SizeClass(
                    slotSize: size, chunkShift: shift, bases: .allocate(capacity: 0), chunks: .allocate(capacity: 0)))
        }
    }

    deinit {
        for index in 0..<Slabs.classCount {
            classes[index].bases.deallocate()
            classes[index].chunks.deallocate()
        }
        classes.deallocate()
    }

    static func size(ofClass index: Int) -> Int {
        if index <= 32 { return index * 16 }
        let step = index - 33
        return (512 << (step / 4)) * (5 + step % 4) / 4
    }

    /// The class that holds `size` bytes, 1...`maximumSize`.
    @inline(__always)
    static func sizeClass(for size: Int) -> Int {
        if size <= 512 { return (size &+ 15) >> 4 }
        let doubling = Int.bitWidth - (size - 1).leadingZeroBitCount - 10
        let base = 512 << doubling
        return 33 + doubling * 4 + (size - base - 1) * 4 / base
    }

    static func sizeClass(of number: UInt32) -> Int { Int(number >> indexBits) }

    /// The bytes that the record may take without moving.
    func slotSize(of number: UInt32) -> Int { classes[Int(number >> Slabs.indexBits)].slotSize }

    /// Where record `number` lies: valid until it is freed.
    @inline(__always)
    func address(_ number: UInt32) -> UnsafeMutableRawPointer { reader.address(number) }

    @inline(__always)
    var reader: Reader { Reader(classes: classes) }

    /// As `address`, for a number that may be of a chunk given back long ago: timers name such.
    @inline(__always)
    func addressIfPresent(_ number: UInt32) -> UnsafeMutableRawPointer? {
        let entry = classes + Int(number >> Slabs.indexBits)
        let place = number & Slabs.indexMask
        let shift = entry.pointee.chunkShift
        guard Int(place &>> shift) < Int(entry.pointee.chunkCount),
            let base = entry.pointee.bases[Int(place &>> shift)]
        else { return nil }
        let slot = Int(place & (1 &<< shift &- 1))
        guard slot < Int(entry.pointee.chunks[Int(place &>> shift)].fresh) else { return nil }
        return base + slot &* entry.pointee.slotSize
    }

    /// The bytes that `allocate(size)` would add to `capacityBytes`: 0 while a chunk of the class has room.
    func growth(forSize size: Int) -> Int {
        let entry = classes + Slabs.sizeClass(for: size)
        return entry.pointee.withRoom != Slabs.noChunk ? 0 : entry.pointee.chunkBytes
    }

    /// A slot of at least `size` bytes. Its header keeps the armed tick of the number, all else is for the caller to write.
    mutating func allocate(_ size: Int) -> UInt32 {
        let index = Slabs.sizeClass(for: size)
        let entry = classes + index
        if entry.pointee.withRoom == Slabs.noChunk { addChunk(entry) }
        return take(from: entry.pointee.withRoom, entry, index)
    }

    /// A slot of the class of `number` in another chunk than its own, nil if none has room.
    mutating func allocate(besideChunkOf number: UInt32) -> UInt32? {
        let index = Slabs.sizeClass(of: number)
        let entry = classes + index
        let own = Int32((number & Slabs.indexMask) >> entry.pointee.chunkShift)
        var chunk = entry.pointee.withRoom
        if chunk == own { chunk = entry.pointee.chunks[Int(own)].next }
        return chunk == Slabs.noChunk ? nil : take(from: chunk, entry, index)
    }

    private mutating func take(
        from chunk: Int32, _ entry: UnsafeMutablePointer<SizeClass>, _ index: Int
    ) -> UInt32 {
        let info = entry.pointee.chunks + Int(chunk)
        let base = entry.pointee.bases[Int(chunk)].unsafelyUnwrapped
        let slot: UInt16
        if info.pointee.firstFree != Slabs.noSlot {
            slot = info.pointee.firstFree
            info.pointee.firstFree = RecordHeader(base + Int(slot) * entry.pointee.slotSize).nextFree
        } else {
            slot = info.pointee.fresh
            info.pointee.fresh += 1
            RecordHeader(base + Int(slot) * entry.pointee.slotSize).clear()
        }
        info.pointee.used += 1
        if Int(info.pointee.used) == entry.pointee.slotsPerChunk { unlink(chunk, entry) }
        usedBytes += entry.pointee.slotSize
        return UInt32(index) << Slabs.indexBits | UInt32(chunk) << entry.pointee.chunkShift | UInt32(slot)
    }

    /// Gives the slot back. Its number may name another record from now on.
    mutating func free(_ number: UInt32) {
        freedCount &+= 1
        let entry = classes + Int(number >> Slabs.indexBits)
        let place = number & Slabs.indexMask
        let chunk = Int32(place >> entry.pointee.chunkShift)
        let info = entry.pointee.chunks + Int(chunk)
        let header = RecordHeader(address(number))
        header.kind = .free
        header.nextFree = info.pointee.firstFree
        info.pointee.firstFree = UInt16(place & (1 << entry.pointee.chunkShift - 1))
        if Int(info.pointee.used) == entry.pointee.slotsPerChunk { link(chunk, entry) }
        info.pointee.used -= 1
        usedBytes -= entry.pointee.slotSize
        let isOnlyOneWithRoom = entry.pointee.withRoom == chunk && info.pointee.next == Slabs.noChunk
        if info.pointee.used == 0 && !isOnlyOneWithRoom { release(chunk, entry) }
    }

    /// Gives a chunk back if nothing is left in it, even the last one of its class.
    mutating func releaseIfEmpty(_ place: (sizeClass: Int, chunk: Int)) {
        let entry = classes + place.sizeClass
        guard entry.pointee.bases[place.chunk] != nil, entry.pointee.chunks[place.chunk].used == 0 else { return }
        release(Int32(place.chunk), entry)
    }

    // MARK: Chunks

    private mutating func addChunk(_ entry: UnsafeMutablePointer<SizeClass>) {
        let chunk: Int32
        if entry.pointee.vacant != Slabs.noChunk {
            chunk = entry.pointee.vacant
            entry.pointee.vacant = entry.pointee.chunks[Int(chunk)].next
        } else {
            if entry.pointee.chunkCount == entry.pointee.chunkCapacity { growTables(entry) }
            chunk = entry.pointee.chunkCount
            precondition(
                UInt32(chunk) < 1 << (Slabs.indexBits - entry.pointee.chunkShift), "a shard's size class is full")
            entry.pointee.chunkCount += 1
        }
        let bytes = entry.pointee.chunkBytes
        entry.pointee.bases[Int(chunk)] = entry.pointee.chunks[Int(chunk)].reserved ?? pages.take(bytes)
        (entry.pointee.chunks + Int(chunk)).initialize(to: Chunk())
        capacityBytes += bytes
        link(chunk, entry)
    }

    private mutating func release(_ chunk: Int32, _ entry: UnsafeMutablePointer<SizeClass>) {
        unlink(chunk, entry)
        let reserved = entry.pointee.bases[Int(chunk)].flatMap { pages.discard($0, entry.pointee.chunkBytes) }
        entry.pointee.bases[Int(chunk)] = nil
        entry.pointee.chunks[Int(chunk)] = Chunk()
        entry.pointee.chunks[Int(chunk)].reserved = reserved
        entry.pointee.chunks[Int(chunk)].next = entry.pointee.vacant
        entry.pointee.vacant = chunk
        capacityBytes -= entry.pointee.chunkBytes
    }

    private mutating func growTables(_ entry: UnsafeMutablePointer<SizeClass>) {
        let old = Int(entry.pointee.chunkCapacity)
        let new = max(4, old + old / 2)
        let bases = UnsafeMutablePointer<UnsafeMutableRawPointer?>.allocate(capacity: new)
        let chunks = UnsafeMutablePointer<Chunk>.allocate(capacity: new)
        bases.moveInitialize(from: entry.pointee.bases, count: old)
        chunks.moveInitialize(from: entry.pointee.chunks, count: old)
        (bases + old).initialize(repeating: nil, count: new - old)
        (chunks + old).initialize(repeating: Chunk(), count: new - old)
        entry.pointee.bases.deallocate()
        entry.pointee.chunks.deallocate()
        entry.pointee.bases = bases
        entry.pointee.chunks = chunks
        entry.pointee.chunkCapacity = Int32(new)
        let each = MemoryLayout<UnsafeMutableRawPointer?>.stride + MemoryLayout<Chunk>.stride
        capacityBytes += (new - old) * each
    }

    private func link(_ chunk: Int32, _ entry: UnsafeMutablePointer<SizeClass>) {
        let head = entry.pointee.withRoom
        entry.pointee.chunks[Int(chunk)].previous = Slabs.noChunk
        entry.pointee.chunks[Int(chunk)].next = head
        if head != Slabs.noChunk { entry.pointee.chunks[Int(head)].previous = chunk }
        entry.pointee.withRoom = chunk
    }

    private func unlink(_ chunk: Int32, _ entry: UnsafeMutablePointer<SizeClass>) {
        let info = entry.pointee.chunks[Int(chunk)]
        if info.previous == Slabs.noChunk {
            entry.pointee.withRoom = info.next
        } else {
            entry.pointee.chunks[Int(info.previous)].next = info.next
        }
        if info.next != Slabs.noChunk { entry.pointee.chunks[Int(info.next)].previous = info.previous }
    }

    // MARK: Walking, for eviction and checks

    /// The next chunk that exists after (`sizeClass`, `chunk`) in a round over all of them; nil when there is none at all.
    func chunk(after sizeClass: Int, _ chunk: Int) -> (sizeClass: Int, chunk: Int)? {
        var index = sizeClass
        var place = chunk + 1
        for _ in 0...Slabs.classCount {
            while place < Int(classes[index].chunkCount) {
                if classes[index].bases[place] != nil { return (index, place) }
                place += 1
            }
            index = (index + 1) % Slabs.classCount
            place = 0
        }
        return nil
    }

    /// The numbers of the slots that chunk has handed out at least once: some may be free now.
    func numbers(inClass sizeClass: Int, chunk: Int) -> Range<UInt32> {
        let entry = classes[sizeClass]
        let start = UInt32(sizeClass) << Slabs.indexBits | UInt32(chunk) << entry.chunkShift
        return start..<start + UInt32(entry.chunks[chunk].fresh)
    }

    /// Slots in use in that chunk, and those free in the other chunks of the class.
    func occupancy(ofClass sizeClass: Int, chunk: Int) -> (used: Int, freeElsewhere: Int) {
        let entry = classes[sizeClass]
        var free = 0
        var other = entry.withRoom
        while other != Slabs.noChunk {
            if other != Int32(chunk) { free += entry.slotsPerChunk - Int(entry.chunks[Int(other)].used) }
            other = entry.chunks[Int(other)].next
        }
        return (Int(entry.chunks[chunk].used), free)
    }
}

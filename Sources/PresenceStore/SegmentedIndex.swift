import CPrefetch

/// From the hash of a name to the number of its record: a directory of small segments that split one at a time.
///
/// This is extendible hashing (Fagin, Nievergelt, Pippenger, Strong, 1979). A segment holds the entries of one prefix of the hash; when it is full it
/// splits in two by the next bit, and nothing else moves: no operation ever waits for the whole table. Positions in hash order, such as a `SCAN`
/// cursor, stay valid through any growth.
///
/// A segment is 16 groups of 12 entries, a group one cache line; an entry starts at the group that four low bits of its hash name, and goes on to the
/// next when that is full. A group counts the entries that passed it by (the scheme of Facebook's F14), so that a search knows where to stop and
/// removal leaves no tombstones:
/// ```
///  0                    12        13               16                                  64
/// +--------------------+---------+----------------+-----------------------------------+
/// | 12 tags of 1 byte  | how     | in group 0:    | 12 numbers of 4 bytes             |  x 16
/// |                    | many    | depth, entries |                                   |
/// |                    | passed  | of the segment |                                   |
/// +--------------------+---------+----------------+-----------------------------------+
/// ```
/// A tag is 0 for an empty place, else eight bits of the hash with 0 read as 1.
///
/// **Cost.** A look-up reads one line, and the record itself. An insertion now and then splits a segment: at most 160 records are touched. Memory: 1024
/// bytes a segment, 6.4 to 12.8 bytes an entry.
struct SegmentedIndex: ~Copyable {
    private static let groupCount = 16
    private static let groupBytes = 64
    private static let groupCapacity = 12
    private static let passedOffset = 12
    private static let depthOffset = 13
    private static let entryCountOffset = 14
    private static let numbersOffset = 16
    static let segmentBytes = groupCount * groupBytes
    private static let pageBytes = 4_096
    /// Of 192 places; above it searches get long.
    static let segmentLimit = 160

    /// Leading bits of the hash that are the same for all of this shard.
    private let skippedBits: UInt64
    private var depth: UInt64 = 0
    private var directory: UnsafeMutablePointer<UnsafeMutableRawPointer>
    private(set) var count = 0
    private(set) var segmentCount = 1
    /// Where segments come from, and those that nobody uses: four or fewer, as splits leave them. Each begins with the address of the next.
    private let pages: SlabPages
    private var unused: UnsafeMutableRawPointer?

    init(skippedBits: Int, _ pages: SlabPages = SlabPages()) {
        self.skippedBits = UInt64(skippedBits)
        self.pages = pages
        directory = .allocate(capacity: 1)
        let first = makeSegment(depth: 0)
        directory.initialize(to: first)
    }

    deinit { directory.deallocate() }

    var capacityBytes: Int {
        segmentCount * SegmentedIndex.segmentBytes + (1 << Int(depth)) * MemoryLayout<UnsafeMutableRawPointer>.stride
    }

    // MARK: Finding

    /// The number whose record `isMatch` accepts, or 0.
    @inline(__always)
    func find(_ hash: UInt64, _ isMatch: (UInt32) -> Bool) -> UInt32 {
        let segment = segment(for: hash)
        let pattern = UInt64(SegmentedIndex.tag(hash)) &* 0x0101_0101_0101_0101
        var group = Int(hash & 15)
        // In a full segment entries may have passed every group: one round is enough.
        for _ in 0..<SegmentedIndex.groupCount {
            let line = segment + group &* SegmentedIndex.groupBytes
            let low = line.load(as: UInt64.self)
            var candidates = SegmentedIndex.zeroBytes(low ^ pattern)
            while candidates != 0 {
                let place = candidates.trailingZeroBitCount >> 3
                let number = line.load(fromByteOffset: SegmentedIndex.numbersOffset &+ place &* 4, as: UInt32.self)
                if low >> UInt64(place &* 8) & 0xff == pattern & 0xff, isMatch(number) { return number }
                candidates &= candidates &- 1
            }
            let high = line.load(fromByteOffset: 8, as: UInt64.self)
            candidates = SegmentedIndex.zeroBytes(high ^ pattern) & 0x8080_8080
            while candidates != 0 {
                let place = 8 &+ candidates.trailingZeroBitCount >> 3
                let number = line.load(fromByteOffset: SegmentedIndex.numbersOffset &+ place &* 4, as: UInt32.self)
                if high >> UInt64((place &- 8) &* 8) & 0xff == pattern & 0xff, isMatch(number) { return number }
                candidates &= candidates &- 1
            }
            if high >> 32 & 0xff == 0 { return 0 }
            group = (group &+ 1) & 15
        }
        return 0
    }

    /// The first number whose tag fits `hash`, without looking at its record: what a batch prefetches.
    @inline(__always)
    func likely(_ hash: UInt64) -> UInt32 { find(hash) { _ in true } }

    /// Asks for the line that `likely` will read.
    @inline(__always)
    func prefetch(_ hash: UInt64) {
        presence_prefetch(segment(for: hash) + Int(hash & 15) &* SegmentedIndex.groupBytes)
    }

    // MARK: Changing

    /// Adds an entry that is not there. `hashOf` tells the hash of another number when a segment splits, `prefetch` that it will be asked.
    mutating func insert(
        _ hash: UInt64, _ number: UInt32, prefetch: (UInt32) -> Void, hashOf: (UInt32) -> UInt64
    ) {
        while SegmentedIndex.entryCount(of: segment(for: hash)) >= SegmentedIndex.segmentLimit {
            split(hash, prefetch: prefetch, hashOf: hashOf)
        }
        SegmentedIndex.place(hash, number, in: segment(for: hash))
        count += 1
    }

    /// Whether room for an entry of this hash would take splits that hashes of names never need: most of its full segment has the next four bits in
    /// common with it, or the segment is far deeper than the others. Who takes hashes from elsewhere asks first: hashes that differ in their last bits alone
    /// would double the directory until memory ends.
    func isCrowded(_ hash: UInt64, hashOf: (UInt32) -> UInt64) -> Bool {
        let segment = segment(for: hash)
        guard SegmentedIndex.entryCount(of: segment) >= SegmentedIndex.segmentLimit else { return false }
        let segmentDepth = SegmentedIndex.depth(of: segment)
        let usual = UInt64(Int.bitWidth - segmentCount.leadingZeroBitCount)
        guard segmentDepth <= usual + 5 else { return true }
        var near = 0
        _ = numbers(around: hash) { other in
            if ((hashOf(other) ^ hash) << (skippedBits + segmentDepth)) >> 60 == 0 { near += 1 }
        }
        return near > SegmentedIndex.segmentLimit * 3 / 4
    }

    /// Removes the entry of `number`, which is there.
    mutating func remove(_ hash: UInt64, _ number: UInt32) {
        let segment = segment(for: hash)
        var group = Int(hash & 15)
        while true {
            if let place = SegmentedIndex.place(of: number, inGroup: group, of: segment) {
                segment.storeBytes(of: 0, toByteOffset: group * SegmentedIndex.groupBytes + place, as: UInt8.self)
                break
            }
            SegmentedIndex.passed(group, of: segment, by: -1)
            group = (group + 1) & 15
        }
        SegmentedIndex.setEntryCount(of: segment, SegmentedIndex.entryCount(of: segment) - 1)
        count -= 1
    }

    /// The record of `old` has moved.
    func replace(_ hash: UInt64, _ old: UInt32, with new: UInt32) {
        let segment = segment(for: hash)
        var group = Int(hash & 15)
        while true {
            if let place = SegmentedIndex.place(of: old, inGroup: group, of: segment) {
                let offset = SegmentedIndex.numberOffset(group, place)
                segment.storeBytes(of: new, toByteOffset: offset, as: UInt32.self)
                return
            }
            group = (group + 1) & 15
        }
    }

    // MARK: Walking in hash order

    /// The numbers of the segment that `hash` belongs to, in no order, and the first hash that lies behind it: nil at the end of the shard.
    func numbers(around hash: UInt64, _ body: (UInt32) -> Void) -> UInt64? {
        let segment = segment(for: hash)
        for group in 0..<SegmentedIndex.groupCount {
            for place in 0..<SegmentedIndex.groupCapacity {
                let tag = segment.load(fromByteOffset: group * SegmentedIndex.groupBytes + place, as: UInt8.self)
                guard tag != 0 else { continue }
                let offset = SegmentedIndex.numberOffset(group, place)
                body(segment.load(fromByteOffset: offset, as: UInt32.self))
            }
        }
        let width = 64 - skippedBits - SegmentedIndex.depth(of: segment)
        guard width < 64 else { return nil }
        let start = (hash >> width) << width
        let (next, overflow) = start.addingReportingOverflow(1 << width)
        guard !overflow, skippedBits == 0 || next >> (64 - skippedBits) == hash >> (64 - skippedBits) else {
            return nil
        }
        return next
    }

    // MARK: Segments

    @inline(__always)
    private func segment(for hash: UInt64) -> UnsafeMutableRawPointer {
        // Two shifts to the right: one by 64, where there is one segment, is none to the processor.
        directory[Int(truncatingIfNeeded: ((hash &<< skippedBits) >> 1) &>> (63 &- depth))]
    }

    private mutating func split(_ hash: UInt64, prefetch: (UInt32) -> Void, hashOf: (UInt32) -> UInt64) {
        let old = segment(for: hash)
        let localDepth = SegmentedIndex.depth(of: old)
        if localDepth == depth { doubleDirectory() }
        let zero = makeSegment(depth: localDepth + 1)
        let one = makeSegment(depth: localDepth + 1)
        _ = numbers(around: hash, prefetch)
        _ = numbers(around: hash) { number in
            let other = hashOf(number)
            let bit = other >> (63 - skippedBits - localDepth) & 1
            SegmentedIndex.place(other, number, in: bit == 0 ? zero : one)
        }
        let span = 1 << Int(depth - localDepth)
        let start = Int((hash << skippedBits) >> (64 - depth)) & ~(span - 1)
        for place in start..<start + span { directory[place] = place < start + span / 2 ? zero : one }
        discard(old)
        segmentCount += 1
    }

    private mutating func doubleDirectory() {
        let size = 1 << Int(depth)
        let doubled = UnsafeMutablePointer<UnsafeMutableRawPointer>.allocate(capacity: size * 2)
        for place in 0..<size {
            (doubled + place * 2).initialize(to: directory[place])
            (doubled + place * 2 + 1).initialize(to: directory[place])
        }
        directory.deallocate()
        directory = doubled
        depth += 1
    }

    private mutating func makeSegment(depth: UInt64) -> UnsafeMutableRawPointer {
        if unused == nil {
            let page = pages.take(SegmentedIndex.pageBytes)
            for offset in stride(from: 0, to: SegmentedIndex.pageBytes, by: SegmentedIndex.segmentBytes) {
                discard(page + offset)
            }
        }
        let segment = unused.unsafelyUnwrapped
        unused = segment.load(as: UnsafeMutableRawPointer?.self)
        segment.initializeMemory(as: UInt8.self, repeating: 0, count: SegmentedIndex.segmentBytes)
        segment.storeBytes(of: UInt8(depth), toByteOffset: SegmentedIndex.depthOffset, as: UInt8.self)
        return segment
    }

    private mutating func discard(_ segment: UnsafeMutableRawPointer) {
        segment.storeBytes(of: unused, as: UnsafeMutableRawPointer?.self)
        unused = segment
    }

    private static func depth(of segment: UnsafeMutableRawPointer) -> UInt64 {
        UInt64(segment.load(fromByteOffset: depthOffset, as: UInt8.self))
    }

    private static func numberOffset(_ group: Int, _ place: Int) -> Int {
        group * groupBytes + numbersOffset + place * 4
    }

    private static func entryCount(of segment: UnsafeMutableRawPointer) -> Int {
        Int(segment.load(fromByteOffset: entryCountOffset, as: UInt16.self))
    }

    private static func setEntryCount(of segment: UnsafeMutableRawPointer, _ count: Int) {
        segment.storeBytes(of: UInt16(count), toByteOffset: entryCountOffset, as: UInt16.self)
    }

    private static func place(_ hash: UInt64, _ number: UInt32, in segment: UnsafeMutableRawPointer) {
        var group = Int(hash & 15)
        while true {
            for place in 0..<groupCapacity {
                let offset = group * groupBytes + place
                guard segment.load(fromByteOffset: offset, as: UInt8.self) == 0 else { continue }
                segment.storeBytes(of: tag(hash), toByteOffset: offset, as: UInt8.self)
                let numberOffset = numberOffset(group, place)
                segment.storeBytes(of: number, toByteOffset: numberOffset, as: UInt32.self)
                setEntryCount(of: segment, entryCount(of: segment) + 1)
                return
            }
            passed(group, of: segment, by: 1)
            group = (group + 1) & 15
        }
    }

    private static func place(of number: UInt32, inGroup group: Int, of segment: UnsafeMutableRawPointer) -> Int? {
        for place in 0..<groupCapacity {
            let offset = numberOffset(group, place)
            guard segment.load(fromByteOffset: offset, as: UInt32.self) == number,
                segment.load(fromByteOffset: group * groupBytes + place, as: UInt8.self) != 0
            else { continue }
            return place
        }
        return nil
    }

    private static func passed(_ group: Int, of segment: UnsafeMutableRawPointer, by change: Int) {
        let offset = group * groupBytes + passedOffset
        let count = Int(segment.load(fromByteOffset: offset, as: UInt8.self)) + change
        segment.storeBytes(of: UInt8(count), toByteOffset: offset, as: UInt8.self)
    }

    @inline(__always)
    private static func tag(_ hash: UInt64) -> UInt8 {
        let tag = UInt8(truncatingIfNeeded: hash >> 4)
        return tag == 0 ? 1 : tag
    }

    /// The high bit of every byte that is zero; bytes above a zero one may be marked falsely.
    @inline(__always)
    private static func zeroBytes(_ word: UInt64) -> UInt64 {
        (word &- 0x0101_0101_0101_0101) & ~word & 0x8080_8080_8080_8080
    }
}

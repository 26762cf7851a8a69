import Presence

/// The bytes of edges, and of what they refer to.
extension RelationsRecord {
    // MARK: Lists

    var counts: Sizes {
        Sizes(friends: count(.friends), singles: count(.singles), others: count(.others), readings: readingCount)
    }

    var rooms: Sizes {
        get {
            Sizes(
                friends: room(.friends), singles: room(.singles), others: room(.others),
                readings: Int(address.load(fromByteOffset: 18, as: UInt16.self)))
        }
        nonmutating set {
            for list in [List.friends, .singles, .others] {
                address.storeBytes(
                    of: UInt32(newValue[list]), toByteOffset: 36 + 8 * list.rawValue, as: UInt32.self)
            }
            address.storeBytes(of: UInt16(newValue.readings), toByteOffset: 18, as: UInt16.self)
        }
    }

    @inline(__always)
    func count(_ list: List) -> Int { Int(address.load(fromByteOffset: 32 + 8 * list.rawValue, as: UInt32.self)) }

    @inline(__always)
    private func room(_ list: List) -> Int {
        Int(address.load(fromByteOffset: 36 + 8 * list.rawValue, as: UInt32.self))
    }

    private func setCount(_ list: List, _ count: Int) {
        address.storeBytes(of: UInt32(count), toByteOffset: 32 + 8 * list.rawValue, as: UInt32.self)
    }

    @inline(__always)
    func entry(_ list: List, _ index: Int) -> UnsafeMutableRawPointer {
        var base = address + RelationsRecord.headerBytes
        if list != .friends { base += room(.friends) * List.friends.entryBytes }
        if list == .others { base += room(.singles) * List.singles.entryBytes }
        return base + index * list.entryBytes
    }

    @inline(__always)
    func hash(_ list: List, _ index: Int) -> UInt64 { entry(list, index).loadUnaligned(as: UInt64.self) }

    /// Where the entry of a hash is in a list, or would be.
    ///
    /// - Complexity: O(log n).
    @inline(__always)
    func place(of hash: UInt64, in list: List) -> (index: Int, isFound: Bool) {
        let base = entry(list, 0)
        var low = 0
        var high = count(list)
        while low < high {
            let middle = (low + high) / 2
            let found = (base + middle * list.entryBytes).loadUnaligned(as: UInt64.self)
            if found == hash { return (middle, true) }
            if found < hash { low = middle + 1 } else { high = middle }
        }
        return (low, false)
    }

    /// Makes a gap for an entry. The list must have the room.
    func open(_ list: List, at index: Int) {
        let count = count(list)
        precondition(count < room(list), "the room was not made")
        entry(list, index + 1).copyMemory(from: entry(list, index), byteCount: (count - index) * list.entryBytes)
        setCount(list, count + 1)
    }

    /// Makes an entry for a hash that is greater than all others of the list.
    func append(_ hash: UInt64, to list: List) -> UnsafeMutableRawPointer {
        open(list, at: count(list))
        let entry = entry(list, count(list) - 1)
        entry.storeBytes(of: hash, as: UInt64.self)
        return entry
    }

    /// Takes the entry of a hash out, if the list has one.
    func remove(_ hash: UInt64, from list: List) {
        let place = place(of: hash, in: list)
        guard place.isFound else { return }
        let rest = count(list) - place.index - 1
        entry(list, place.index).copyMemory(from: entry(list, place.index + 1), byteCount: rest * list.entryBytes)
        setCount(list, count(list) - 1)
    }

    // MARK: Edges

    @inline(__always)
    func relation(_ list: List, _ index: Int, near now: Timestamp) -> Relation {
        let entry = entry(list, index)
        switch list {
        case .friends:
            var relation = Relation()
            relation.isFriend = true
            relation.friendStamp = stamp(entry + 8, near: now)
            return relation
        case .singles:
            let encoded = SingleEdge.Encoded(
                at: RecordInstant.load(entry + 8, near: now), flags: entry.load(fromByteOffset: 13, as: UInt8.self),
                reading: entry.loadUnaligned(fromByteOffset: 14, as: UInt16.self))
            return SingleEdge(
                encoded, node: { node($0) }, reading: { RecordInstant.load(reading($0), near: now) }
            ).relation
        case .others:
            return other(entry, near: now)
        }
    }

    func holds(single index: Int) -> Bool {
        entry(.singles, index).load(fromByteOffset: 13, as: UInt8.self) & SingleEdge.Flag.holds != 0
    }

    func holds(other index: Int) -> Bool { entry(.others, index).load(fromByteOffset: 20, as: UInt8.self) & 3 != 0 }

    func write(_ single: SingleEdge.Encoded, to entry: UnsafeMutableRawPointer) {
        RecordInstant.store(single.at, to: entry + 8)
        entry.storeBytes(of: single.flags, toByteOffset: 13, as: UInt8.self)
        entry.storeBytes(of: single.reading, toByteOffset: 14, as: UInt16.self)
    }

    private func other(_ entry: UnsafeMutableRawPointer, near now: Timestamp) -> Relation {
        let flags = entry.load(fromByteOffset: 20, as: UInt8.self)
        let forms = entry.load(fromByteOffset: 21, as: UInt8.self)
        var relation = Relation()
        relation.friendStamp = stamp(entry + 8, near: now)
        relation.blockStamp = stamp(entry + 14, near: now)
        relation.isFriend = flags & 1 != 0
        relation.isBlocked = flags & 2 != 0
        if flags & 4 != 0 { relation.read = RelationsRecord.load(form: forms & 3, entry + 22, near: now) }
        if flags & 8 != 0 { relation.othersRead = RelationsRecord.load(form: forms >> 2 & 3, entry + 27, near: now) }
        return relation
    }

    func write(_ relation: Relation, to entry: UnsafeMutableRawPointer) {
        write(relation.friendStamp, to: entry + 8)
        write(relation.blockStamp, to: entry + 14)
        var flags: UInt8 = (relation.isFriend ? 1 : 0) | (relation.isBlocked ? 2 : 0)
        var forms: UInt8 = 0
        if let read = relation.read {
            flags |= 4
            forms |= RelationsRecord.store(read, entry + 22)
        }
        if let read = relation.othersRead {
            flags |= 8
            forms |= RelationsRecord.store(read, entry + 27) << 2
        }
        entry.storeBytes(of: flags, toByteOffset: 20, as: UInt8.self)
        entry.storeBytes(of: forms, toByteOffset: 21, as: UInt8.self)
    }

    private func stamp(_ place: UnsafeMutableRawPointer, near now: Timestamp) -> EdgeStamp {
        let node = place.load(fromByteOffset: 5, as: UInt8.self)
        return node == 0 ? .zero : EdgeStamp(at: RecordInstant.load(place, near: now), node: node)
    }

    func write(_ stamp: EdgeStamp, to place: UnsafeMutableRawPointer) {
        RecordInstant.store(stamp.at, to: place)
        place.storeBytes(of: stamp.node, toByteOffset: 5, as: UInt8.self)
    }

    // MARK: Nodes

    /// The node at a place, 0 to 7; 0 if the place is free.
    @inline(__always)
    func node(_ place: Int) -> UInt8 { byte(56 + place) }

    /// The place of a node, or the first free one; nil if there is neither.
    private func place(ofNode node: UInt8) -> Int? {
        // They are entered in order and never leave, so the free places are the last ones.
        (0..<RelationsRecord.maximumNodes).first { self.node($0) == node || self.node($0) == 0 }
    }

    func hasRoom(forNode node: UInt8) -> Bool { place(ofNode: node) != nil }

    /// The place of a node, which is entered if it is new. There must be room for it.
    func enter(node: UInt8) -> Int {
        guard let place = place(ofNode: node) else { preconditionFailure("the record has room for eight nodes") }
        address.storeBytes(of: node, toByteOffset: 56 + place, as: UInt8.self)
        return place
    }

    /// The nodes that singles name, in the order of their places.
    var nodesInUse: [UInt8] {
        var isUsed = [Bool](repeating: false, count: RelationsRecord.maximumNodes)
        for index in 0..<count(.singles) { isUsed[Int(flags(ofSingle: index) >> SingleEdge.Flag.nodeShift)] = true }
        return isUsed.indices.filter { isUsed[$0] }.map { node($0) }
    }

    // MARK: Readings

    var readingCount: Int { Int(address.load(fromByteOffset: 30, as: UInt16.self)) }

    private func setReadingCount(_ count: Int) {
        address.storeBytes(of: UInt16(count), toByteOffset: 30, as: UInt16.self)
    }

    @inline(__always)
    func reading(_ place: Int) -> UnsafeMutableRawPointer {
        entry(.others, room(.others)) + place * RelationsRecord.readingBytes
    }

    /// Where an instant stands among the readings.
    ///
    /// - Complexity: O(readings).
    func readingPlace(of instant: Timestamp) -> Int? {
        let low = UInt32(truncatingIfNeeded: instant.milliseconds)
        let high = UInt8(truncatingIfNeeded: instant.milliseconds >> 32)
        return (0..<readingCount).first {
            reading($0).loadUnaligned(as: UInt32.self) == low
                && reading($0).load(fromByteOffset: 4, as: UInt8.self) == high
        }
    }

    /// Puts an instant behind the readings. There must be room for it.
    func append(reading instant: Timestamp) {
        let count = readingCount
        precondition(count < rooms.readings, "the room was not made")
        RecordInstant.store(instant, to: reading(count))
        setReadingCount(count + 1)
    }

    /// Takes those readings out that no edge has any more.
    ///
    /// - Complexity: O(singles + readings).
    func dropUnusedReadings() {
        var places = [Int?](repeating: nil, count: readingCount)
        for index in 0..<count(.singles) {
            if let place = readingPlace(ofSingle: index) { places[place] = 0 }
        }
        var kept = 0
        for place in places.indices where places[place] != nil {
            places[place] = kept
            if kept != place {
                reading(kept).copyMemory(from: reading(place), byteCount: RelationsRecord.readingBytes)
            }
            kept += 1
        }
        guard kept < readingCount else { return }
        setReadingCount(kept)
        for index in 0..<count(.singles) {
            guard let place = readingPlace(ofSingle: index), let new = places[place] else { continue }
            entry(.singles, index).storeBytes(of: UInt16(new), toByteOffset: 14, as: UInt16.self)
        }
    }

    private func flags(ofSingle index: Int) -> UInt8 { entry(.singles, index).load(fromByteOffset: 13, as: UInt8.self) }

    /// The place among the readings that a single names; nil if it names none.
    private func readingPlace(ofSingle index: Int) -> Int? {
        guard flags(ofSingle: index) & SingleEdge.Flag.isApart != 0 else { return nil }
        return Int(entry(.singles, index).loadUnaligned(fromByteOffset: 14, as: UInt16.self))
    }

    // MARK: What was read

    static func load(form: UInt8, _ place: UnsafeMutableRawPointer, near now: Timestamp) -> LastSeen {
        switch form {
        case 1: .exact(RecordInstant.load(place, near: now))
        case 2: .coarse(RecordInstant.load(place, near: now))
        default: .unknown
        }
    }

    /// Writes the instant and returns the form.
    static func store(_ read: LastSeen, _ place: UnsafeMutableRawPointer) -> UInt8 {
        switch read {
        case .unknown: return 0
        case .exact(let instant):
            RecordInstant.store(instant, to: place)
            return 1
        case .coarse(let instant):
            RecordInstant.store(instant, to: place)
            return 2
        }
    }

    @inline(__always)
    func byte(_ offset: Int) -> UInt8 { address.load(fromByteOffset: offset, as: UInt8.self) }
}

import Presence

/// The bytes of edges, and of what they refer to.
extension RelationsRecord {
    // MARK: Lists

    var counts: Sizes { Sizes(friends: count(.friends), edges: count(.edges)) }

    var rooms: Sizes {
        get { Sizes(friends: room(.friends), edges: room(.edges)) }
        nonmutating set {
            for list in List.allCases {
                address.storeBytes(
                    of: UInt32(newValue[list]), toByteOffset: 36 + 8 * list.rawValue, as: UInt32.self)
            }
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
        if list == .edges { base += room(.friends) * List.friends.entryBytes }
        return base + index * list.entryBytes
    }

    @inline(__always)
    func hash(_ list: List, _ index: Int) -> UInt64 { entry(list, index).loadUnaligned(as: UInt64.self) }

    /// Where the first entry of a hash is in a list, or would be.
    ///
    /// - Complexity: O(log n).
    @inline(__always)
    func place(of hash: UInt64, in list: List) -> (index: Int, isFound: Bool) {
        let base = entry(list, 0)
        let count = count(list)
        var low = 0
        var high = count
        while low < high {
            let middle = (low + high) / 2
            let found = (base + middle * list.entryBytes).loadUnaligned(as: UInt64.self)
            if found < hash { low = middle + 1 } else { high = middle }
        }
        return (low, low < count && self.hash(list, low) == hash)
    }

    /// Makes room for so many entries in the place of others, whose bytes are not of use any more. The list must have the room.
    func resize(_ list: List, at index: Int, from old: Int, to new: Int) {
        guard old != new else { return }
        let count = count(list)
        precondition(count - old + new <= room(list), "the room was not made")
        entry(list, index + new).copyMemory(
            from: entry(list, index + old), byteCount: (count - index - old) * list.entryBytes)
        setCount(list, count - old + new)
    }

    // MARK: Friends

    @inline(__always)
    func enterFriend(at index: Int, into relation: inout Relation, near now: Timestamp) {
        let place = entry(.friends, index) + 8
        let node = place.load(fromByteOffset: 5, as: UInt8.self)
        relation.isFriend = true
        relation.friendStamp =
            node == 0 ? .zero : EdgeStamp(at: RecordInstant.load(place, near: now), node: node)
    }

    func write(_ hash: UInt64, _ stamp: EdgeStamp, at index: Int) {
        let entry = entry(.friends, index)
        entry.storeBytes(of: hash, as: UInt64.self)
        RecordInstant.store(stamp.at, to: entry + 8)
        entry.storeBytes(of: stamp.node, toByteOffset: 13, as: UInt8.self)
    }

    // MARK: Edges

    @inline(__always)
    func edge(_ index: Int) -> EdgeEntry {
        EdgeEntry(bits: entry(.edges, index).loadUnaligned(fromByteOffset: 8, as: UInt64.self))
    }

    func write(_ hash: UInt64, _ edge: EdgeEntry, at index: Int) {
        let entry = entry(.edges, index)
        entry.storeBytes(of: hash, as: UInt64.self)
        entry.storeBytes(of: edge.bits, toByteOffset: 8, as: UInt64.self)
    }

    /// Enters what the entries of a hash say into its relation; returns the place behind them.
    ///
    /// - Parameter first: the place of the first of them.
    @inline(__always)
    func enterEdges(of hash: UInt64, at first: Int, into relation: inout Relation, near now: Timestamp) -> Int {
        let count = count(.edges)
        var index = first
        repeat {
            edge(index).apply(to: &relation, near: now) { node($0) }
            index += 1
        } while index < count && self.hash(.edges, index) == hash
        return index
    }

    /// The entries of a hash, whose first one is there.
    func edgeCount(of hash: UInt64, at first: Int) -> Int {
        var index = first
        while index < count(.edges), self.hash(.edges, index) == hash { index += 1 }
        return index - first
    }

    /// Whether somebody may be in both lists. It may say so for a while after the last one.
    @inline(__always)
    var mayBeMixed: Bool { byte(18) != 0 }

    func setMayBeMixed() { address.storeBytes(of: 1, toByteOffset: 18, as: UInt8.self) }

    // MARK: Nodes

    /// The node at a place, 0 to 14; 0 if the place is free.
    @inline(__always)
    func node(_ place: Int) -> UInt8 { byte(48 + place) }

    /// The place of a node, which is entered if it is new; nil if there is none for it.
    func enter(node: UInt8) -> Int? {
        guard node != 0 else { return nil }
        // They are entered in order and never leave, so the free places are the last ones.
        let place = (0..<EdgeEntry.places).first { self.node($0) == node || self.node($0) == 0 }
        if let place { address.storeBytes(of: node, toByteOffset: 48 + place, as: UInt8.self) }
        return place
    }

    /// The nodes that edges name by their places, in the order of these.
    var nodesInUse: [UInt8] {
        var isUsed = [Bool](repeating: false, count: EdgeEntry.places)
        for index in 0..<count(.edges) {
            if let place = edge(index).place { isUsed[place] = true }
        }
        return isUsed.indices.filter { isUsed[$0] }.map { node($0) }
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

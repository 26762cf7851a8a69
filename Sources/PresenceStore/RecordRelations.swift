import CPrefetch
import Presence

/// How a user stands to one other, as his record keeps it: two registers, and what the other could read when he was hidden from him.
struct Relation: Sendable, Hashable {
    /// Whether he names the other a friend, and the write that said so or took it back.
    var isFriend = false
    var friendStamp = EdgeStamp.zero
    /// Whether he blocked the other, and the write that said so or took it back.
    var isBlocked = false
    var blockStamp = EdgeStamp.zero
    /// What the other could read of his last seen when he was hidden from him; nil if he is not, or nothing was kept for this one alone.
    var read: LastSeen?
    /// What he himself could read of the other's when he blocked him, of stores that hide both.
    var othersRead: LastSeen?

    /// Whether it says nothing any more: kept so that an older write that comes late does not hold again.
    var hasEnded: Bool { !isFriend && !isBlocked }

    /// Whether the short form holds all of it.
    var isPlain: Bool { isFriend && blockStamp == .zero && read == nil && othersRead == nil }
}

/// The stamp of an edge in six bytes: milliseconds and node.
///
/// A counter is not needed: writes of one edge are given rising milliseconds (``after(_:at:node:)``), so of two writes one is always the newer.
struct EdgeStamp: Sendable, Hashable {
    var at: Timestamp
    var node: UInt8

    static let zero = EdgeStamp(at: Timestamp(milliseconds: 0), node: 0)

    /// The stamp of a write at `now` to an edge that has this one.
    func next(at now: Timestamp, node: UInt8) -> EdgeStamp {
        EdgeStamp(at: max(now, at.advanced(byMilliseconds: 1)), node: node)
    }
}

/// What a user set of his privacy, and his edges: a block outside the slabs, of those users alone who have any.
/// ```
///  0            8            16           17      18      19      20      25      32                 48
/// +------------+------------+------------+-------+-------+-------+-------+-------+------------------+---------+--------+
/// | stamp of   | stamp of   | visibility | last  | forms of what | what  | what  | counts and rooms | friends | others |
/// | visibility | last seen  |            | seen  | they read     | s. r. | f. r. | of both lists    | 14 B    | 32 B   |
/// +------------+------------+------------+-------+-------+-------+-------+-------+------------------+---------+--------+
/// friend: hash 8, stamp 6                        other: hash 8, stamps 6 + 6, flags 1, forms 1, what he read 5, what I read 5
/// ```
/// A user is named by the hash of his id, so both lists are sorted by it, and a look-up is a binary search. Whoever is a friend and nothing else is in
/// the short list; all others, also those who were something once, are in the long one. Nobody is in both.
struct RelationsRecord {
    static let headerBytes = 48
    static let friendBytes = 14
    static let otherBytes = 32

    let address: UnsafeMutableRawPointer

    init(_ address: UnsafeMutableRawPointer) { self.address = address }

    /// A block without edges, with room for so many.
    static func make(friends: Int, others: Int) -> RelationsRecord {
        let record = RelationsRecord(
            .allocate(byteCount: byteCount(friends: friends, others: others), alignment: 8))
        record.address.initializeMemory(as: UInt8.self, repeating: 0, count: headerBytes)
        record.friendRoom = friends
        record.otherRoom = others
        return record
    }

    static func byteCount(friends: Int, others: Int) -> Int {
        headerBytes + friends * friendBytes + others * otherBytes
    }

    /// The room of a list that has become too small: an eighth more, so that an edge costs at most 16 bytes among many.
    static func room(after room: Int) -> Int { room + max(1, room / 8) }

    var byteCount: Int { RelationsRecord.byteCount(friends: friendRoom, others: otherRoom) }

    func destroy() { address.deallocate() }

    /// Asks for the head and the first edges; behind four lines the processor reads on by itself.
    @inline(__always)
    func prefetch() {
        for offset in stride(from: 0, to: 256, by: 64) { presence_prefetch(address + offset) }
    }

    // MARK: Privacy

    func privacy(near now: Timestamp) -> Privacy {
        var privacy = Privacy()
        privacy.visibility = Visibility(rawValue: byte(16)) ?? .nobody
        privacy.lastSeen = LastSeenVisibility(rawValue: byte(17)) ?? .nobody
        privacy.strangersRead = load(form: byte(18), at: 20, near: now)
        privacy.friendsRead = load(form: byte(19), at: 25, near: now)
        return privacy
    }

    func store(_ privacy: Privacy) {
        set(16, privacy.visibility.rawValue)
        set(17, privacy.lastSeen.rawValue)
        set(18, store(privacy.strangersRead, at: 20))
        set(19, store(privacy.friendsRead, at: 25))
    }

    var visibilityStamp: Stamp {
        get { Stamp(rawValue: address.loadUnaligned(as: UInt64.self)) }
        nonmutating set { address.storeBytes(of: newValue.rawValue, as: UInt64.self) }
    }

    var lastSeenStamp: Stamp {
        get { Stamp(rawValue: address.loadUnaligned(fromByteOffset: 8, as: UInt64.self)) }
        nonmutating set { address.storeBytes(of: newValue.rawValue, toByteOffset: 8, as: UInt64.self) }
    }

    // MARK: Edges

    private(set) var friendCount: Int {
        get { count(32) }
        nonmutating set { setCount(32, newValue) }
    }
    private(set) var friendRoom: Int {
        get { count(36) }
        nonmutating set { setCount(36, newValue) }
    }
    private(set) var otherCount: Int {
        get { count(40) }
        nonmutating set { setCount(40, newValue) }
    }
    private(set) var otherRoom: Int {
        get { count(44) }
        nonmutating set { setCount(44, newValue) }
    }

    /// Edges that hold, and those that ended.
    var edgeCounts: (holding: Int, ended: Int) {
        var ended = 0
        for index in 0..<otherCount where other(index).load(fromByteOffset: 20, as: UInt8.self) & 3 == 0 { ended += 1 }
        return (friendCount + otherCount - ended, ended)
    }

    /// How he stands to the user of that hash; nil if he never said anything of him.
    func relation(to hash: UInt64, near now: Timestamp) -> Relation? {
        let place = friends.place(of: hash)
        if place.isFound {
            var relation = Relation()
            relation.isFriend = true
            relation.friendStamp = stamp(friend(place.index) + 8, near: now)
            return relation
        }
        let other = others.place(of: hash)
        return other.isFound ? relation(at: other.index, near: now) : nil
    }

    /// Writes how he stands to the user of that hash. Both lists must have room for one more.
    func store(_ relation: Relation, to hash: UInt64) {
        let friendPlace = friends.place(of: hash)
        let otherPlace = others.place(of: hash)
        if relation.isPlain {
            if otherPlace.isFound { removeOther(otherPlace.index) }
            let entry = friendPlace.isFound ? friend(friendPlace.index) : insertFriend(friendPlace.index)
            entry.storeBytes(of: hash, as: UInt64.self)
            store(relation.friendStamp, to: entry + 8)
        } else {
            if friendPlace.isFound { removeFriend(friendPlace.index) }
            let entry = otherPlace.isFound ? other(otherPlace.index) : insertOther(otherPlace.index)
            entry.storeBytes(of: hash, as: UInt64.self)
            store(relation, to: entry)
        }
    }

    /// Calls `body` with the hash of everyone of whom he says something.
    func forEach(near now: Timestamp, _ body: (UInt64, Relation) -> Void) {
        for index in 0..<friendCount {
            var relation = Relation()
            relation.isFriend = true
            relation.friendStamp = stamp(friend(index) + 8, near: now)
            body(friend(index).loadUnaligned(as: UInt64.self), relation)
        }
        for index in 0..<otherCount {
            body(other(index).loadUnaligned(as: UInt64.self), relation(at: index, near: now))
        }
    }

    /// The same in the order of the hashes.
    func forEachByHash(near now: Timestamp, _ body: (UInt64, Relation) -> Void) {
        var (next, nextOther) = (0, 0)
        while next < friendCount || nextOther < otherCount {
            let hash = next < friendCount ? friend(next).loadUnaligned(as: UInt64.self) : .max
            let otherHash = nextOther < otherCount ? other(nextOther).loadUnaligned(as: UInt64.self) : .max
            if nextOther == otherCount || next < friendCount && hash < otherHash {
                var relation = Relation()
                relation.isFriend = true
                relation.friendStamp = stamp(friend(next) + 8, near: now)
                body(hash, relation)
                next += 1
            } else {
                body(otherHash, relation(at: nextOther, near: now))
                nextOther += 1
            }
        }
    }

    /// Those in the long list, to be changed in place: what others read when the visibility changes.
    func updateOthers(near now: Timestamp, _ body: (inout Relation) -> Void) {
        for index in 0..<otherCount {
            var relation = relation(at: index, near: now)
            body(&relation)
            store(relation, to: other(index))
        }
    }

    /// Forgets the edge that ended first; false if none has.
    func dropOldestEnded(near now: Timestamp) -> Bool {
        var oldest: (index: Int, at: Timestamp)?
        for index in 0..<otherCount {
            let relation = relation(at: index, near: now)
            guard relation.hasEnded else { continue }
            let at = max(relation.friendStamp.at, relation.blockStamp.at)
            if at < oldest?.at ?? .distantFuture { oldest = (index, at) }
        }
        guard let oldest else { return false }
        removeOther(oldest.index)
        return true
    }

    /// A copy with other room, into which all that is here fits. This one is the caller's to destroy.
    func copy(friends: Int, others: Int) -> RelationsRecord {
        let copy = RelationsRecord.make(friends: friends, others: others)
        copy.address.copyMemory(from: address, byteCount: RelationsRecord.headerBytes)
        copy.friendRoom = friends
        copy.otherRoom = others
        if friendCount > 0 {
            copy.friend(0).copyMemory(from: friend(0), byteCount: friendCount * RelationsRecord.friendBytes)
        }
        if otherCount > 0 {
            copy.other(0).copyMemory(from: other(0), byteCount: otherCount * RelationsRecord.otherBytes)
        }
        return copy
    }

    // MARK: Bytes

    /// A list of entries that begin with a hash and are sorted by it.
    private struct SortedList {
        let base: UnsafeMutableRawPointer
        let stride: Int
        let count: Int

        /// Where the entry of a hash is, or would be.
        func place(of hash: UInt64) -> (index: Int, isFound: Bool) {
            var low = 0
            var high = count
            while low < high {
                let middle = (low + high) / 2
                let found = (base + middle * stride).loadUnaligned(as: UInt64.self)
                if found == hash { return (middle, true) }
                if found < hash { low = middle + 1 } else { high = middle }
            }
            return (low, false)
        }
    }

    private var friends: SortedList {
        SortedList(base: friend(0), stride: RelationsRecord.friendBytes, count: friendCount)
    }

    private var others: SortedList {
        SortedList(base: other(0), stride: RelationsRecord.otherBytes, count: otherCount)
    }

    private func friend(_ index: Int) -> UnsafeMutableRawPointer {
        address + RelationsRecord.headerBytes + index * RelationsRecord.friendBytes
    }

    private func other(_ index: Int) -> UnsafeMutableRawPointer {
        address + RelationsRecord.headerBytes + friendRoom * RelationsRecord.friendBytes
            + index * RelationsRecord.otherBytes
    }

    private func insertFriend(_ index: Int) -> UnsafeMutableRawPointer {
        friend(index + 1).copyMemory(
            from: friend(index), byteCount: (friendCount - index) * RelationsRecord.friendBytes)
        friendCount += 1
        return friend(index)
    }

    private func insertOther(_ index: Int) -> UnsafeMutableRawPointer {
        other(index + 1).copyMemory(from: other(index), byteCount: (otherCount - index) * RelationsRecord.otherBytes)
        otherCount += 1
        return other(index)
    }

    private func removeFriend(_ index: Int) {
        friend(index).copyMemory(
            from: friend(index + 1), byteCount: (friendCount - index - 1) * RelationsRecord.friendBytes)
        friendCount -= 1
    }

    private func removeOther(_ index: Int) {
        other(index).copyMemory(
            from: other(index + 1), byteCount: (otherCount - index - 1) * RelationsRecord.otherBytes)
        otherCount -= 1
    }

    private func relation(at index: Int, near now: Timestamp) -> Relation {
        let entry = other(index)
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

    private func store(_ relation: Relation, to entry: UnsafeMutableRawPointer) {
        store(relation.friendStamp, to: entry + 8)
        store(relation.blockStamp, to: entry + 14)
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

    private func store(_ stamp: EdgeStamp, to place: UnsafeMutableRawPointer) {
        RecordInstant.store(stamp.at, to: place)
        place.storeBytes(of: stamp.node, toByteOffset: 5, as: UInt8.self)
    }

    private func load(form: UInt8, at offset: Int, near now: Timestamp) -> LastSeen {
        RelationsRecord.load(form: form, address + offset, near: now)
    }

    private func store(_ read: LastSeen, at offset: Int) -> UInt8 { RelationsRecord.store(read, address + offset) }

    private static func load(form: UInt8, _ place: UnsafeMutableRawPointer, near now: Timestamp) -> LastSeen {
        switch form {
        case 1: .exact(RecordInstant.load(place, near: now))
        case 2: .coarse(RecordInstant.load(place, near: now))
        default: .unknown
        }
    }

    /// Writes the instant and returns the form.
    private static func store(_ read: LastSeen, _ place: UnsafeMutableRawPointer) -> UInt8 {
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

    private func byte(_ offset: Int) -> UInt8 { address.load(fromByteOffset: offset, as: UInt8.self) }
    private func set(_ offset: Int, _ value: UInt8) {
        address.storeBytes(of: value, toByteOffset: offset, as: UInt8.self)
    }
    private func count(_ offset: Int) -> Int { Int(address.load(fromByteOffset: offset, as: UInt32.self)) }
    private func setCount(_ offset: Int, _ value: Int) {
        address.storeBytes(of: UInt32(value), toByteOffset: offset, as: UInt32.self)
    }
}

import CPrefetch
import Presence

/// What a user set of his privacy, and his edges: a block outside the slabs, of those users alone who have any.
/// ```
///  0           8            16      17      18         20      25      30        32                56      64
/// +-----------+------------+-------+-------+----------+-------+-------+---------+-----------------+-------+---------+---------+--------+----------+
/// | stamp of  | stamp of   | vis., | forms | room for | what  | what  | number  | counts and      | nodes | friends | singles | others | readings |
/// | visibility| last seen  | l. s. | of s, | readings | s.    | f.    | of      | rooms of the    |       | 14 B    | 16 B    | 32 B   | 5 B      |
/// |           |            |       | f     |          | read  | read  | readings| lists of edges  |       |         |         |        |          |
/// +-----------+------------+-------+-------+----------+-------+-------+---------+-----------------+-------+---------+---------+--------+----------+
/// friend: hash 8, stamp 6      single: hash 8, instant 5, flags 1, reading 2      other: hash 8, stamps 6 + 6, flags 1, forms 1, what he read 5, what I read 5
/// ```
/// A user is named by the hash of his id, so the lists are sorted by it, and a look-up is a binary search in each. Nobody is in two of them:
/// - *friends*: who is a friend and nothing else.
/// - *singles*: of whom one write is known, nearly always a block, or one that took an edge back (``SingleEdge``).
/// - *others*: all the rest, who were friends and blocked, or whose block hides both.
///
/// A single names its node by its place among the record's nodes, and what the other could read when he was hidden by its distance from the write:
/// people who block somebody were there a moment ago. What lies farther back is one of the *readings*, in no order; edges that have the same one share it.
struct RelationsRecord {
    static let headerBytes = 64
    static let readingBytes = 5
    /// Nodes whose writes can be singles; those of further ones are others.
    static let maximumNodes = 8
    static let maximumReadings = Int(UInt16.max)
    /// What a change of privacy can add: one more instant for friends and one for all others, read by those from whom it hides and those who stay hidden.
    static let privacyChangeBytes = 4 * readingBytes

    /// The lists of edges, in the order in which they lie behind the head.
    enum List: Int {
        case friends = 0
        case singles
        case others

        var entryBytes: Int {
            switch self {
            case .friends: 14
            case .singles: 16
            case .others: 32
            }
        }
    }

    /// How many entries each part has, or has room for.
    struct Sizes: Hashable {
        var friends = 0
        var singles = 0
        var others = 0
        var readings = 0

        /// What a block with these rooms takes.
        var byteCount: Int {
            headerBytes + friends * List.friends.entryBytes + singles * List.singles.entryBytes
                + others * List.others.entryBytes + readings * readingBytes
        }

        subscript(list: List) -> Int {
            switch list {
            case .friends: friends
            case .singles: singles
            case .others: others
            }
        }
    }

    let address: UnsafeMutableRawPointer

    init(_ address: UnsafeMutableRawPointer) { self.address = address }

    /// A block without edges, with room for so many.
    static func make(_ rooms: Sizes = Sizes()) -> RelationsRecord {
        let record = RelationsRecord(.allocate(byteCount: rooms.byteCount, alignment: 8))
        record.address.initializeMemory(as: UInt8.self, repeating: 0, count: headerBytes)
        record.rooms = rooms
        return record
    }

    var byteCount: Int { rooms.byteCount }

    func destroy() { address.deallocate() }

    /// A copy with other rooms, into which all that is here fits. This one is the caller's to destroy.
    func copy(_ rooms: Sizes) -> RelationsRecord {
        let copy = RelationsRecord.make(rooms)
        copy.address.copyMemory(from: address, byteCount: RelationsRecord.headerBytes)
        copy.rooms = rooms
        for list in [List.friends, .singles, .others] where count(list) > 0 {
            copy.entry(list, 0).copyMemory(from: entry(list, 0), byteCount: count(list) * list.entryBytes)
        }
        if readingCount > 0 {
            copy.reading(0).copyMemory(from: reading(0), byteCount: readingCount * RelationsRecord.readingBytes)
        }
        return copy
    }

    /// Asks for the head and the first edges; behind four lines the processor reads on by itself.
    @inline(__always)
    func prefetch() {
        for offset in stride(from: 0, to: 256, by: 64) { presence_prefetch(address + offset) }
    }

    // MARK: Privacy

    func privacy(near now: Timestamp) -> Privacy {
        let forms = byte(17)
        var privacy = Privacy()
        privacy.visibility = Visibility(rawValue: byte(16) & 15) ?? .nobody
        privacy.lastSeen = LastSeenVisibility(rawValue: byte(16) >> 4) ?? .nobody
        privacy.strangersRead = RelationsRecord.load(form: forms & 15, address + 20, near: now)
        privacy.friendsRead = RelationsRecord.load(form: forms >> 4, address + 25, near: now)
        return privacy
    }

    func store(_ privacy: Privacy) {
        let strangers = RelationsRecord.store(privacy.strangersRead, address + 20)
        let friends = RelationsRecord.store(privacy.friendsRead, address + 25)
        address.storeBytes(
            of: privacy.visibility.rawValue | privacy.lastSeen.rawValue << 4, toByteOffset: 16, as: UInt8.self)
        address.storeBytes(of: strangers | friends << 4, toByteOffset: 17, as: UInt8.self)
    }

    /// Takes over what another record says of privacy.
    func storePrivacy(of other: RelationsRecord) {
        address.copyMemory(from: other.address, byteCount: 18)
        (address + 20).copyMemory(from: other.address + 20, byteCount: 10)
    }

    var visibilityStamp: Stamp {
        get { Stamp(rawValue: address.loadUnaligned(as: UInt64.self)) }
        nonmutating set { address.storeBytes(of: newValue.rawValue, as: UInt64.self) }
    }

    var lastSeenStamp: Stamp {
        get { Stamp(rawValue: address.loadUnaligned(fromByteOffset: 8, as: UInt64.self)) }
        nonmutating set { address.storeBytes(of: newValue.rawValue, toByteOffset: 8, as: UInt64.self) }
    }

    // MARK: Reading edges

    /// Edges of all lists, those included that ended.
    var edgeCount: Int { count(.friends) + count(.singles) + count(.others) }

    /// Edges that hold, and those that ended.
    ///
    /// - Complexity: O(singles + others).
    var edgeCounts: (holding: Int, ended: Int) {
        var ended = 0
        for index in 0..<count(.singles) where !holds(single: index) { ended += 1 }
        for index in 0..<count(.others) where !holds(other: index) { ended += 1 }
        return (edgeCount - ended, ended)
    }

    /// How he stands to the user of that hash; nil if he never said anything of him.
    func relation(to hash: UInt64, near now: Timestamp) -> Relation? {
        let friend = place(of: hash, in: .friends)
        if friend.isFound { return relation(.friends, friend.index, near: now) }
        let single = place(of: hash, in: .singles)
        if single.isFound { return relation(.singles, single.index, near: now) }
        let other = place(of: hash, in: .others)
        return other.isFound ? relation(.others, other.index, near: now) : nil
    }

    /// Calls `body` with the hash of everyone of whom he says something.
    func forEach(near now: Timestamp, _ body: (UInt64, Relation) -> Void) {
        for index in 0..<count(.friends) { body(hash(.friends, index), relation(.friends, index, near: now)) }
        for index in 0..<count(.singles) { body(hash(.singles, index), relation(.singles, index, near: now)) }
        for index in 0..<count(.others) { body(hash(.others, index), relation(.others, index, near: now)) }
    }

    /// The same in the order of the hashes.
    func forEachByHash(near now: Timestamp, _ body: (UInt64, Relation) -> Void) {
        let counts = counts
        var (friend, single, other) = (0, 0, 0)
        while friend + single + other < counts.friends + counts.singles + counts.others {
            // A list that is through has the greatest hash there is, and is not asked.
            let friendHash = friend < counts.friends ? hash(.friends, friend) : .max
            let singleHash = single < counts.singles ? hash(.singles, single) : .max
            let otherHash = other < counts.others ? hash(.others, other) : .max
            if friend < counts.friends, friendHash <= singleHash, friendHash <= otherHash {
                body(friendHash, relation(.friends, friend, near: now))
                friend += 1
            } else if single < counts.singles, singleHash <= otherHash {
                body(singleHash, relation(.singles, single, near: now))
                single += 1
            } else {
                body(otherHash, relation(.others, other, near: now))
                other += 1
            }
        }
    }

    // MARK: Changing edges

    /// The rooms with which that relation can be stored: those that there are, where they suffice. If not, the lists are copied anyway, and what has become
    /// too large becomes smaller.
    ///
    /// Friends get an eighth more than they need, which makes at most 16 bytes of their 14; others too. Singles get none: they have their 16.
    func rooms(toStore relation: Relation, to hash: UInt64) -> Sizes {
        let target: List
        var readings = rooms.readings
        if relation.isPlain {
            target = .friends
        } else if let single = SingleEdge(relation), hasRoom(forNode: single.stamp.node),
            let room = readingRoom(for: single)
        {
            target = .singles
            readings = room
        } else {
            target = .others
        }
        let isNew = !place(of: hash, in: target).isFound
        guard isNew && count(target) == rooms[target] || readings != rooms.readings else { return rooms }
        func room(_ list: List) -> Int {
            let spare = list == .singles ? 0 : count(list) / 8
            return list == target && isNew ? count(list) + max(1, spare) : min(rooms[list], count(list) + spare)
        }
        return Sizes(friends: room(.friends), singles: room(.singles), others: room(.others), readings: readings)
    }

    /// The room of readings with which a single can be stored; nil if there may be no more of them.
    private func readingRoom(for single: SingleEdge) -> Int? {
        let room = rooms.readings
        guard let instant = single.distantReading, readingPlace(of: instant) == nil, readingCount == room else {
            return room
        }
        dropUnusedReadings()
        if readingCount < room { return room }
        return room < RelationsRecord.maximumReadings ? room + 1 : nil
    }

    /// Writes how he stands to the user of that hash. There must be the rooms for it.
    func store(_ relation: Relation, to hash: UInt64) {
        let encoded = relation.isPlain ? nil : SingleEdge(relation).flatMap { encode($0, to: hash) }
        let list: List = relation.isPlain ? .friends : encoded == nil ? .others : .singles
        for other in [List.friends, .singles, .others] where other != list { remove(hash, from: other) }
        let place = place(of: hash, in: list)
        if !place.isFound { open(list, at: place.index) }
        let entry = entry(list, place.index)
        entry.storeBytes(of: hash, as: UInt64.self)
        if let encoded {
            write(encoded, to: entry)
        } else if list == .friends {
            write(relation.friendStamp, to: entry + 8)
        } else {
            write(relation, to: entry)
        }
    }

    /// A single as its entry has it, its node and its reading entered where they are new; nil if there is no room for one of the three.
    private func encode(_ single: SingleEdge, to hash: UInt64) -> SingleEdge.Encoded? {
        guard count(.singles) < rooms.singles || place(of: hash, in: .singles).isFound,
            hasRoom(forNode: single.stamp.node)
        else { return nil }
        guard let instant = single.distantReading else {
            return single.encoded(node: enter(node: single.stamp.node), reading: nil)
        }
        if let place = readingPlace(of: instant) {
            return single.encoded(node: enter(node: single.stamp.node), reading: place)
        }
        guard readingCount < rooms.readings else { return nil }
        append(reading: instant)
        return single.encoded(node: enter(node: single.stamp.node), reading: readingCount - 1)
    }

    /// Forgets the edge that ended first; false if none has.
    func dropOldestEnded(near now: Timestamp) -> Bool {
        var oldest: (hash: UInt64, list: List, at: Timestamp)?
        func consider(_ list: List, _ index: Int) {
            let relation = relation(list, index, near: now)
            let at = max(relation.friendStamp.at, relation.blockStamp.at)
            if at < oldest?.at ?? .distantFuture { oldest = (hash(list, index), list, at) }
        }
        for index in 0..<count(.singles) where !holds(single: index) { consider(.singles, index) }
        for index in 0..<count(.others) where !holds(other: index) { consider(.others, index) }
        guard let oldest else { return false }
        remove(oldest.hash, from: oldest.list)
        return true
    }
}

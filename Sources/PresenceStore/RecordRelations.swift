import CPrefetch
import Presence

/// What a user set of his privacy, and his edges: a block outside the slabs, of those users alone who have any.
/// ```
///  0           8            16      17      18      20      25      32                48                 64
/// +-----------+------------+-------+-------+-------+-------+-------+-----------------+------------------+---------+-------+
/// | stamp of  | stamp of   | vis., | forms | mixed | what  | what  | counts and      | nodes, at most   | friends | edges |
/// | visibility| last seen  | l. s. | of s, |       | s.    | f.    | rooms of the    | 15               | 14 B    | 16 B  |
/// |           |            |       | f     |       | read  | read  | lists           |                  |         |       |
/// +-----------+------------+-------+-------+-------+-------+-------+-----------------+------------------+---------+-------+
/// friend: hash 8, stamp 6      edge: hash 8, what it says 8 (EdgeEntry)
/// ```
/// A user is named by the hash of his id, so the lists are sorted by it, and a look-up is a binary search in each:
/// - *friends*: who is a friend.
/// - *edges*: whom the user blocked, and writes that took an edge back; entries of one other stand side by side. Somebody can be in both lists: a friend
///   who is or was blocked. Byte 18 is 1 if that may be so of any.
///
/// An edge names its node by its place among the record's nodes.
struct RelationsRecord {
    static let headerBytes = 64

    /// The lists of edges, in the order in which they lie behind the head.
    enum List: Int, CaseIterable {
        case friends = 0
        case edges

        @inline(__always)
        var entryBytes: Int { self == .friends ? 14 : 16 }
    }

    /// How many entries each list has, or has room for.
    struct Sizes: Hashable {
        var friends = 0
        var edges = 0

        /// What a block with these rooms takes.
        var byteCount: Int {
            headerBytes + friends * List.friends.entryBytes + edges * List.edges.entryBytes
        }

        subscript(list: List) -> Int { list == .friends ? friends : edges }
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
        for list in List.allCases where count(list) > 0 {
            copy.entry(list, 0).copyMemory(from: entry(list, 0), byteCount: count(list) * list.entryBytes)
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
        privacy.visibility = visibility
        privacy.lastSeen = LastSeenVisibility(rawValue: byte(16) >> 4) ?? .nobody
        privacy.strangersRead = RelationsRecord.load(form: forms & 15, address + 20, near: now)
        privacy.friendsRead = RelationsRecord.load(form: forms >> 4, address + 25, near: now)
        return privacy
    }

    /// Who may see that he is here.
    @inline(__always)
    var visibility: Visibility { Visibility(rawValue: byte(16) & 15) ?? .nobody }

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

    /// Whether he says anything of anybody.
    var hasEdges: Bool { count(.friends) + count(.edges) > 0 }

    /// Those of whom he says something, and those included with whom that ended.
    ///
    /// - Complexity: O(edges), not counting friends.
    var edgeCount: Int {
        let counts = edgeCounts
        return counts.holding + counts.ended
    }

    /// Whom he names a friend or blocked, each once; and those of whom he said something that ended.
    ///
    /// - Complexity: O(edges), not counting friends.
    var edgeCounts: (holding: Int, ended: Int) {
        var counts = (holding: count(.friends), ended: 0)
        var index = 0
        while index < count(.edges) {
            let hash = hash(.edges, index)
            var holds = false
            while index < count(.edges), self.hash(.edges, index) == hash {
                holds = holds || edge(index).holds
                index += 1
            }
            if mayBeMixed, place(of: hash, in: .friends).isFound { continue }
            if holds { counts.holding += 1 } else { counts.ended += 1 }
        }
        return counts
    }

    /// How he stands to the user of that hash; nil if he never said anything of him.
    ///
    /// - Complexity: O(log edges).
    func relation(to hash: UInt64, near now: Timestamp) -> Relation? {
        var relation = Relation()
        let friend = place(of: hash, in: .friends)
        if friend.isFound {
            enterFriend(at: friend.index, into: &relation, near: now)
            guard mayBeMixed else { return relation }
        }
        let edge = place(of: hash, in: .edges)
        if edge.isFound { _ = enterEdges(of: hash, at: edge.index, into: &relation, near: now) }
        return friend.isFound || edge.isFound ? relation : nil
    }

    /// Whether he is hidden from the user of that hash: as `relation` and `privacy` say it, without the instants that they read, and friends are looked
    /// through only where it is for them alone that he is here.
    ///
    /// - Parameter standing: how he stands to that user but for what is known here.
    /// - Complexity: O(log edges).
    @inline(__always)
    func hides(from hash: UInt64, _ standing: Standing) -> Bool {
        var standing = standing
        let visibility = visibility
        if visibility == .friends { standing.isFriend = place(of: hash, in: .friends).isFound }
        let edge = place(of: hash, in: .edges)
        if edge.isFound {
            for index in edge.index..<count(.edges) {
                guard self.hash(.edges, index) == hash else { break }
                let entry = self.edge(index)
                guard entry.holds else { continue }
                if entry.isBlock { standing.isBlocked = true } else { standing.isFriend = true }
            }
        }
        return visibility.rule(standing).hides
    }

    /// Calls `body` with the hash of everyone of whom he says something, in the order of the hashes.
    func forEach(near now: Timestamp, _ body: (UInt64, Relation) -> Void) {
        let counts = counts
        var (friend, edge) = (0, 0)
        while friend < counts.friends || edge < counts.edges {
            let friendHash = friend < counts.friends ? self.hash(.friends, friend) : nil
            let edgeHash = edge < counts.edges ? self.hash(.edges, edge) : nil
            let hash = min(friendHash ?? .max, edgeHash ?? .max)
            var relation = Relation()
            if friendHash == hash {
                enterFriend(at: friend, into: &relation, near: now)
                friend += 1
            }
            if edgeHash == hash { edge = enterEdges(of: hash, at: edge, into: &relation, near: now) }
            body(hash, relation)
        }
    }

    // MARK: Changing edges

    /// The rooms with which that relation can be stored: those that there are, where they suffice. If not, the lists are copied anyway, and what has become
    /// too large becomes smaller.
    ///
    /// Friends get an eighth more than they need, which makes at most 16 bytes of their 14. The other list gets no more: its entries have their 16.
    func rooms(toStore relation: Relation, to hash: UInt64) -> Sizes {
        let entries = entries(for: relation)
        let friend = place(of: hash, in: .friends)
        let edge = place(of: hash, in: .edges)
        let old = edge.isFound ? edgeCount(of: hash, at: edge.index) : 0
        let friends = count(.friends) - (friend.isFound ? 1 : 0) + (entries.friend == nil ? 0 : 1)
        let needed = Sizes(friends: friends, edges: count(.edges) - old + entries.count)
        guard needed.friends > rooms.friends || needed.edges > rooms.edges else { return rooms }
        func room(_ list: List) -> Int {
            let spare = list == .friends ? needed.friends / 8 : 0
            return needed[list] > rooms[list]
                ? needed[list] + spare : min(rooms[list], max(needed[list], count(list)) + spare)
        }
        return Sizes(friends: room(.friends), edges: room(.edges))
    }

    /// Writes how he stands to the user of that hash. There must be the rooms for it.
    func store(_ relation: Relation, to hash: UInt64) {
        let entries = entries(for: relation)
        let friend = place(of: hash, in: .friends)
        resize(.friends, at: friend.index, from: friend.isFound ? 1 : 0, to: entries.friend == nil ? 0 : 1)
        if let stamp = entries.friend { write(hash, stamp, at: friend.index) }
        let edge = place(of: hash, in: .edges)
        let old = edge.isFound ? edgeCount(of: hash, at: edge.index) : 0
        resize(.edges, at: edge.index, from: old, to: entries.count)
        var index = edge.index
        entries.forEach {
            write(hash, $0, at: index)
            index += 1
        }
        if entries.friend != nil, entries.count > 0 { setMayBeMixed() }
    }

    /// The entries of a relation, whose nodes have their places then.
    private func entries(for relation: Relation) -> RelationEntries {
        RelationEntries(relation, place: enter(node:))
    }

    /// Those that ended before an instant, and keep nothing of what was read, which is all that they could be needed for then.
    ///
    /// - Complexity: O(edges).
    func forgettableCount(endedBefore instant: Timestamp, near now: Timestamp) -> Int {
        var count = 0
        forEach(near: now) { if $1.isForgettable(endedBefore: instant) { count += 1 } }
        return count
    }

    /// Forgets of these the one that ended first; false if there is none.
    ///
    /// - Complexity: O(edges).
    func forgetEnded(before instant: Timestamp, near now: Timestamp) -> Bool {
        var oldest: (hash: UInt64, at: Timestamp)?
        forEach(near: now) { hash, relation in
            guard relation.isForgettable(endedBefore: instant) else { return }
            if relation.lastWrite < oldest?.at ?? .distantFuture { oldest = (hash, relation.lastWrite) }
        }
        guard let oldest else { return false }
        // Who is a friend has not ended.
        let edge = place(of: oldest.hash, in: .edges)
        resize(.edges, at: edge.index, from: edgeCount(of: oldest.hash, at: edge.index), to: 0)
        return true
    }
}

extension Relation {
    /// When something was last said of the other.
    fileprivate var lastWrite: Timestamp { max(friendStamp.at, blockStamp.at) }

    /// Whether it ended before an instant, and keeps nothing of what was read.
    fileprivate func isForgettable(endedBefore instant: Timestamp) -> Bool {
        hasEnded && read == nil && othersRead == nil && lastWrite < instant
    }
}

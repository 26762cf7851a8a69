import Presence

/// The entries that one relation takes in a record.
///
/// A friend takes one of the friends' list; a block one of sixteen bytes, and so does an edge that ended, or a friend for whom an instant of his own is kept.
/// Who is friend and was blocked has one of each. Two cases take sixteen bytes more: a block of a store that hides both, which hides two ways, and an instant
/// that neither write has room for (see `docs/decisions/0014-relations.md`).
struct RelationEntries {
    /// Of the friends' list.
    private(set) var friend: EdgeStamp?
    private var friendship: EdgeEntry?
    private var block: EdgeEntry?
    private var read: EdgeEntry?
    private var othersRead: EdgeEntry?

    /// Entries for a relation; one that says nothing has one, too.
    ///
    /// - Parameter place: the place of a node in the record, 0 to 14; nil if there is none for it. Asked for the same node again it answers the same.
    init(_ relation: Relation, place: (UInt8) -> Int?) {
        let saysBlock = relation.isBlocked || relation.blockStamp != .zero
        let saysFriendship = relation.isFriend || relation.friendStamp != .zero || !saysBlock
        var rest = relation.read
        if saysBlock {
            let place = place(relation.blockStamp.node)
            func entry(_ read: LastSeen?) -> EdgeEntry? {
                EdgeEntry(isBlock: true, holds: relation.isBlocked, relation.blockStamp, read: read, place: place)
            }
            block = entry(rest)
            if block != nil { rest = nil } else { block = entry(nil) }
        }
        if saysFriendship, !relation.isFriend || rest != nil {
            let place = place(relation.friendStamp.node)
            func entry(_ read: LastSeen?) -> EdgeEntry? {
                EdgeEntry(isBlock: false, holds: relation.isFriend, relation.friendStamp, read: read, place: place)
            }
            friendship = entry(rest)
            if friendship != nil { rest = nil } else if !relation.isFriend { friendship = entry(nil) }
        }
        if relation.isFriend, friendship == nil { friend = relation.friendStamp }
        if let rest { read = EdgeEntry(rest, isOthers: false) }
        if let mine = relation.othersRead { othersRead = EdgeEntry(mine, isOthers: true) }
    }

    /// Those of sixteen bytes.
    var count: Int {
        (friendship == nil ? 0 : 1) + (block == nil ? 0 : 1) + (read == nil ? 0 : 1) + (othersRead == nil ? 0 : 1)
    }

    /// Calls `body` with those of sixteen bytes.
    func forEach(_ body: (EdgeEntry) -> Void) {
        if let friendship { body(friendship) }
        if let block { body(block) }
        if let read { body(read) }
        if let othersRead { body(othersRead) }
    }
}

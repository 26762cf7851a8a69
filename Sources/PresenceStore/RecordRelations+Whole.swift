import Presence

/// All edges of a user at once, and the entries that each gets: what a record of them takes is known before it is made.
///
/// - Complexity: O(edges) to make, and to make a record of.
struct RelationsPlan {
    fileprivate private(set) var nodes: [UInt8]
    fileprivate private(set) var friends: [(hash: UInt64, stamp: EdgeStamp)] = []
    fileprivate private(set) var edges: [(hash: UInt64, entry: EdgeEntry)] = []
    /// Whether somebody is in both lists.
    fileprivate private(set) var isMixed = false

    /// A plan for these relations.
    ///
    /// - Parameters:
    ///   - relations: those that he says something of, in ascending order of their hashes.
    ///   - nodes: nodes that keep their places.
    init(_ relations: [(hash: UInt64, relation: Relation)], nodes: [UInt8] = []) {
        self.nodes = nodes
        var places = nodes
        for (hash, relation) in relations {
            let entries = RelationEntries(relation) { node in
                if let place = places.firstIndex(of: node) { return place }
                guard node != 0, places.count < EdgeEntry.places else { return nil }
                places.append(node)
                return places.count - 1
            }
            if let stamp = entries.friend { friends.append((hash, stamp)) }
            entries.forEach { edges.append((hash, $0)) }
            if entries.friend != nil, entries.count > 0 { isMixed = true }
        }
        self.nodes = places
    }

    /// The rooms that all of it fills.
    var sizes: RelationsRecord.Sizes { RelationsRecord.Sizes(friends: friends.count, edges: edges.count) }
}

extension RelationsRecord {
    /// A block that a plan fills, with nothing said of privacy.
    static func make(_ plan: RelationsPlan) -> RelationsRecord {
        let record = make(plan.sizes)
        for node in plan.nodes { _ = record.enter(node: node) }
        record.resize(.friends, at: 0, from: 0, to: plan.friends.count)
        for index in plan.friends.indices {
            record.write(plan.friends[index].hash, plan.friends[index].stamp, at: index)
        }
        record.resize(.edges, at: 0, from: 0, to: plan.edges.count)
        for index in plan.edges.indices { record.write(plan.edges[index].hash, plan.edges[index].entry, at: index) }
        if plan.isMixed { record.setMayBeMixed() }
        return record
    }

    /// A plan of the same edges after a change of what those read from whom the user is hidden; nil if it changes nothing.
    ///
    /// Friends who are nothing else are not asked for: what they read is kept with the privacy.
    func plan(near now: Timestamp, _ change: (inout Relation) -> Void) -> RelationsPlan? {
        guard count(.edges) > 0 else { return nil }
        var relations: [(hash: UInt64, relation: Relation)] = []
        relations.reserveCapacity(count(.friends) + count(.edges))
        var hasChanged = false
        forEach(near: now) { hash, relation in
            var new = relation
            if !relation.isPlain { change(&new) }
            hasChanged = hasChanged || new != relation
            relations.append((hash, new))
        }
        return hasChanged ? RelationsPlan(relations, nodes: nodesInUse) : nil
    }
}

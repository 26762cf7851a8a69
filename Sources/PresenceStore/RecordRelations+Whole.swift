import Presence

/// All edges of a user at once, and the form that each gets: what a record of them takes is known before it is made.
///
/// - Complexity: O(edges) to make, and to make a record of.
struct RelationsPlan {
    fileprivate enum Form {
        case friend(EdgeStamp)
        case single(SingleEdge.Encoded)
        case other(Relation)
    }

    /// The rooms that all of it fills.
    private(set) var sizes = RelationsRecord.Sizes()
    fileprivate private(set) var nodes: [UInt8]
    fileprivate private(set) var readings: [Timestamp] = []
    fileprivate private(set) var edges: [(hash: UInt64, form: Form)] = []

    /// A plan for these edges.
    ///
    /// - Parameters:
    ///   - edges: those that he says something of, in ascending order of their hashes.
    ///   - nodes: nodes that keep their places.
    init(_ edges: [(hash: UInt64, relation: Relation)], nodes: [UInt8] = []) {
        self.nodes = nodes
        self.edges.reserveCapacity(edges.count)
        var places: [Timestamp: Int] = [:]
        for edge in edges { self.edges.append((edge.hash, form(of: edge.relation, &places))) }
        sizes.readings = readings.count
    }

    private mutating func form(of relation: Relation, _ places: inout [Timestamp: Int]) -> Form {
        if relation.isPlain {
            sizes.friends += 1
            return .friend(relation.friendStamp)
        }
        if let single = SingleEdge(relation), let encoded = encode(single, &places) {
            sizes.singles += 1
            return .single(encoded)
        }
        sizes.others += 1
        return .other(relation)
    }

    private mutating func encode(_ single: SingleEdge, _ places: inout [Timestamp: Int]) -> SingleEdge.Encoded? {
        let known = nodes.firstIndex(of: single.stamp.node)
        guard known != nil || nodes.count < RelationsRecord.maximumNodes else { return nil }
        var reading: Int?
        if let instant = single.distantReading {
            reading = places[instant]
            if reading == nil {
                guard readings.count < RelationsRecord.maximumReadings else { return nil }
                reading = readings.count
                places[instant] = readings.count
                readings.append(instant)
            }
        }
        if known == nil { nodes.append(single.stamp.node) }
        return single.encoded(node: known ?? nodes.count - 1, reading: reading)
    }
}

extension RelationsRecord {
    /// A block that a plan fills, with nothing said of privacy.
    static func make(_ plan: RelationsPlan) -> RelationsRecord {
        let record = make(plan.sizes)
        for node in plan.nodes { _ = record.enter(node: node) }
        for instant in plan.readings { record.append(reading: instant) }
        for (hash, form) in plan.edges {
            switch form {
            case .friend(let stamp): record.write(stamp, to: record.append(hash, to: .friends) + 8)
            case .single(let single): record.write(single, to: record.append(hash, to: .singles))
            case .other(let relation): record.write(relation, to: record.append(hash, to: .others))
            }
        }
        return record
    }

    /// A plan of the same edges after a change of what those read from whom the user is hidden; nil if it changes nothing.
    ///
    /// Friends who are nothing else are not asked for: what they read is kept with the privacy.
    func plan(near now: Timestamp, _ change: (inout Relation) -> Void) -> RelationsPlan? {
        guard count(.singles) + count(.others) > 0 else { return nil }
        var edges: [(hash: UInt64, relation: Relation)] = []
        edges.reserveCapacity(edgeCount)
        var hasChanged = false
        forEachByHash(near: now) { hash, relation in
            var new = relation
            if !relation.isPlain { change(&new) }
            hasChanged = hasChanged || new != relation
            edges.append((hash, new))
        }
        return hasChanged ? RelationsPlan(edges, nodes: nodesInUse) : nil
    }
}

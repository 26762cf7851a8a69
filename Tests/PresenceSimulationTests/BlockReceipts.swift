import Presence

@testable import PresenceStore

/// Which blocks each node has received, remembered apart from it: from then on it shows nothing to whoever is blocked, also if it lost the edge again, until
/// somebody writes an unblock that is newer.
struct BlockReceipts {
    struct Edge: Hashable {
        let user: String
        let other: String
    }

    /// The newest write of each edge, wherever it was done.
    private var newest: [Edge: (stamp: EdgeStamp, isBlocked: Bool)] = [:]
    /// The blocks that a node, by its place, is yet to receive, and those that it has.
    private var awaited: [Int: Set<Edge>] = [:]
    private var received: [Int: [Edge: EdgeStamp]] = [:]

    /// Somebody wrote an edge at a node.
    mutating func wrote(_ user: String, _ other: String, at node: SimulatedNode, of nodes: [SimulatedNode]) {
        let edge = Edge(user: user, other: other)
        guard let written = node.relation(edge), written.blockStamp != .zero,
            newest[edge].map({ $0.stamp < written.blockStamp }) ?? true
        else { return }
        newest[edge] = (written.blockStamp, written.isBlocked)
        for node in nodes {
            received[node.index]?[edge] = nil
            if written.isBlocked {
                awaited[node.index, default: []].insert(edge)
            } else {
                awaited[node.index]?.remove(edge)
            }
        }
        take(at: node)
    }

    /// A node may have received some.
    mutating func take(at node: SimulatedNode) {
        guard let edges = awaited[node.index], !edges.isEmpty else { return }
        for edge in edges {
            guard let written = newest[edge], let known = node.relation(edge), known.isBlocked,
                known.blockStamp >= written.stamp
            else { continue }
            awaited[node.index]?.remove(edge)
            received[node.index, default: [:]][edge] = written.stamp
        }
    }

    /// A node begins anew, with nothing.
    mutating func forget(_ node: SimulatedNode) {
        for edge in (received[node.index] ?? [:]).keys { awaited[node.index, default: []].insert(edge) }
        received[node.index] = [:]
    }

    /// Edges whose block a node has received and shows all the same.
    func leaks(at node: SimulatedNode) -> [Edge] {
        let now = node.clock.now()
        return (received[node.index] ?? [:]).keys.filter {
            node.store.view(of: $0.user.utf8.span, for: $0.other.utf8.span, at: now).status != .offline
        }.sorted { ($0.user, $0.other) < ($1.user, $1.other) }
    }

    /// The blocks that a node has received.
    func blocks(at node: SimulatedNode) -> [Edge] {
        (received[node.index] ?? [:]).keys.sorted { ($0.user, $0.other) < ($1.user, $1.other) }
    }
}

extension SimulatedNode {
    /// What it knows of how a user stands to another one.
    fileprivate func relation(_ edge: BlockReceipts.Edge) -> Relation? {
        guard let image = store.image(of: edge.user.utf8.span, at: clock.now()),
            let facts = try? UserImage.facts(in: image.span)
        else { return nil }
        return facts.edges[store.userHash(edge.other.utf8.span)]
    }
}

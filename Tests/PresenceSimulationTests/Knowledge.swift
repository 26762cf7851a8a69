import Presence
import PresenceTesting

/// What each node can know of what was done: what it took itself, and what came to it over links that were open.
///
/// A node that is cut off shows what was true; that is no fault of it. So of what is shown otherwise than it is, this tells apart what a node could not know.
/// It is generous in nothing else: what a node can know it is to show, once the wait for the word of a session's home is over.
///
/// A deed comes over the link from the node that took it. By others it is passed on where digests are compared, or by a copy; a flush at once. What a node took
/// is lost with its memory, if nobody else had it by then.
struct Knowledge {
    private struct Entry {
        let deed: Deed
        /// The nodes that can know it, one a bit.
        var known: UInt64
        /// When each session was opened, as far as the node could know that took this: nobody ends what he does not know of.
        let opened: [String: Int64]
    }

    /// What a node can know of a user.
    private struct Picture {
        var model: SlowModel
        var opened: [String: Int64] = [:]
        /// Sessions that somebody ended. A heartbeat of another node that had not heard of it opens none again.
        var ended: Set<String> = []
        /// The entries that were looked at.
        var count = 0
    }

    /// Two nodes, the first of which can tell the second.
    private struct Way {
        let from: Int
        let to: Int
        /// Whether the link has been open for long enough to bring what was done just now.
        let isSteady: Bool
        /// Whether digests were compared since it was opened.
        let isCompared: Bool
        /// Whether the second has just copied all that the first knows.
        let isCopied: Bool
    }

    /// What comes over an open link has come after so many milliseconds: twice the longest way, and ticks at both ends.
    private static let delay: Int64 = 500
    /// What differs between two nodes is found and mended within so many.
    private static let comparison: Int64 = 6_000
    /// Why a node may show what is over for so many: the margin behind a deadline, and late timers.
    private static let patience = Simulation.margin + 500

    private let fresh: SlowModel
    private var entries: [String: [Entry]]
    /// By node and user.
    private var pictures: [Int: [String: Picture]] = [:]
    /// Since when two nodes are linked, in milliseconds, by both.
    private var linked: [[Int]: Int64] = [:]
    /// Nodes that have copied what there was.
    private var ready: Set<Int> = []
    /// When a node last showed of a user what is so or what it can know, in milliseconds, by node and user.
    private var agreed: [Int: [String: Int64]] = [:]

    init(users: [String], _ policy: Policy) {
        fresh = SlowModel(at: Timestamp(milliseconds: 0), policy: policy)
        entries = Dictionary(uniqueKeysWithValues: users.map { ($0, []) })
    }

    // MARK: - What happens

    /// A node took something.
    mutating func take(_ deed: Deed) {
        for user in deed.user.map({ [$0] }) ?? entries.keys.sorted() {
            let opened = picture(of: user, at: deed.node).opened
            entries[user]?.append(Entry(deed: deed, known: 1 << UInt64(deed.node), opened: opened))
        }
    }

    /// A node begins anew, with nothing.
    mutating func forget(_ node: Int) {
        for user in entries.keys {
            for index in entries[user, default: []].indices { entries[user]?[index].known &= ~(1 << UInt64(node)) }
        }
        pictures[node] = nil
        agreed[node] = nil
        ready.remove(node)
    }

    /// Nodes that are linked tell each other.
    mutating func spread(in simulation: Simulation) {
        let now = simulation.milliseconds
        let ways = ways(in: simulation)
        let everybody: UInt64 = 1 << UInt64(simulation.nodes.count) - 1
        for user in entries.keys {
            guard var list = entries[user] else { continue }
            for index in list.indices where list[index].known != everybody {
                for way in ways where tells(way, list[index], now) {
                    list[index].known |= 1 << UInt64(way.to)
                    // Something of before is known now.
                    if let picture = pictures[way.to]?[user], index < picture.count { pictures[way.to]?[user] = nil }
                }
            }
            entries[user] = list
        }
    }

    private mutating func ways(in simulation: Simulation) -> [Way] {
        let now = simulation.milliseconds
        var ways: [Way] = []
        for from in simulation.nodes.indices {
            for to in simulation.nodes.indices where from != to {
                guard simulation.areLinked(from, to) else {
                    linked[[from, to]] = nil
                    continue
                }
                let since = linked[[from, to]] ?? now
                linked[[from, to]] = since
                ways.append(
                    Way(
                        from: from, to: to, isSteady: now - since >= Knowledge.delay,
                        isCompared: now - since >= Knowledge.comparison,
                        isCopied: simulation.nodes[to].replicator.isReady && !ready.contains(to)))
            }
        }
        for node in simulation.nodes where node.isUp && node.replicator.isReady { ready.insert(node.index) }
        return ways
    }

    private func tells(_ way: Way, _ entry: Entry, _ now: Int64) -> Bool {
        guard entry.known & 1 << UInt64(way.from) != 0, entry.known & 1 << UInt64(way.to) == 0 else { return false }
        if way.isCopied { return true }
        let age = now - entry.deed.at
        guard way.isSteady, age >= Knowledge.delay else { return false }
        if case .removeAll = entry.deed.kind { return true }
        return entry.deed.node == way.from || way.isCompared && age >= Knowledge.comparison
    }

    // MARK: - What is asked

    /// A node shows of a user what is so.
    mutating func agree(_ user: String, at node: Int, _ milliseconds: Int64) {
        agreed[node, default: [:]][user] = milliseconds
    }

    /// Why a node shows otherwise of a user than it is.
    mutating func cause(of shown: Status, _ user: String, at node: SimulatedNode, _ milliseconds: Int64)
        -> Accuracy.Cause
    {
        let index = node.index
        var picture = picture(of: user, at: index)
        picture.model.goOn(to: milliseconds)
        if picture.model.status(of: SlowModel.Name(user)) == shown {
            agree(user, at: index, milliseconds)
            return .unknown(reason(user, index))
        }
        if milliseconds - (agreed[index]?[user] ?? .min / 2) <= Knowledge.patience { return .awaited("margin") }
        let hold = node.stallHold + Knowledge.patience
        return milliseconds - node.resumedAt <= hold ? .awaited("held after a stop") : .known
    }

    private func reason(_ user: String, _ node: Int) -> String {
        let unknown = (entries[user] ?? []).filter { $0.known & 1 << UInt64(node) == 0 }
        if unknown.isEmpty { return "ended beyond a cut, before its client heard of it" }
        return unknown.allSatisfy { $0.known == 0 } ? "lost with a node" : "cut off, or not copied yet"
    }

    /// What a node can know of a user, at the instant of the last deed that it knows.
    private mutating func picture(of user: String, at node: Int) -> Picture {
        let list = entries[user] ?? []
        var picture = pictures[node]?[user] ?? Picture(model: fresh)
        for entry in list[picture.count...] where entry.known & 1 << UInt64(node) != 0 {
            take(entry, of: user, &picture)
        }
        picture.count = list.count
        pictures[node, default: [:]][user] = picture
        return picture
    }

    private func take(_ entry: Entry, of user: String, _ picture: inout Picture) {
        func isMeant(_ session: String) -> Bool {
            picture.opened[session].map { $0 <= entry.opened[session] ?? -1 } ?? false
        }
        switch entry.deed.kind {
        case .open(let client, _):
            picture.ended.remove(client.session)
            picture.opened[client.session] = entry.deed.at
        case .sign(let client, _, _, _):
            guard !picture.ended.contains(client.session) else { return }
        case .close(let client, _):
            guard isMeant(client.session) else { return }
            picture.ended.insert(client.session)
        case .remove:
            picture.model.goOn(to: entry.deed.at)
            for session in picture.opened.keys.filter(isMeant).sorted() {
                picture.ended.insert(session)
                picture.model.disconnect(SlowModel.Name(user), session: SlowModel.Name(session))
            }
            return
        case .removeAll: picture.ended.formUnion(picture.opened.keys)
        case .set, .lease, .drop: break
        }
        picture.model.take(entry.deed, of: user)
    }
}

extension Simulation {
    /// Whether two nodes are there, and both have a link to the other on which nothing is held back.
    fileprivate func areLinked(_ one: Int, _ other: Int) -> Bool {
        guard nodes[one].isUp, !nodes[one].isPaused, nodes[other].isUp, !nodes[other].isPaused,
            !network.isCut(from: one, to: other), !network.isCut(from: other, to: one)
        else { return false }
        return network.connections.values.contains { connection in
            connection.ends.allSatisfy { end in
                end.link != nil && [one, other].contains(end.node) && hasLink(end.node, end.node == one ? other : one)
            }
        }
    }

    private func hasLink(_ node: Int, _ peer: Int) -> Bool {
        nodes[node].replicator.report(at: nodes[node].now).peers.contains {
            Int($0.node.number) == peer + 1 && $0.linkOpenedAt != nil
        }
    }
}

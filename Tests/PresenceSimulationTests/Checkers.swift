import Presence
import PresenceTesting

@testable import PresenceStore

/// What must hold, whatever is done and whatever goes wrong. Apart from what makes it happen.
struct Checkers {
    private(set) var failures: [String] = []
    /// When the first was seen, in milliseconds.
    private(set) var firstFailure: Int64?
    private(set) var accuracy = Accuracy()
    private var lastLook: Int64 = 0
    /// Whom a node shows wrong that was failed for it already.
    private var reported: Set<Int> = []
    private var announcements: Announcements?

    init(nodes: Int, hearsAll: Bool) {
        if hearsAll { announcements = Announcements(nodes: nodes) }
    }

    mutating func take(_ deed: Deed) { announcements?.take(deed) }

    /// In the end: what was announced at one node and not at another, if no change may be missed.
    mutating func compareAnnouncements(in simulation: Simulation) {
        // What was just done by time is waited for.
        let end = simulation.nodes[0].clock.now().advanced(byMilliseconds: -Simulation.margin - 1_000)
        for missing in announcements?.missing(until: end) ?? [] { fail(simulation, missing) }
    }

    mutating func fail(_ simulation: Simulation, _ text: String) {
        firstFailure = firstFailure ?? simulation.milliseconds
        if failures.count < 20 { failures.append("at \(simulation.milliseconds) ms: \(text)") }
    }

    // MARK: - All the time

    mutating func look(at simulation: Simulation) {
        let elapsed = simulation.milliseconds - lastLook
        lastLook = simulation.milliseconds
        for node in simulation.nodes where node.isUp && !node.isPaused {
            for text in node.listen() { fail(simulation, "n\(node.index + 1): \(text)") }
            switch simulation.scale.outage {
            case .stop: checkEnds(node, simulation, since: node.pausedAt, "stopped")
            case .leave: checkEnds(node, simulation, since: simulation.milliseconds, "which saw others leave")
            case .kill, nil: break
            }
            node.toldOffline = []
            for change in node.announced {
                simulation.trace.add(change, by: node.index)
                announcements?.take(change, by: node.index)
            }
            node.announced = []
            for edge in simulation.receipts.leaks(at: node) {
                fail(
                    simulation,
                    "\(edge.user) is shown to \(edge.other) at n\(node.index + 1), which had received the block")
            }
        }
        simulation.workload.knowledge?.spread(in: simulation)
        for index in simulation.workload.users.indices { look(at: index, simulation, elapsed) }
    }

    private mutating func look(at index: Int, _ simulation: Simulation, _ elapsed: Int64) {
        let user = simulation.workload.users[index]
        let now = simulation.milliseconds
        let clients = simulation.workload.clients(ofUser: index)
        let isSure = now - (simulation.workload.unsure[user] ?? -100_000) > 25_000
        let isLinked = now - simulation.lastTrouble / 1_000_000 > 6_000
        let truth = simulation.workload.truth.status(of: user, at: now)
        for node in simulation.nodes {
            guard node.isUp, !node.isPaused else {
                accuracy.leaveOut(elapsed)
                continue
            }
            let status = node.store.status(of: user.utf8.span, at: node.clock.now())
            checkBlocks(of: user, node, simulation)
            // Nobody is shown live past the hard limit and the margin; what clocks differ by may be added.
            let silence = now - (simulation.workload.lastSign[user] ?? -1_000_000)
            if status != .offline, silence > Simulation.hardLimit + Simulation.margin + 2_500 {
                fail(simulation, "\(user) is \(status) at n\(node.index + 1) after \(silence) ms of silence")
            }
            judge(status, truth, user, index, node, isLinked, simulation, elapsed)
            guard isSure, isVisible(user, node) else { continue }
            let own = clients.filter { $0.isConnected && !$0.isPassive && now - $0.lastBeat < Workload.ttl - 1_500 }
            // Where it beats it is shown.
            let restartedAt = simulation.nodes[node.index].restartedAt
            if status == .offline,
                own.contains(where: {
                    $0.node == node.index && $0.lastBeat > restartedAt && !isStillPassive($0, node)
                })
            {
                fail(simulation, "\(user) beats at n\(node.index + 1) and is offline there")
            }
            // With healthy links it is shown everywhere.
            if isLinked, own.contains(where: { now - $0.since > 6_000 }), status == .offline {
                fail(simulation, "\(user) beats and is offline at n\(node.index + 1), where nothing is wrong")
            }
        }
    }

    /// Whether the node knows the client's session as the passive one that it was before: it was opened anew at a node that was lost before it told anybody.
    private func isStillPassive(_ client: Workload.Client, _ node: SimulatedNode) -> Bool {
        node.store.explain(client.user.utf8.span, for: nil, at: node.clock.now()).sessions
            .contains { $0.id == Array(client.session.utf8) && $0.facts.isPassive }
    }

    /// Compares what a node shows with what is true.
    private mutating func judge(
        _ shown: Status, _ truth: Status, _ user: String, _ index: Int, _ node: SimulatedNode, _ isLinked: Bool,
        _ simulation: Simulation, _ elapsed: Int64
    ) {
        guard node.replicator.isReady else { return accuracy.leaveOut(elapsed) }
        let place = index * simulation.nodes.count + node.index
        if shown == truth { simulation.workload.knowledge?.agree(user, at: node.index, simulation.milliseconds) }
        let wrongFor = accuracy.look(
            shown, true: truth, at: place, elapsed, simulation.milliseconds,
            simulation.workload.knowledge?.cause(of: shown, user, at: node, simulation.milliseconds) ?? .known,
            simulation.matter(with: node, isLinked))
        // With healthy links all show what is true once the word of a session's home is not waited for any more. Where clocks differ, of two writes at one
        // instant another one may be the last; and what a node had not told when it was stopped or killed, nobody else can know.
        let isCalm = !simulation.scale.hasChaos
        if wrongFor == 0 { reported.remove(place) }
        if isCalm, isLinked, wrongFor > Simulation.margin + 500, !simulation.mayFollowFromWhatIsLost(ofUser: index),
            wrongFor > Simulation.margin + 500 + Simulation.comparing
                || !simulation.mayBeFoundByComparing(ofUser: index, at: node),
            reported.insert(place).inserted
        {
            fail(
                simulation,
                "\(user) is \(truth), and \(shown) at n\(node.index + 1) for \(wrongFor) ms, where nothing is wrong")
        }
    }

    /// A node that was stopped, or one of whose peers left, announces nobody offline who beats at another one.
    private mutating func checkEnds(
        _ node: SimulatedNode, _ simulation: Simulation, since: Int64, _ what: String
    ) {
        for user in node.toldOffline {
            guard let index = simulation.workload.users.firstIndex(of: user), isVisible(user, node) else { continue }
            // What was done while it was stopped comes to it late.
            let quiet = simulation.workload.unsure[user] ?? -100_000
            guard quiet < min(since, simulation.milliseconds) - 25_000 else { continue }
            let beats = simulation.workload.clients(ofUser: index).contains {
                $0.isConnected && !$0.isPassive && simulation.milliseconds - $0.lastBeat < Workload.ttl - 1_500
                    && $0.since < since - 6_000
            }
            if beats {
                fail(
                    simulation,
                    "n\(node.index + 1), \(what) by \(since) ms, announced \(user) offline, who beats")
            }
        }
    }

    private func isVisible(_ user: String, _ node: SimulatedNode) -> Bool {
        node.store.explain(user.utf8.span, for: nil, at: node.clock.now()).manual.value != .invisible
    }

    /// Whoever is blocked, as a node knows it, sees nobody there.
    private mutating func checkBlocks(of user: String, _ node: SimulatedNode, _ simulation: Simulation) {
        let now = node.clock.now()
        for blocked in node.store.relations(of: user.utf8.span, at: now).blocked {
            let view = node.store.view(of: user.utf8.span, for: blocked.span, at: now)
            if view.status != .offline {
                fail(simulation, "\(user) blocked somebody, who sees him \(view.status) at n\(node.index + 1)")
            }
        }
    }

    // MARK: - In the end

    /// What differs between nodes that have had time to agree.
    static func differences(in simulation: Simulation) -> [String] {
        var list: [String] = []
        let first = simulation.nodes[0]
        for node in simulation.nodes {
            if !node.replicator.isReady { list.append("n\(node.index + 1) is not ready") }
            list += node.listen().map { "n\(node.index + 1): \($0)" }
            for peer in node.replicator.report(at: node.now).peers {
                // A follower has nothing to be copied.
                let isTold = peer.hasCopy || node.cluster.own.isFollower
                if peer.member.state == .alive, peer.linkOpenedAt != nil, isTold { continue }
                list.append("n\(node.index + 1) has no link to \(peer.node.name): \(peer.member.cause)")
            }
            list += differences(node, first, simulation)
        }
        return list
    }

    private static func spell(_ user: UserDescription?) -> String {
        guard let user else { return "nothing" }
        return "\(user.status) \(user.version.rawValue) since \(user.lastStatusChange?.milliseconds ?? 0)"
    }

    private static func differences(
        _ node: SimulatedNode, _ first: SimulatedNode, _ simulation: Simulation
    ) -> [String] {
        var list: [String] = []
        let name = "n\(node.index + 1)"
        let (now, then) = (node.clock.now(), first.clock.now())
        // What was just done by time counts in digests a while later, by each node's clock.
        let common = max(now, then)
        for user in simulation.workload.users {
            let here = node.store.describe(user.utf8.span, at: now)
            let there = first.store.describe(user.utf8.span, at: then)
            // Time changes a status at the home of a session first, elsewhere a margin later.
            let newest = max(here?.lastStatusChange ?? .distantPast, there?.lastStatusChange ?? .distantPast)
            let isSettled = newest.advanced(byMilliseconds: Simulation.margin + 500) < min(now, then)
            if isSettled,
                here?.status != there?.status || here?.version != there?.version || here?.activity != there?.activity
            {
                list.append(
                    "\(user) differs at \(name): \(Checkers.spell(here)) and \(Checkers.spell(there))")
            }
            if node.store.relations(of: user.utf8.span, at: now) != first.store.relations(of: user.utf8.span, at: then)
            {
                list.append("the relations of \(user) differ at \(name)")
            }
            // Whatever is shown was announced, here as well.
            if let told = node.told[user], told.new != here?.status {
                list.append("\(user) is \(String(describing: here?.status)) at \(name), announced was \(told.new)")
            }
            if node.told[user] == nil, here?.status ?? .offline != .offline {
                list.append("\(user) is \(String(describing: here?.status)) at \(name), and nothing was announced")
            }
            let view = node.store.view(of: user.utf8.span, for: SimulatedNode.viewer.utf8.span, at: now)
            if node.list[user] ?? .offline != view.status {
                list.append(
                    "the watcher at \(name) was told \(String(describing: node.list[user])) of \(user), who is \(view.status)"
                )
            }
        }
        for number in 0..<20 {
            let key = "key-\(number)"
            let (here, there) = (node.store.string(key, at: now), first.store.string(key, at: then))
            if here != there { list.append("\(key) differs at \(name): \(here ?? "nil") and \(there ?? "nil")") }
        }
        // Who has run out is waited for at some nodes, and not at others.
        let waited = simulation.workload.users.filter { user in
            simulation.nodes.contains { node in
                node.store.sessions(of: user.utf8.span, at: node.clock.now()).contains { $0.expiresAt <= common }
            }
        }
        for user in simulation.workload.users where !waited.contains(user) {
            let hash = first.store.userHash(user.utf8.span)
            let (here, there) = (
                node.store.digest(ofHash: hash, at: common), first.store.digest(ofHash: hash, at: common)
            )
            guard here != there else { continue }
            list.append(
                "the digests of \(user) differ at \(name): \(node.store.facts(of: user, at: now)) and "
                    + first.store.facts(of: user, at: then))
        }
        let (here, there) = (
            node.store.digest(start: 0, bits: 0, countsForgettable: true, at: common),
            first.store.digest(start: 0, bits: 0, countsForgettable: true, at: common)
        )
        if waited.isEmpty, here.digest != there.digest {
            list.append("digests differ at \(name): \(here) and \(there)")
        }
        return list
    }
}

extension ShardedStore {
    fileprivate func digest(ofHash hash: UInt64, at now: Timestamp) -> UInt64 {
        digest(start: hash, bits: 64, countsForgettable: true, at: now).digest
    }

    /// All that is known of a user, to be read.
    fileprivate func facts(of user: String, at now: Timestamp) -> String {
        guard let image = image(of: user.utf8.span, at: now), let facts = try? UserImage.facts(in: image.span) else {
            return "nothing"
        }
        let sessions = facts.facts.sessions.map { "\($0.value)" }.sorted()
        return
            "\(facts.status) \(facts.version.rawValue), named \(facts.isNamed), manual \(facts.facts.manual), text \(facts.facts.text), "
            + "edges \(facts.edges.sorted { $0.key < $1.key }), sessions \(sessions)"
    }

    fileprivate func string(_ key: String, at now: Timestamp) -> String? {
        var value: String?
        _ = getString(key.utf8.span, at: now) { span in
            value = String(decoding: span.withUnsafeBytes { Array($0) }, as: UTF8.self)
        }
        return value
    }
}

extension Simulation {
    /// What is the matter with a node, in words.
    fileprivate func matter(with node: SimulatedNode, _ isLinked: Bool) -> String {
        if isLinked { return "nothing wrong" }
        let others = servers.filter { $0 != node.index }
        let reached = others.filter { other in
            nodes[other].isUp && !nodes[other].isPaused && !network.isCut(from: other, to: node.index)
                && !network.isCut(from: node.index, to: other)
        }
        if reached.count == others.count { return "all links there, trouble just before" }
        let lost = others.filter { !reached.contains($0) }
        if lost.contains(where: { !nodes[$0].isUp }) { return "a peer is down" }
        return lost.contains(where: { nodes[$0].isPaused }) ? "a peer is stopped" : "cut off from a peer"
    }
}

import Presence

/// What every node announced: where nothing goes wrong, each change is announced at each node.
struct Announcements {
    /// By node and user, in the order in which they were announced.
    private var told: [[String: [StatusChange]]]
    /// When something was done at a node, by user.
    private var deeds: [String: [(at: Timestamp, node: Int)]] = [:]

    /// What is over sooner may be over before it has come to the others, in milliseconds.
    private static let moment: Int64 = 100

    init(nodes: Int) { told = Array(repeating: [:], count: nodes) }

    mutating func take(_ change: StatusChange, by node: Int) {
        told[node][String(decoding: change.userID, as: UTF8.self), default: []].append(change)
    }

    /// Somebody did something at a node.
    mutating func take(_ deed: Deed) {
        guard let user = deed.user else { return }
        deeds[user, default: []].append(
            (Timestamp(milliseconds: SimulatedClock.epoch / 1_000_000 + deed.at), deed.node))
    }

    /// Changes that some node announced and another one did not, up to an instant.
    func missing(until end: Timestamp) -> [String] {
        let lasting = told.map { $0.mapValues(Announcements.lasting) }
        var list: [String] = []
        for (node, users) in lasting.enumerated() {
            for other in told.indices where other != node {
                for (user, changes) in users {
                    let known = told[other][user] ?? []
                    for change in missing(in: changes, of: user, at: node, known) where change.version.timestamp < end {
                        list.append(
                            "\(user): \(Announcements.spell(change)) of \(changes.suffix(6).map(Announcements.spell)) at n\(node + 1) "
                                + "was not announced at n\(other + 1): \(known.suffix(6).map(Announcements.spell))")
                    }
                }
            }
        }
        return list.sorted()
    }

    /// Those of a node's changes of a user that are not among another one's.
    private func missing(
        in changes: [StatusChange], of user: String, at node: Int, _ known: [StatusChange]
    ) -> [StatusChange] {
        var missing: [StatusChange] = []
        // What he was called before a change that may be missed: what takes it back may be missed, too.
        var before: Status?
        for (place, change) in changes.enumerated() {
            defer { if change.new == before { before = nil } }
            guard change.new != before else { continue }
            if place + 1 < changes.count, mayBeMissed(change, of: user, before: changes[place + 1], by: node, known) {
                before = place > 0 ? changes[place - 1].new : .offline
            } else if !known.contains(where: { Announcements.isSame($0, change) }) {
                missing.append(change)
            }
        }
        return missing
    }

    /// Whether two nodes tell of one thing. Of what is written at two nodes at once each may have a version of its own, until they have heard of each other.
    private static func isSame(_ change: StatusChange, _ other: StatusChange) -> Bool {
        change.new == other.new && abs(change.milliseconds(since: other)) < Simulation.margin + moment
    }

    /// Without those that were over in a moment, and what took them back.
    private static func lasting(_ changes: [StatusChange]) -> [StatusChange] {
        var lasting: [StatusChange] = []
        for (place, change) in changes.enumerated() {
            if place + 1 < changes.count, changes[place + 1].milliseconds(since: change) < moment { continue }
            if change.new != lasting.last?.new ?? .offline { lasting.append(change) }
        }
        return lasting
    }

    /// What time does is waited for elsewhere, and who does something there meanwhile does not know of it; nor does who hears of an end. And of what is written
    /// meanwhile comes another status where the word of the home is waited for than at the home.
    private func mayBeMissed(
        _ change: StatusChange, of user: String, before next: StatusChange, by node: Int, _ known: [StatusChange]
    ) -> Bool {
        guard next.milliseconds(since: change) < Simulation.margin + Announcements.moment else { return false }
        let isByActivity = Announcements.isByActivity(change)
        if isByActivity,
            known.contains(where: { $0.version == change.version && Announcements.isByActivity($0) })
        {
            return true
        }
        // Nor do all call him so at once who is idle behind what was written at this node.
        let isIdle = change.new != .online && change.reason != .manual
        guard change.version.node == 0 || isByActivity && (isIdle || Int(change.version.node) != node + 1) else {
            return false
        }
        let (begin, end) = (change.version.timestamp, next.version.timestamp)
        return next.new == .offline
            || (deeds[user] ?? []).contains { $0.node != node && begin <= $0.at && $0.at <= end }
    }

    /// Whether activity alone decides between this status and others of its kind.
    private static func isByActivity(_ change: StatusChange) -> Bool {
        [.online, .idle, .away].contains(change.new)
    }

    private static func spell(_ change: StatusChange) -> String {
        let version = change.version
        return "\(change.new) by \(change.reason), \(version.timestamp.milliseconds % 1_000_000) n\(version.node)"
    }
}

extension StatusChange {
    fileprivate func milliseconds(since other: StatusChange) -> Int64 {
        version.timestamp.milliseconds(since: other.version.timestamp)
    }
}

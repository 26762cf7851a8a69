/// What one node knows of the others: who is there, since when, and why it thinks so. A state machine without clock and without I/O.
///
/// ```
///             heard                       no word for suspectAfter
///   down <------------> alive  ------------------------------------> suspect
///    ^      (returned)    ^  <-------------------------------------     |
///    |                    |                  heard                      |
///    +--------------------+---------------------------------------------+
///        no word for downAfter, or it said goodbye
/// ```
/// At the start all others are down: nothing was heard of them. A node may also be draining: it is there, but on its way out, and owns nothing.
/// Instants are milliseconds of one clock that does not run backwards; an earlier one counts as the latest that was given.
///
/// Who was stopped himself cannot tell silence from his own absence: a ``tick(at:)`` that comes later than `suspectAfter` behind the one before it
/// gives everybody the time that was missed.
public struct Membership: Equatable, Sendable {
    /// After how long without a word a node is judged, in milliseconds.
    public struct Limits: Equatable, Sendable {
        /// A node is suspect; at least 1.
        public let suspectAfter: Int64
        /// A node is down; above ``suspectAfter``.
        public let downAfter: Int64

        /// Limits of these values; nil unless 0 < `suspectAfter` < `downAfter`.
        public init?(suspectAfter: Int64, downAfter: Int64) {
            guard suspectAfter > 0, downAfter > suspectAfter else { return nil }
            self.init(checked: suspectAfter, downAfter)
        }

        private init(checked suspectAfter: Int64, _ downAfter: Int64) {
            self.suspectAfter = suspectAfter
            self.downAfter = downAfter
        }

        /// Suspect after 0.7 s, down after 1.8 s: whoever died is noticed within two.
        public static let usual = Limits(checked: 700, 1_800)
    }

    /// How a node is.
    public enum State: String, Sendable, CaseIterable {
        /// Heard lately.
        case alive
        /// Silent for longer than it should be. It keeps what it owns.
        case suspect
        /// Not there. It owns nothing.
        case down
    }

    /// Why a node is thought to be as it is.
    public enum Cause: Equatable, Sendable, CustomStringConvertible {
        /// It is this node.
        case itself
        /// Nothing was heard of it since this node started.
        case notHeardYet
        /// It was heard.
        case heard
        /// It was heard again after having been down so many milliseconds.
        case returned(afterMilliseconds: Int64)
        /// It has not been heard for so many milliseconds.
        case silent(milliseconds: Int64)
        /// It said that it goes.
        case goodbye

        /// In words.
        public var description: String {
            switch self {
            case .itself: "this node"
            case .notHeardYet: "not heard since this node started"
            case .heard: "heard"
            case .returned(let milliseconds): "returned after \(milliseconds) ms"
            case .silent(let milliseconds): "silent for \(milliseconds) ms"
            case .goodbye: "said goodbye"
            }
        }
    }

    /// What is known of one node.
    public struct Node: Equatable, Sendable {
        /// Its number.
        public let number: UInt8
        /// How it is.
        public fileprivate(set) var state: State
        /// Whether it is on its way out. Never while it is down.
        public fileprivate(set) var isDraining = false
        /// Since when it is in this state.
        public fileprivate(set) var since: Int64
        /// Why.
        public fileprivate(set) var cause: Cause
        /// When it was heard last; nil if never, and of this node itself.
        public fileprivate(set) var lastHeard: Int64?
        /// What its silence is counted from: when it was heard, and the time that was missed.
        fileprivate var silentSince: Int64 = 0
        /// Whether it is a follower: it never owns anything.
        public let isFollower: Bool

        fileprivate init(_ node: ClusterNode, isOwn: Bool, at now: Int64) {
            number = node.number
            isFollower = node.isFollower
            state = isOwn ? .alive : .down
            since = now
            cause = isOwn ? .itself : .notHeardYet
        }
    }

    /// One thing that became different.
    public struct Change: Equatable, Sendable {
        /// The node as it is now.
        public let node: Node
        /// How it was.
        public let before: State
        /// Whether it was draining.
        public let wasDraining: Bool
    }

    /// All nodes, by rising numbers, this one included.
    public private(set) var nodes: [Node]
    /// This node.
    public let own: UInt8
    /// When silence counts.
    public let limits: Limits
    private var now: Int64
    private var lastTick: Int64

    /// A node that begins: itself alive, all others down.
    public init(_ configuration: ClusterConfiguration, limits: Limits = .usual, at now: Int64) {
        own = configuration.own.number
        self.limits = limits
        self.now = now
        lastTick = now
        let own = own
        nodes = configuration.nodes.map { Node($0, isOwn: $0.number == own, at: now) }
    }

    /// What is known of the node of that number, or nil. O(n).
    public func node(_ number: UInt8) -> Node? { nodes.first { $0.number == number } }

    /// Who owns a share: the nodes that are alive or suspect and not draining; if there are none, those that are draining. Followers own nothing, so
    /// it is empty at a follower that hears nobody, and nowhere else.
    public var owners: [UInt8] {
        let there = nodes.filter { $0.state != .down && !$0.isFollower }
        let staying = there.filter { !$0.isDraining }
        return (staying.isEmpty ? there : staying).map(\.number)
    }

    // MARK: - Inputs

    /// Something came from a node. Of itself, and of a number that no node has, nothing is heard.
    public mutating func heard(from number: UInt8, at instant: Int64) -> Change? {
        advance(to: instant)
        guard number != own, let index = index(of: number) else { return nil }
        nodes[index].lastHeard = now
        nodes[index].silentSince = now
        switch nodes[index].state {
        case .alive: return nil
        case .suspect: return change(index, to: .alive, .heard)
        case .down:
            let isFirst = nodes[index].cause == .notHeardYet
            return change(index, to: .alive, isFirst ? .heard : .returned(afterMilliseconds: now - nodes[index].since))
        }
    }

    /// Time has gone on: who has been silent for too long is suspect, or down. To be called more often than every `suspectAfter`. O(n).
    public mutating func tick(at instant: Int64) -> [Change] {
        advance(to: instant)
        let missed = now - lastTick
        lastTick = now
        var changes: [Change] = []
        for index in nodes.indices where nodes[index].number != own && nodes[index].state != .down {
            if missed > limits.suspectAfter {
                nodes[index].silentSince = min(now, nodes[index].silentSince + missed)
            }
            let silence = now - nodes[index].silentSince
            if silence >= limits.downAfter {
                changes.append(change(index, to: .down, .silent(milliseconds: silence)))
            } else if silence >= limits.suspectAfter, nodes[index].state == .alive {
                changes.append(change(index, to: .suspect, .silent(milliseconds: silence)))
            }
        }
        return changes
    }

    /// A node says that it is on its way out, or that it stays after all. Of one that is down nothing is taken: it must be heard first.
    public mutating func setDraining(_ number: UInt8, _ isDraining: Bool, at instant: Int64) -> Change? {
        advance(to: instant)
        guard let index = index(of: number), nodes[index].state != .down, nodes[index].isDraining != isDraining else {
            return nil
        }
        let before = nodes[index]
        nodes[index].isDraining = isDraining
        return Change(node: nodes[index], before: before.state, wasDraining: before.isDraining)
    }

    /// A node said goodbye: it is down at once, and nobody has to wait for its silence. This node does not leave itself.
    public mutating func left(_ number: UInt8, at instant: Int64) -> Change? {
        advance(to: instant)
        guard number != own, let index = index(of: number), nodes[index].state != .down else { return nil }
        return change(index, to: .down, .goodbye)
    }

    private mutating func change(_ index: Int, to state: State, _ cause: Cause) -> Change {
        let before = nodes[index]
        nodes[index].state = state
        nodes[index].since = now
        nodes[index].cause = cause
        if state == .down { nodes[index].isDraining = false }
        return Change(node: nodes[index], before: before.state, wasDraining: before.isDraining)
    }

    private mutating func advance(to instant: Int64) { now = max(now, instant) }

    private func index(of number: UInt8) -> Int? { nodes.firstIndex { $0.number == number } }
}

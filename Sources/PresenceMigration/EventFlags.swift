/// The letters of `notify-keyspace-events`: what the source has, and what following needs.
struct EventFlags: Hashable, Sendable {
    /// `K`: events by key. `g`: `DEL`, `EXPIRE`, `RENAME`. `$`: `SET`. `h`: `HSET`. `x`: expiry. `e`: eviction.
    static let needed: [Character] = ["K", "g", "$", "h", "x", "e"]

    /// What `A` stands for in Redis 7. `n` and `m` are no part of it.
    private static let all = Set("g$lshzxetd")

    private let letters: Set<Character>
    /// As the source spells it.
    private let text: String

    init(_ text: String) {
        self.text = text
        letters = Set(text.contains("A") ? text.filter { $0 != "A" } + EventFlags.all : text)
    }

    /// Whether the source tells of every change of a presence.
    var suffice: Bool { EventFlags.needed.allSatisfy(letters.contains) }

    /// Whether two texts mean the same.
    static func == (left: EventFlags, right: EventFlags) -> Bool { left.letters == right.letters }

    func hash(into hasher: inout Hasher) { hasher.combine(letters) }

    /// What to set: everything that is set now, and what is needed.
    var completed: String {
        text + String(EventFlags.needed.filter { !letters.contains($0) })
    }
}

/// What happened to a key, as far as following distinguishes.
///
/// Ordered by what must be remembered while a key waits to be read: an end outlasts whatever comes after it.
enum KeyChange: Int, Comparable, Sendable {
    /// It has to be read.
    case written
    /// Its time ran out. So does the target's, which was given the same time.
    case expired
    /// It was deleted, by a client or for want of memory: its user's session ends.
    case ended

    static func < (lhs: KeyChange, rhs: KeyChange) -> Bool { lhs.rawValue < rhs.rawValue }

    /// The change of an event of Redis's.
    init(event: [UInt8]) {
        switch String(decoding: event, as: UTF8.self) {
        case "del", "rename_from", "move_from", "evicted": self = .ended
        case "expired": self = .expired
        default: self = .written
        }
    }
}

/// The sessions that a migration has written to the target: one for each user whose key it follows.
///
/// With it a session can be ended when its key is deleted or names a newer one, while sessions that the user has opened on
/// the target itself stay. About 200 bytes a user; kept only while following.
struct Mirror: Sendable {
    private struct Written: Sendable {
        var session: [UInt8]
        var round: Int
    }

    private let isKept: Bool
    private var sessions: [[UInt8]: Written] = [:]
    private var round = 0

    init(isKept: Bool) {
        self.isKept = isKept
    }

    /// How many users are known.
    var count: Int { sessions.count }

    /// The session that was written for a user last.
    func session(ofUser id: [UInt8]) -> [UInt8]? {
        sessions[id]?.session
    }

    mutating func note(_ session: [UInt8], ofUser id: [UInt8]) {
        guard isKept else { return }
        sessions[id] = Written(session: session, round: round)
    }

    /// Forgets a user, unless a session other than `session` was written since.
    mutating func forget(_ session: [UInt8], ofUser id: [UInt8]) {
        if sessions[id]?.session == session { sessions[id] = nil }
    }

    /// Forgets a user whose session ends by its TTL.
    mutating func forget(user id: [UInt8]) {
        sessions[id] = nil
    }

    /// Everything is about to be read.
    mutating func beginRound() {
        round += 1
    }

    /// Everything was read: who was not seen is gone, and his session ends by its TTL.
    mutating func endRound() {
        sessions = sessions.filter { $0.value.round == round }
    }
}

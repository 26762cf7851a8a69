import PresenceStore

/// An afternoon in a chat: what bob sees of alice and carol, and what a service hears of alice.
@main struct Chat {
    static func main() async throws {
        let chat = ChatService()
        var events = chat.store.events().makeAsyncIterator()
        try chat.connected("alice", "alice-phone", device: "mobile")
        try chat.heartbeat("alice", "alice-phone", hasActed: true)
        // Nobody has heard of this one: the heartbeat opens it.
        try chat.heartbeat("carol", "carol-desk", hasActed: false)

        let list = try chat.store.frames(for: "bob", of: ["alice", "carol"], every: .milliseconds(10))
        let frames = list.makeAsyncIterator()
        try await show(frames.next())
        try chat.doNotDisturb("alice", for: 2_000, "in a meeting")
        try await show(frames.next())
        print("... her two seconds are over")
        try await show(frames.next())

        print("alice blocks bob")
        try chat.store.relate("alice", .block, to: "bob")
        try await show(frames.next())
        try chat.store.relate("alice", .unblock, to: "bob")
        try await show(frames.next())

        print("carol shows herself to friends only")
        try chat.showToFriendsOnly("carol")
        try await show(frames.next())
        try chat.store.relate("carol", .friend, to: "bob")
        try await show(frames.next())

        print("alice and bob are enemies in a game")
        chat.setEnemies("alice", "bob", true)
        try await show(frames.next())
        print(
            "services see alice \(chat.store.status(of: "alice")), bob sees her \(chat.store.view(of: "alice", for: "bob").status)"
        )
        chat.setEnemies("alice", "bob", false)
        try await show(frames.next())

        print("alice goes")
        chat.closed("alice", "alice-phone", isBroken: false)
        try await show(frames.next())

        while let event = await events.next() {
            guard case .status(let change) = event, change.userID == Array("alice".utf8) else { continue }
            print("event: alice \(change.old) to \(change.new), \(change.reason.word)")
            if change.new == .offline { break }
        }
    }

    private struct ListEnded: Error {}

    /// Prints what bob sees of those who changed.
    private static func show(_ frame: WatchFrame?) throws {
        guard let frame else { throw ListEnded() }
        for row in frame.rows {
            let text = row.activity.map { " (\(String(decoding: $0, as: UTF8.self)))" } ?? ""
            print("bob sees \(row.user) \(row.status)\(text)")
        }
    }
}

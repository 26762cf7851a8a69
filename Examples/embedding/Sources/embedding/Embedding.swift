import PresenceStore

/// Who is here, in this process: two sessions of one user, of which one says goodbye and the other goes silent.
@main struct Embedding {
    static func main() async throws {
        var configuration = ShardedStore.Configuration()
        configuration.sessionTTLMilliseconds = 2_000
        let store = ShardedStore(configuration)
        let ticker = Ticker(store)
        var events = store.events().makeAsyncIterator()
        try store.setString("greeting", "hello", lifetime: .seconds(2))
        try store.connect("alice", session: "phone", device: "mobile")
        try store.connect("alice", session: "laptop", device: "web")
        for _ in 1...3 {
            try await Task.sleep(for: .milliseconds(200))
            store.beat("alice", session: "phone")
            store.beat("alice", session: "laptop", isActive: true)
        }
        print("alice is \(store.status(of: "alice")), \(store.sessions(of: "alice").count) sessions")
        store.disconnect("alice", session: "laptop")
        print("alice is \(store.status(of: "alice")), \(store.getString("greeting") ?? "no") greeting")
        while case .status(let change) = await events.next(), change.userID == Array("alice".utf8) {
            let late = store.clock.now().milliseconds(since: change.timestamp)
            print("alice: \(change.old) to \(change.new), \(change.reason), told \(late) ms later")
            if change.new == .offline { try store.connect("bob", session: "desk") }
        }
        print("alice is \(store.status(of: "alice")), \(store.getString("greeting") ?? "no") greeting")
        ticker.stop()
    }
}

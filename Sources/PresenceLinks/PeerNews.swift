import PresenceStore
import Synchronization

/// Which shards have news for other nodes, from the threads that write to the links' own.
///
/// **Kept true.** However much is written, one turn is asked for between two looks of the thread. Heartbeats alone ask for none: the thread finds them when it
/// looks at the time, long before the others' margin is over. Cost: a short lock for each shard that has news, and no memory.
final class PeerNews: Sendable {
    private struct State {
        var shards = ShardSet()
        var isTurnDue = false
        var isOver = false
    }

    private let state = Mutex(State())

    /// A shard has news. Returns whether a turn of the links' thread is to be asked for.
    func add(_ shard: Int, isUrgent: Bool) -> Bool {
        state.withLock { state in
            guard !state.isOver else { return false }
            state.shards.insert(shard)
            guard isUrgent, !state.isTurnDue else { return false }
            state.isTurnDue = true
            return true
        }
    }

    /// The links' thread looks: it gets all shards that have news, and what is urgent from now on asks for a turn.
    func take() -> ShardSet {
        state.withLock { state in
            defer { (state.shards, state.isTurnDue) = (ShardSet(), false) }
            return state.shards
        }
    }

    /// Nothing is news any more.
    func end() { state.withLock { $0.isOver = true } }
}

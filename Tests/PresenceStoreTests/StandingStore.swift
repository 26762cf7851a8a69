import Presence
import PresenceStore
import PresenceTesting

extension ShardedStore {
    /// A store whose clock stands at an instant, with what else a test wants otherwise than by default.
    static func standing(
        at start: Timestamp, shards: Int = 1, _ change: (inout Configuration) -> Void = { _ in }
    ) -> ShardedStore {
        var configuration = Configuration(clock: TestClock(start))
        configuration.shards = shards
        change(&configuration)
        return ShardedStore(configuration)
    }
}

import Presence

/// How often each user of a shard changed his status, his text or his visibility by hand within the present minute.
///
/// Each of these puts all who watch him to work, also one that only says who may see him. What one edge changes, one viewer is told of: edges are not
/// counted.
///
/// Only who did so at all is in it, and it is emptied with every minute. It is bounded: whoever finds it full is let through and counted.
struct ChangeRate {
    /// Users that one shard counts in a minute.
    static let mostUsers = 65_536

    private var minute: Int64 = .min
    private var counts: [UInt64: UInt32] = [:]
    /// Changes that were refused, and those that were let through uncounted.
    private(set) var refused: UInt64 = 0
    private(set) var uncounted: UInt64 = 0

    /// Counts one more change of a user; false, and nothing is counted, if he had as many as `limit` already. 0 is no limit.
    mutating func allows(_ user: UInt64, limit: Int, at now: Timestamp) -> Bool {
        guard limit > 0 else { return true }
        let present = now.milliseconds / 60_000
        if present != minute {
            minute = present
            counts.removeAll(keepingCapacity: counts.count <= 1_024)
        }
        let count = counts[user] ?? 0
        guard Int(count) < limit else {
            refused += 1
            return false
        }
        guard count > 0 || counts.count < ChangeRate.mostUsers else {
            uncounted += 1
            return true
        }
        counts[user] = count + 1
        return true
    }
}

import Presence
import PresenceStore

/// Changes of status, each an entry of the ring, for an instruction counter.
struct RingCount {
    private static let users = 1_000

    /// Whether each is read again, as an event.
    var isRead: Bool

    func run(_ operations: Int) throws {
        let crowd = Crowd(Names(count: RingCount.users))
        try crowd.connect(at: Crowd.start) { _ in Crowd.longTTL }
        let store = crowd.store
        let reader = store.makeReader { _ in }
        defer { reader.cancel() }
        let bytes = crowd.names.bytes.span
        var events: [StoreEvent] = []
        events.reserveCapacity(64)
        var (done, heard) = (0, 0)
        while done < operations {
            let round = done / RingCount.users
            let status: ManualStatus = round.isMultiple(of: 2) ? .dnd : .away
            let now = Crowd.start.advanced(byMilliseconds: Int64(1_000 + round))
            for user in 0..<min(RingCount.users, operations - done) {
                try store.set(bytes.extracting(crowd.names.user(user)), UserSettings(status: .some(status)), at: now)
                done += 1
            }
            guard isRead else { continue }
            for shard in 0..<store.shardCount {
                var isEmpty = false
                while !isEmpty {
                    isEmpty = reader.read(shard: shard, limit: 64, into: &events)
                    heard += events.count
                    events.removeAll(keepingCapacity: true)
                }
            }
        }
        guard !isRead || heard == operations else { throw BenchError("\(heard) of \(operations) changes were read") }
    }
}

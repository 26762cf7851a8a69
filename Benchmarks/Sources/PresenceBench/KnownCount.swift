import Presence
import PresenceStore

/// Connects and ends of a few users in a store, for an instruction counter.
struct KnownCount {
    private static let users = 20
    private static let half = KnownWork.edgesEach / 2

    /// Whether users have edges and watchers.
    var isKnown: Bool
    /// Whether those who watch are told of each change at once, each by a frame.
    var tells: Bool

    /// Does so many operations, half of them connects.
    func run(_ operations: Int) throws {
        var configuration = ShardedStore.Configuration()
        configuration.shards = 1
        configuration.hashSecret = (0x0706_0504_0302_0100, 0x0F0E_0D0C_0B0A_0908)
        configuration.clock = StandingClock(instant: Crowd.start)
        let store = ShardedStore(configuration)
        // Behind the users are those whom they name, and behind those who watch.
        let names = Names(count: KnownCount.users + KnownWork.edgesEach + KnownWork.watchersEach)
        let watches = isKnown ? try makeKnown(store, names) : []
        let bytes = names.bytes.span
        let none = Span<UInt8>()
        var options = ConnectOptions()
        options.ttlMilliseconds = Crowd.longTTL
        var (done, told) = (0, 0)
        for operation in 0..<operations {
            let user = operation / 2 % KnownCount.users
            let now = Crowd.start.advanced(byMilliseconds: Int64(1_000 + operation))
            let id = bytes.extracting(names.user(user))
            let session = bytes.extracting(names.session(user))
            if operation.isMultiple(of: 2) {
                done += try store.connect(
                    id, session: session, device: none, platform: none, server: none, options, at: now)
            } else {
                done += store.disconnect(id, session: session, at: now) ? 1 : 0
            }
            guard tells else { continue }
            while store.pumpWatches(shard: 0) {}
            for watch in watches { told += store.takeFrame(of: watch, at: now).frame?.rows.count ?? 0 }
        }
        guard done == operations, told == (tells ? operations * watches.count : 0) else {
            throw BenchError("\(done) of \(operations) were done, \(told) rows told")
        }
    }

    private func makeKnown(_ store: ShardedStore, _ names: Names) throws -> [Watch] {
        let bytes = names.bytes.span
        let ranges = (0..<names.count).map { place in
            KeyRange(offset: names.user(place).lowerBound, length: Names.userLength)
        }
        let now = Crowd.start
        let (first, second) = (KnownCount.users, KnownCount.users + KnownCount.half)
        for user in 0..<KnownCount.users {
            let id = bytes.extracting(names.user(user))
            let edges =
                try store.relate(
                    id, .friend, to: bytes, ranges.span.extracting(first..<first + KnownCount.half), at: now)
                + store.relate(
                    id, .block, to: bytes, ranges.span.extracting(second..<second + KnownCount.half), at: now)
            guard edges == KnownWork.edgesEach else { throw BenchError("\(edges) edges were made") }
        }
        return try (0..<KnownWork.watchersEach).map { watcher in
            let viewer = names.user(KnownCount.users + KnownWork.edgesEach + watcher)
            return try store.watch(
                bytes.extracting(viewer), since: Span(), bytes, ranges.span.extracting(0..<KnownCount.users), at: now
            ) { _ in }.watch
        }
    }
}

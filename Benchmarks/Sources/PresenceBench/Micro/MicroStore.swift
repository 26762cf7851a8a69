import Presence
import PresenceStore

/// What parts of the store add to a write.
enum MicroStore {
    private static let users = 10_000

    static var works: [MicroCommand.Work] {
        let names = Names(count: users)
        return [
            ("index", "a string looked up that is there", { try lookUp(names, isThere: true) }),
            ("index", "a string looked up that is not there", { try lookUp(names, isThere: false) }),
            ("wheel", "a new string without an end", { try write(names, end: .none).time }),
            ("wheel", "a new string with an end: one entry more", { try write(names, end: .at(end)).time }),
            ("wheel", "an entry that fires, and its string with it", { try fire(names) }),
            ("ring", "a manual status, nobody reads", { try change(names, isRead: false) }),
            ("ring", "a manual status, read as an event", { try change(names, isRead: true) }),
        ]
    }

    private static let now = Crowd.start
    private static let end = now.advanced(byMilliseconds: 60_000)

    private static func write(
        _ names: Names, end: StringSetOptions.Expiry
    ) throws -> (store: ShardedStore, time: Double) {
        let store = Crowd(names).store
        let bytes = names.bytes.span
        let time = try MicroCommand.time(users) {
            for index in 0..<users {
                let key = bytes.extracting(names.user(index))
                _ = try store.setString(key, key, StringSetOptions(expiry: end), at: now)
            }
        }
        return (store, time)
    }

    private static func lookUp(_ names: Names, isThere: Bool) throws -> Double {
        let store = try write(names, end: .none).store
        let bytes = names.bytes.span
        let rounds = 20
        var found = 0
        let time = MicroCommand.time(users * rounds) {
            for _ in 0..<rounds {
                for index in 0..<users {
                    let key = bytes.extracting(isThere ? names.user(index) : names.session(index))
                    if store.exists(.string, key, at: now) { found += 1 }
                }
            }
        }
        guard found == (isThere ? users * rounds : 0) else { throw BenchError("\(found) strings were found") }
        return time
    }

    private static func fire(_ names: Names) throws -> Double {
        let store = try write(names, end: .at(end)).store
        let time = MicroCommand.time(users) { store.advance(to: end.advanced(byMilliseconds: 1_000)) }
        guard store.statistics().expiredStrings == users else { throw BenchError("not all strings ended") }
        return time
    }

    private static func change(_ names: Names, isRead: Bool) throws -> Double {
        let crowd = Crowd(names)
        try crowd.connect(at: now) { _ in Crowd.longTTL }
        let store = crowd.store
        let reader = store.makeReader { _ in }
        defer { reader.cancel() }
        let bytes = names.bytes.span
        var events: [StoreEvent] = []
        var heard = 0
        let time = try MicroCommand.time(users) {
            for index in 0..<users {
                try store.set(bytes.extracting(names.user(index)), UserSettings(status: .some(.dnd)), at: now)
            }
            guard isRead else { return }
            for shard in 0..<store.shardCount {
                repeat {
                    heard += events.count
                    events.removeAll(keepingCapacity: true)
                } while !reader.read(shard: shard, limit: 64, into: &events)
                heard += events.count
                events.removeAll(keepingCapacity: true)
            }
        }
        guard !isRead || heard >= users else { throw BenchError("\(heard) of \(users) events were read") }
        return time
    }
}

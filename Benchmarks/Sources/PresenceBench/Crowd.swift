import Presence
import PresenceStore

/// A store with a number of users, each with one session that has all the fields of the source document's record.
struct Crowd {
    static let start = Timestamp(milliseconds: 1_735_689_600_000)
    /// The longest TTL: nothing ends while a measurement runs, unless it is to.
    static let longTTL: Int64 = 300_000

    let store: ShardedStore
    let names: Names

    /// A store at `start`, without users yet. The secret of its hash is always the same, so that instructions are, too.
    init(_ names: Names, clock: any PresenceClock = StandingClock(instant: Crowd.start)) {
        var configuration = ShardedStore.Configuration()
        configuration.hashSecret = (0x0706_0504_0302_0100, 0x0F0E_0D0C_0B0A_0908)
        configuration.clock = clock
        store = ShardedStore(configuration)
        self.names = names
    }

    /// Opens the session of every user, or of the first so many.
    func connect(first count: Int = .max, at now: Timestamp, ttl: (Int) -> Int64) throws {
        let bytes = names.bytes.span
        let device = Array("mobile".utf8)
        let platform = Array("ios".utf8)
        let server = Array("gateway-7".utf8)
        for index in 0..<min(count, names.count) {
            try store.connect(
                bytes.extracting(names.user(index)), session: bytes.extracting(names.session(index)),
                device: device.span, platform: platform.span, server: server.span,
                ConnectOptions(ttlMilliseconds: ttl(index)), at: now)
        }
    }

    /// A person acts in every session: `lastSeen` and the session's activity are set from then on.
    func act(at now: Timestamp) {
        let bytes = names.bytes.span
        for index in 0..<names.count {
            store.beat(
                bytes.extracting(names.user(index)), session: bytes.extracting(names.session(index)), isActive: true,
                at: now)
        }
    }

    /// Beats the sessions in `range` one by one.
    ///
    /// - Returns: how many were known.
    func beat(_ order: borrowing Names, _ range: Range<Int>, isActive: Bool = false, at now: Timestamp) -> Int {
        let bytes = order.bytes.span
        var known = 0
        for index in range {
            let isKnown = store.beat(
                bytes.extracting(order.user(index)), session: bytes.extracting(order.session(index)),
                isActive: isActive, at: now)
            known &+= isKnown ? 1 : 0
        }
        return known
    }

    /// Beats sessions in batches.
    ///
    /// - Parameter pairs: `order.pairs`, made beforehand.
    /// - Returns: how many were known.
    func beatAll(_ order: borrowing Names, _ pairs: borrowing [KeyRange], batch: Int, at now: Timestamp) -> Int {
        let bytes = order.bytes.span
        var known = pairs.count / 2
        var start = 0
        while start < pairs.count {
            let end = min(start + 2 * batch, pairs.count)
            store.beatAll(bytes, pairs.span.extracting(start..<end), at: now) { _ in known &-= 1 }
            start = end
        }
        return known
    }

    /// Reads the statuses of the users in `range` one by one.
    ///
    /// - Returns: how many are online.
    func read(_ order: borrowing Names, _ range: Range<Int>, at now: Timestamp) -> Int {
        let bytes = order.bytes.span
        var online = 0
        for index in range where store.status(of: bytes.extracting(order.user(index)), at: now) == .online {
            online &+= 1
        }
        return online
    }

    /// Moves time on, in ticks of 10 ms.
    ///
    /// - Returns: the records that were looked at.
    func tick(_ count: Int, from now: Timestamp) -> Int {
        var lookedAt = 0
        for tick in 1...count {
            lookedAt &+= store.advance(to: now.advanced(byMilliseconds: Int64(tick) * 10)).lookedAt
        }
        return lookedAt
    }
}

/// A clock that stands: the time is handed to every operation.
struct StandingClock: PresenceClock {
    let instant: Timestamp

    func now() -> Timestamp { instant }
}

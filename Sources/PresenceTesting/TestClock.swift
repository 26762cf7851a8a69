import Presence
import PresenceStore
import Synchronization

/// A clock that a test holds in its hand: time stands still until the test moves it.
///
///     let clock = TestClock()
///     let store = ShardedStore(.init(clock: clock))
///     ...
///     clock.advance(byMilliseconds: 120_000)
///     store.advance(to: clock.now())
///
/// It may be shared by threads: the instant is one atomic number.
public final class TestClock: PresenceClock {
    private let milliseconds: Atomic<Int64>

    /// A clock that stands at an instant.
    ///
    /// - Parameter start: 2025-01-01T00:00:00Z unless given.
    public init(_ start: Timestamp = Timestamp(milliseconds: 1_735_689_600_000)) {
        milliseconds = Atomic(start.milliseconds)
    }

    /// The instant at which the clock stands.
    public func now() -> Timestamp {
        Timestamp(milliseconds: milliseconds.load(ordering: .acquiring))
    }

    /// True: a store announces at the very millisecond to which the clock was moved.
    public var isHeld: Bool { true }

    /// Moves the clock on; back, if negative, which no clock in service does: to show that even that breaks nothing.
    ///
    /// - Returns: the new instant.
    @discardableResult
    public func advance(byMilliseconds interval: Int64) -> Timestamp {
        let moved = milliseconds.wrappingAdd(interval, ordering: .acquiringAndReleasing)
        return Timestamp(milliseconds: moved.newValue)
    }

    /// Puts the clock to an instant, earlier or later.
    public func set(to now: Timestamp) {
        milliseconds.store(now.milliseconds, ordering: .releasing)
    }
}

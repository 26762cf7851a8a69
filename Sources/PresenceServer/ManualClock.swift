import Presence
import PresenceStore
import Synchronization

/// A clock that stands still until it is told to move: for tests of the whole server (`manual-clock yes`), where `PRESENCE.ADVANCE` moves it.
///
/// With it the server never advances time by itself, and serves all connections on one event loop, so that a test sees one order of things. What moving it
/// makes due has been sent when `PRESENCE.ADVANCE` answers, however long that takes: events, and frames of all whose window is over.
public final class ManualClock: PresenceClock {
    private let milliseconds: Atomic<Int64>

    /// A clock that stands at `start`; by default the first of January 2026, 00:00 UTC.
    public init(start: Timestamp = Timestamp(milliseconds: 1_767_225_600_000)) {
        milliseconds = Atomic(start.milliseconds)
    }

    /// The instant it was last moved to.
    public func now() -> Timestamp {
        Timestamp(milliseconds: milliseconds.load(ordering: .relaxed))
    }

    /// True: the store announces at the very millisecond to which it was moved.
    public var isHeld: Bool { true }

    /// Moves it on. It cannot be moved back: a negative number moves it by nothing.
    public func advance(byMilliseconds delta: Int64) {
        milliseconds.wrappingAdd(max(0, delta), ordering: .relaxed)
    }
}

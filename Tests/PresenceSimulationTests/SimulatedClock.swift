import Presence
import Synchronization

@testable import PresenceStore

/// A node's clock in a simulation: the service's own slewed time over a wall clock that is off and may be stepped.
final class SimulatedClock: PresenceClock {
    /// 2025-01-01T00:00:00Z in nanoseconds: when simulated time begins.
    static let epoch: Int64 = 1_735_689_600_000_000_000

    private struct State {
        var time: SlewedTime
        /// Nanoseconds of simulated time.
        var world: Int64 = 0
        /// Nanoseconds by which the wall clock is off.
        var skew: Int64
    }

    private let state: Mutex<State>

    init(world: Int64, skew: Int64) {
        state = Mutex(
            State(
                time: SlewedTime(boot: world, wall: SimulatedClock.epoch + world + skew), world: world, skew: skew))
    }

    /// The instant that the world has come to, in nanoseconds.
    func set(world: Int64) {
        state.withLock { state in
            state.world = world
            if state.time.wantsWall(boot: world) {
                state.time.correct(boot: world, wall: SimulatedClock.epoch + world + state.skew)
            }
        }
    }

    /// Somebody sets the wall clock.
    func step(byMilliseconds step: Int64) { state.withLock { $0.skew += step * 1_000_000 } }

    /// The instant that the world has come to.
    var worldMilliseconds: Int64 { state.withLock { $0.world / 1_000_000 } }

    func now() -> Timestamp { state.withLock { $0.time.now(boot: $0.world) } }
}

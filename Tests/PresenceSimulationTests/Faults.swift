import PresenceReplication
import PresenceTesting
import Synchronization

extension Simulation {
    /// Decides at which fault points something fails, and counts.
    final class Faults: Sendable {
        private let state: Mutex<(random: SeededRandom, fired: [FaultPoint: Int], isOn: Bool)>

        init(seed: UInt64, isOn: Bool) { state = Mutex((SeededRandom(seed: seed ^ 0xFA17), [:], isOn)) }

        func fails(_ point: FaultPoint) -> Bool {
            state.withLock { state in
                guard state.isOn, state.random.chance(oneIn: Faults.rarity(point)) else { return false }
                state.fired[point, default: 0] += 1
                return true
            }
        }

        func end() { state.withLock { $0.isOn = false } }

        var fired: [FaultPoint: Int] { state.withLock { $0.fired } }

        /// Once in how many times.
        private static func rarity(_ point: FaultPoint) -> Int {
            switch point {
            case .cutAfterGreeting, .untoldPositions: 6
            case .cutWithinCopy: 2
            case .repeatedFlush: 2
            case .lostBeat, .unknownBeat, .lostDifference: 12
            case .logOverwritten: 400
            case .lateAcknowledge: 40
            case .refusedImage: 200
            case .falseDifference: 300
            }
        }
    }
}

import Presence
import PresenceTesting

/// Facts from a small world, 60 instants and few ids, so that ties, ends and overlaps are common.
extension SeededRandom {
    mutating func instant(_ range: ClosedRange<Int64> = 0...60) -> Timestamp {
        Timestamp(milliseconds: Int64.random(in: range, using: &self))
    }

    mutating func maybe<Value>(_ value: (inout SeededRandom) -> Value) -> Value? {
        Bool.random(using: &self) ? value(&self) : nil
    }

    mutating func policy() -> Policy {
        var policy = Policy()
        policy.heartbeatHardLimit = Int64.random(in: 5...50, using: &self)
        policy.idleAfter = Int64.random(in: 1...20, using: &self)
        policy.awayAfter = Int64.random(in: 1...40, using: &self)
        policy.disconnectGrace = Int64.random(in: 0...10, using: &self)
        policy.lostGrace = Int64.random(in: 0...20, using: &self)
        if chance(oneIn: 3) {
            let began = instant()
            policy.storm = Storm(
                began: began, heldUntil: began.advanced(byMilliseconds: Int64.random(in: 0...60, using: &self)),
                spreadMilliseconds: Int64.random(in: 0...20, using: &self))
        }
        return policy
    }

    mutating func session() -> Session {
        Session(
            incarnation: stamp(), heartbeat: instant(), ttlMilliseconds: Int64.random(in: 0...60, using: &self),
            activity: maybe { $0.instant() }, brought: chance(oneIn: 4) ? pick(SessionStatus.allCases) : nil,
            isPassive: chance(oneIn: 4),
            closed: chance(oneIn: 3)
                ? Closure(
                    at: instant(), isLoss: Bool.random(using: &self), leavesGrace: !chance(oneIn: 4),
                    isOfGateway: chance(oneIn: 4)) : nil)
    }

    mutating func stamp() -> Stamp {
        Stamp(
            instant(0...3), counter: Int.random(in: 0...1, using: &self), node: UInt8.random(in: 0...2, using: &self))
    }

    mutating func manual() -> Register<ManualStatus> {
        Register(stamp: stamp(), value: maybe { $0.pick(ManualStatus.allCases) }, until: maybe { $0.instant(0...90) })
    }

    mutating func facts() -> UserFacts {
        var facts = UserFacts()
        for _ in 0..<Int.random(in: 0...5, using: &self) { facts.sessions[[pick(0...4)]] = session() }
        facts.manual = manual()
        facts.text = Register(
            stamp: stamp(), value: maybe { $0.bytes(0...2).map { $0 & 1 } }, until: maybe { $0.instant() })
        facts.lastSeen = maybe { $0.instant() }
        return facts
    }
}

/// The bytes that a writer appends to an `OutputSpan` with room for `capacity`.
func written(_ capacity: Int, _ write: (inout OutputSpan<UInt8>) -> Void) -> [UInt8] {
    [UInt8](unsafeUninitializedCapacity: capacity) { buffer, count in
        var out = OutputSpan(buffer: buffer, initializedCount: 0)
        write(&out)
        count = out.finalize(for: buffer)
    }
}

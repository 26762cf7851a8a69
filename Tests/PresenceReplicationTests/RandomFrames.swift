import Presence
import PresenceTesting

@testable import PresenceReplication

/// Frames made at random, within their bounds, with a liking for the bounds themselves.
struct RandomFrames {
    /// The version whose links the frames travel on.
    var version: UInt16 = ProtocolVersions.current
    /// The longest list, and the longest image.
    var longest = 20

    /// One that an open link carries.
    func frame(_ random: inout SeededRandom) -> Frame {
        switch Int.random(in: 0..<14, using: &random) {
        case 0: return .ping(Ping(sent: instant(&random)))
        case 1:
            return .pong(
                Pong(sent: instant(&random), received: instant(&random), answered: instant(&random)))
        case 2: return .changes(changes(&random))
        case 3:
            return .acknowledge(
                list(&random) { random in
                    ShardPosition(shard: UInt16.random(in: 0..<1024, using: &random), position: word(&random))
                })
        case 4:
            return .beats(
                Beats(
                    asOf: Timestamp(milliseconds: Int64.random(in: 0...FrameLimits.clock, using: &random)),
                    list(&random) { random in
                        Beat(
                            user: word(&random), session: word(&random),
                            heartbeatAge: UInt32(truncatingIfNeeded: word(&random)),
                            activityAge: Bool.random(using: &random) ? UInt32(truncatingIfNeeded: word(&random)) : nil)
                    }))
        case 5:
            return .digest(
                list(&random) { random in
                    let counts = version >= ProtocolVersions.countsInDigests && Bool.random(using: &random)
                    let count = UInt32(truncatingIfNeeded: word(&random))
                    return RangeDigest(range(&random), digest: word(&random), count: counts ? count : nil)
                })
        case 6:
            let token = UInt32.random(in: 0 ... .max, using: &random)
            return .request(RecordRequest(token: token, ranges: list(&random) { random in range(&random) }))
        case 7:
            let done = word(&random)
            return .records(
                RecordSlice(
                    token: UInt32.random(in: 0 ... .max, using: &random), range: range(&random),
                    isLast: Bool.random(using: &random), done: done,
                    total: UInt64.random(in: done...UInt64.max, using: &random), images: images(&random)))
        case 8: return .flush(Stamp(rawValue: word(&random)))
        case 9 where version >= ProtocolVersions.hasNews:
            return .news((0..<random.pick([1, 2, 3])).map { _ in changes(&random) })
        case 11 where version >= ProtocolVersions.hasPositions:
            return .positions(
                (0..<random.pick([1, 2, 255])).map { _ in
                    NodePositions(
                        node: UInt8.random(in: 1...255, using: &random), incarnation: word(&random),
                        positions: Bool.random(using: &random) ? [] : list(&random) { random in word(&random) })
                })
        case 12:
            return .settings(
                SharedSettings((0..<random.pick([0, 1, 32])).map { .init("setting-\($0)", text(0...64, &random)) }))
        case 10: return .drain(seconds: random.pick([0, 1, 30, 86_400]))
        default:
            let reason = Goodbye.Reason(rawValue: UInt16.random(in: 0 ... .max, using: &random))
            return .goodbye(Goodbye(reason, text(0...512, &random)))
        }
    }

    private func changes(_ random: inout SeededRandom) -> Changes {
        let before = word(&random)
        let after = UInt64.random(in: before...UInt64.max, using: &random)
        let shard = UInt16.random(in: 0..<1024, using: &random)
        return Changes(shard: shard, before: before, after: after, images: images(&random))
    }

    /// One with which a link begins.
    func greeting(_ random: inout SeededRandom) -> Frame {
        switch Int.random(in: 0..<3, using: &random) {
        case 0:
            let lowest = UInt16.random(in: 1...3, using: &random)
            let highest = UInt16.random(in: lowest...9, using: &random)
            return .hello(Hello(versions: lowest...highest, identity: identity(&random)))
        case 1: return .welcome(Welcome(version: random.pick([1, 2, 3, .max]), identity: identity(&random)))
        default:
            let reason = Refusal.Reason(rawValue: UInt16.random(in: 0 ... .max, using: &random))
            return .refuse(Refusal(reason, text(0...512, &random)))
        }
    }

    func identity(_ random: inout SeededRandom) -> NodeIdentity {
        var settings: [String: String] = [:]
        for _ in 0..<random.pick([0, 1, 2, 5, 32]) { settings[text(1...48, &random)] = text(0...64, &random) }
        return NodeIdentity(
            cluster: text(1...64, &random), node: UInt8.random(in: 1...255, using: &random),
            name: text(1...64, &random), incarnation: word(&random),
            clock: Timestamp(milliseconds: random.pick([0, 1_764_108_000_123, FrameLimits.clock])),
            settings: SharedSettings(settings.map { .init($0.key, $0.value) }))
    }

    func images(_ random: inout SeededRandom) -> Images {
        var images = Images()
        for _ in 0..<random.pick([0, 1, 2, longest]) {
            _ = images.append(copy: random.bytes(1...longest))
        }
        return images
    }

    func range(_ random: inout SeededRandom) -> HashRange {
        HashRange(containing: word(&random), bits: random.pick([0, 1, 2, 7, 8, 16, 63, 64]))
    }

    private func list<Element>(
        _ random: inout SeededRandom, _ element: (inout SeededRandom) -> Element
    ) -> [Element] {
        (0..<random.pick([1, 2, 3, longest])).map { _ in element(&random) }
    }

    private func instant(_ random: inout SeededRandom) -> Int64 {
        random.pick([0, FrameLimits.microseconds, Int64.random(in: 0...FrameLimits.microseconds, using: &random)])
    }

    private func word(_ random: inout SeededRandom) -> UInt64 {
        random.pick([0, 1, .max, .max - 1, random.next(), random.next() >> 40])
    }

    /// A text of so many bytes, of scalars of one to four bytes.
    private func text(_ bytes: ClosedRange<Int>, _ random: inout SeededRandom) -> String {
        let length = random.pick([bytes.lowerBound, bytes.upperBound, Int.random(in: bytes, using: &random)])
        var text = ""
        while text.utf8.count < length {
            let next = random.pick(["a", "-", " ", "ö", "€", "🂡", "0"])
            if text.utf8.count + next.utf8.count <= length { text += next }
        }
        return text
    }
}

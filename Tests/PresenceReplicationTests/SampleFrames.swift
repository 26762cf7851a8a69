import Presence

@testable import PresenceReplication

/// The frames that `docs/PROTOCOL.md` shows byte by byte: each is the first one of an open link, or a greeting.
enum SampleFrames {
    static let clock = Timestamp(milliseconds: 1_764_108_000_123)

    static let alpha = NodeIdentity(
        cluster: "demo", node: 1, name: "alpha", incarnation: 1_764_107_000_000, clock: clock,
        settings: SharedSettings([.init("session-ttl", "90s"), .init("hard-limit", "6h")]))

    static let beta = NodeIdentity(
        cluster: "demo", node: 2, name: "beta", incarnation: 1_764_100_000_000, clock: clock,
        settings: SharedSettings([.init("session-ttl", "60s")]))

    static let quarter = HashRange(containing: 0x5EED_0000_0000_0001, bits: 2)

    static func images(_ images: [UInt8]...) -> Images {
        var all = Images()
        for image in images { _ = all.append(copy: image) }
        return all
    }

    /// By the name that the document gives them, with the version in which they are written.
    static var all: [(name: String, version: UInt16, frame: Frame)] {
        [
            ("hello", 2, .hello(Hello(versions: 1...2, identity: alpha))),
            ("welcome", 2, .welcome(Welcome(version: 2, identity: beta))),
            ("refuse", 2, .refuse(.cluster(answering: "demo", dialing: "test"))),
            ("ping", 2, .ping(Ping(sent: 1_764_108_000_123_456))),
            (
                "pong", 2,
                .pong(
                    Pong(
                        sent: 1_764_108_000_123_456, received: 1_764_108_000_124_156, answered: 1_764_108_000_124_186))
            ),
            ("changes", 2, .changes(Changes(shard: 5, before: 1000, after: 1003, images: images([1, 2, 3], [0xFF])))),
            ("acknowledge", 2, .acknowledge([.init(shard: 5, position: 1003), .init(shard: 6, position: 77)])),
            (
                "beats", 2,
                .beats(
                    Beats(
                        asOf: Timestamp(milliseconds: 1_763_000_000_123),
                        [
                            Beat(
                                user: 0x0102_0304_0506_0708, session: 0x1112_1314_1516_1718, heartbeatAge: 15,
                                activityAge: 60_000),
                            Beat(
                                user: 0x2122_2324_2526_2728, session: 0x3132_3334_3536_3738, heartbeatAge: 2000,
                                activityAge: nil),
                        ]))
            ),
            ("digest", 2, .digest([RangeDigest(quarter, digest: 0x0123_4567_89AB_CDEF, count: 1000)])),
            ("digest, version 1", 1, .digest([RangeDigest(quarter, digest: 0x0123_4567_89AB_CDEF, count: nil)])),
            ("request", 2, .request(RecordRequest(token: 7, ranges: [quarter]))),
            (
                "records", 2,
                .records(
                    RecordSlice(
                        token: 7, range: quarter, isLast: true, done: 2, total: 2, images: images([1, 2, 3], [4])))
            ),
            ("flush", 2, .flush(Stamp(clock, counter: 1, node: 1))),
            ("drain", 2, .drain(seconds: 30)),
            (
                "news", 3,
                .news([
                    Changes(shard: 5, before: 1000, after: 1003, images: images([1, 2, 3], [0xFF])),
                    Changes(shard: 6, before: 76, after: 77, images: images([4])),
                ])
            ),
            (
                "positions", 4,
                .positions([
                    NodePositions(node: 1, incarnation: 1_764_107_000_000, positions: [1003, 77]),
                    NodePositions(node: 3, incarnation: 1_764_100_000_000, positions: []),
                ])
            ),
            ("settings", 2, .settings(beta.settings)),
            ("goodbye", 2, .goodbye(Goodbye(.shutdown, "node 1 (alpha) stops"))),
        ]
    }
}

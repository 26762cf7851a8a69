import Presence

@testable import PresenceReplication

/// Payloads with one field out of its bounds, and the frames that would make them.
///
/// Made anew for each test: what a global holds in an enum with several payloads, the leak detector does not see and takes for lost.
var fieldsOutOfBounds: [OutOfBounds] { greetings + lists + numbers }

private func identity(
    node: UInt8 = 1, cluster: String = "demo", name: String = "alpha", clock: Int64 = 5,
    settings: SharedSettings = .init()
) -> NodeIdentity {
    NodeIdentity(
        cluster: cluster, node: node, name: name, incarnation: 1, clock: Timestamp(milliseconds: clock),
        settings: settings)
}

/// The payload of a welcome, piece by piece.
private func welcome(
    node: UInt8 = 1, cluster: [UInt8] = [4] + Array("demo".utf8), name: [UInt8] = [5] + Array("alpha".utf8),
    clock: UInt64 = 5, settings: [UInt8] = [0]
) -> [UInt8] {
    number(UInt16(2)) + [node] + cluster + name + number(UInt64(1)) + number(clock) + settings
}

private let long = String(repeating: "x", count: 65)
private let magic = Array("presence".utf8)

private var greetings: [OutOfBounds] {
    [
        OutOfBounds(
            "node 0", .welcome, welcome(node: 0), .node, 0, 1...255,
            .welcome(.init(version: 2, identity: identity(node: 0)))),
        OutOfBounds(
            "a cluster without a name", .welcome, welcome(cluster: [0]) + [0, 0], .cluster, 0, 1...64,
            .welcome(.init(version: 2, identity: identity(cluster: "")))),
        OutOfBounds(
            "a cluster's name of 65 bytes", .welcome, welcome(cluster: [65] + Array(long.utf8)), .cluster, 65, 1...64,
            .welcome(.init(version: 2, identity: identity(cluster: long)))),
        OutOfBounds(
            "a node's name of 65 bytes", .welcome, welcome(name: [65] + Array(long.utf8)), .nodeName, 65, 1...64,
            .welcome(.init(version: 2, identity: identity(name: long)))),
        OutOfBounds(
            "a name that is not UTF-8", .welcome, welcome(name: [2, 0xC3, 0x28]),
            .notText(type: .welcome, field: .nodeName)
        ),
        OutOfBounds(
            "a name with a line end", .welcome, welcome(name: [2, 65, 10]), .notText(type: .welcome, field: .nodeName),
            .welcome(.init(version: 2, identity: identity(name: "A\n")))),
        OutOfBounds(
            "a name with a C1 control character", .welcome, welcome(name: [2, 0xC2, 0x9B]),
            .notText(type: .welcome, field: .nodeName),
            .welcome(.init(version: 2, identity: identity(name: "\u{9B}")))),
        OutOfBounds(
            "a clock past 2527", .welcome, welcome(clock: 1 << 44), .clock, 1 << 44, 0...1 << 44 - 1,
            .welcome(.init(version: 2, identity: identity(clock: 1 << 44)))),
        OutOfBounds(
            "a clock before 1970", .welcome, welcome(clock: .max), .clock, .max, 0...1 << 44 - 1,
            .welcome(.init(version: 2, identity: identity(clock: -1)))),
        OutOfBounds(
            "33 settings", .welcome, welcome(settings: [33]), .settings, 33, 0...32,
            .welcome(
                .init(version: 2, identity: identity(settings: SharedSettings((10..<43).map { .init("\($0)", "") }))))),
        OutOfBounds(
            "a setting without a name", .welcome, welcome(settings: [1, 0, 0]), .settingName, 0, 1...48,
            .welcome(.init(version: 2, identity: identity(settings: SharedSettings([.init("", "")]))))),
        OutOfBounds(
            "a value of 65 bytes", .welcome, welcome(settings: [1, 1, 97, 65] + Array(long.utf8)), .settingValue, 65,
            0...64,
            .welcome(.init(version: 2, identity: identity(settings: SharedSettings([.init("a", long)]))))),
        OutOfBounds(
            "a setting that is there twice", .welcome, welcome(settings: [2, 1, 97, 0, 1, 97, 0]),
            .unordered(type: .welcome, field: .settingName),
            .welcome(.init(version: 2, identity: identity(settings: SharedSettings([.init("a", ""), .init("a", "")]))))),
        OutOfBounds(
            "settings that fall", .welcome, welcome(settings: [2, 1, 98, 0, 1, 97, 0]),
            .unordered(type: .welcome, field: .settingName)),
        OutOfBounds(
            "fewer settings than claimed", .welcome, welcome(settings: [2, 1, 97, 0]),
            .endsWithin(type: .welcome, field: .settingName)),
        OutOfBounds(
            "bytes after the last setting", .welcome, welcome(settings: [0, 9, 9]),
            .trailingBytes(type: .welcome, count: 2)
        ),
        OutOfBounds(
            "a link of version 0", .welcome, [0, 0] + welcome()[2...], .version, 0, 1...65_535,
            .welcome(.init(version: 0, identity: identity()))),
        OutOfBounds(
            "another protocol", .hello, Array("PRESENCE".utf8) + [1, 0, 2, 0] + welcome()[2...],
            .wrongMagic(0x4543_4E45_5345_5250)),
        OutOfBounds(
            "versions from 0", .hello, magic + [0, 0, 2, 0] + welcome()[2...], .lowestVersion, 0, 1...65_535,
            .hello(.init(versions: 0...2, identity: identity()))),
        OutOfBounds(
            "versions that fall", .hello, magic + [3, 0, 2, 0] + welcome()[2...], .highestVersion, 2, 3...65_535),
        OutOfBounds(
            "a reason that goes on", .refuse, [1, 0, 1, 0, 65, 66], .trailingBytes(type: .refuse, count: 1)),
        OutOfBounds("a reason cut short", .goodbye, [1, 0, 3, 0, 65], .endsWithin(type: .goodbye, field: .text)),
        OutOfBounds(
            "a text of 513 bytes", .goodbye, [1, 0, 1, 2] + [UInt8](repeating: 65, count: 512), .text, 513, 0...512),
        OutOfBounds(
            "a text with a tab", .goodbye, [1, 0, 1, 0, 9], .notText(type: .goodbye, field: .text)),
    ]
}

private var lists: [OutOfBounds] {
    [
        OutOfBounds(
            "no position", .acknowledge, [0, 0] + [UInt8](repeating: 0, count: 10), .count, 0, 1...1024,
            .acknowledge([])),
        OutOfBounds(
            "1025 positions", .acknowledge, [1, 4] + [UInt8](repeating: 0, count: 10_240), .count, 1025, 1...1024,
            .acknowledge([ShardPosition](repeating: .init(shard: 0, position: 0), count: 1025))),
        OutOfBounds(
            "two positions of which one came", .acknowledge, [2, 0] + [UInt8](repeating: 0, count: 10),
            .endsWithin(type: .acknowledge, field: .count)),
        OutOfBounds(
            "a position and a half", .acknowledge, [1, 0] + [UInt8](repeating: 0, count: 15),
            .trailingBytes(type: .acknowledge, count: 5)),
        OutOfBounds(
            "shard 1024", .acknowledge, [1, 0, 0, 4] + number(UInt64(1)), .shard, 1024, 0...1023,
            .acknowledge([.init(shard: 1024, position: 1)])),
        OutOfBounds(
            "no beat", .beats, number(UInt64(0)) + [0, 0] + [UInt8](repeating: 0, count: 24), .count, 0, 1...4096,
            .beats(Beats(asOf: Timestamp(milliseconds: 0), []))),
        OutOfBounds(
            "beats of the year 2527", .beats, number(UInt64(1) << 44) + [1, 0] + [UInt8](repeating: 0, count: 24),
            .asOf,
            1 << 44, 0...1 << 44 - 1,
            .beats(
                Beats(
                    asOf: Timestamp(milliseconds: 1 << 44),
                    [Beat(user: 0, session: 0, heartbeatAge: 0, activityAge: nil)]))),
        OutOfBounds(
            "4097 beats", .beats, number(UInt64(0)) + [1, 16] + [UInt8](repeating: 0, count: 24), .count, 4097,
            1...4096,
            .beats(
                Beats(
                    asOf: Timestamp(milliseconds: 0),
                    [Beat](repeating: Beat(user: 0, session: 0, heartbeatAge: 0, activityAge: nil), count: 4097)))),
        OutOfBounds(
            "a beat without an age", .beats,
            number(UInt64(0)) + [1, 0] + [UInt8](repeating: 1, count: 16) + number(UInt32.max) + number(UInt32(0)),
            .heartbeatAge,
            UInt64(UInt32.max), 0...UInt64(UInt32.max - 1)),
        OutOfBounds(
            "no digest", .digest, [0, 0] + [UInt8](repeating: 0, count: 21), .count, 0, 1...1024, .digest([])),
        OutOfBounds(
            "1025 digests", .digest, [1, 4] + [UInt8](repeating: 0, count: 21), .count, 1025, 1...1024,
            .digest([RangeDigest](repeating: RangeDigest(.everything, digest: 0, count: 0), count: 1025))),
        OutOfBounds(
            "a digest as version 1 has it", .digest, [1, 0] + [UInt8](repeating: 0, count: 17) + [0, 0, 0, 0, 0],
            .trailingBytes(type: .digest, count: 1)),
        OutOfBounds(
            "a range of 65 bits", .request, number(UInt32(1)) + [1, 0] + number(UInt64(0)) + [65], .rangeBits, 65,
            0...64),
        OutOfBounds(
            "a range that begins within itself", .request, number(UInt32(1)) + [1, 0] + number(UInt64(1)) + [63],
            .rangeStart, 1, 0...0),
        OutOfBounds(
            "no range", .request, number(UInt32(1)) + [0, 0] + [UInt8](repeating: 0, count: 9), .count, 0, 1...1024,
            .request(RecordRequest(token: 1, ranges: []))),
        OutOfBounds(
            "1025 ranges", .request, number(UInt32(1)) + [1, 4] + [UInt8](repeating: 0, count: 9), .count, 1025,
            1...1024,
            .request(RecordRequest(token: 1, ranges: [HashRange](repeating: .everything, count: 1025)))),
    ]
}

/// The payload of `changes` of shard 1, positions 2 and 3, with so many images and these bytes.
private func changes(_ count: UInt32, _ images: [UInt8]) -> [UInt8] {
    number(UInt16(1)) + number(UInt64(2)) + number(UInt64(3)) + number(count) + images
}

private var numbers: [OutOfBounds] {
    [
        OutOfBounds(
            "an instant past 2255", .ping, number(UInt64(1) << 53 + 1), .sent, 1 << 53 + 1, 0...1 << 53,
            .ping(Ping(sent: 1 << 53 + 1))),
        OutOfBounds(
            "an instant before 1970", .pong, number(UInt64(1)) + number(UInt64.max) + number(UInt64(1)), .received,
            .max,
            0...1 << 53, .pong(Pong(sent: 1, received: -1, answered: 1))),
        OutOfBounds(
            "changes of shard 1024", .changes, number(UInt16(1024)) + changes(0, [])[2...], .shard, 1024, 0...1023,
            .changes(Changes(shard: 1024, before: 2, after: 3))),
        OutOfBounds(
            "changes that go back", .changes,
            number(UInt16(1)) + number(UInt64(3)) + number(UInt64(2)) + number(UInt32(0)), .after, 2, 3...UInt64.max,
            .changes(Changes(shard: 1, before: 3, after: 2))),
        OutOfBounds("an image that is not there", .changes, changes(1, []), .count, 1, 0...0),
        OutOfBounds(
            "more images than the payload can hold", .changes, changes(.max, [1, 0, 0, 0, 7]), .count,
            UInt64(UInt32.max),
            0...1),
        OutOfBounds("an empty image", .changes, changes(1, [0, 0, 0, 0, 0]), .imageLength, 0, 1...65_536),
        OutOfBounds(
            "an image that goes past the payload", .changes, changes(1, [2, 0, 0, 0, 7]),
            .endsWithin(type: .changes, field: .images)),
        OutOfBounds(
            "an image past its bound", .changes, changes(1, [1, 0, 1, 0, 7]), .imageLength, 65_537, 1...65_536),
        OutOfBounds(
            "bytes after the last image", .changes, changes(1, [1, 0, 0, 0, 7, 8]),
            .trailingBytes(type: .changes, count: 1)
        ),
        OutOfBounds(
            "two images in place of three", .changes, changes(3, [1, 0, 0, 0, 7, 6, 0, 0, 0, 1, 2, 3, 4, 5, 6]),
            .endsWithin(type: .changes, field: .imageLength)),
        OutOfBounds(
            "news of shard 1024", .news, [1, 0, 0x80, 8, 3, 1, 0], .shard, 1024, 0...1023,
            .news([Changes(shard: 1024, before: 2, after: 3)])),
        OutOfBounds("news of nothing", .news, [0, 0, 1, 3, 1, 0], .count, 0, 1...1024, .news([])),
        OutOfBounds("news of 1025 shards", .news, [1, 4, 1, 3, 1, 0], .count, 1025, 1...1024),
        OutOfBounds("news that begin before the first", .news, [1, 0, 1, 3, 4, 0], .before, 4, 0...3),
        OutOfBounds("an empty image in news", .news, [1, 0, 1, 3, 1, 1, 0, 0], .imageLength, 0, 1...65_536),
        OutOfBounds(
            "a number in more bytes than it needs", .news, [1, 0, 1, 0x83, 0, 1, 0], .after, 3, 128...UInt64.max),
        OutOfBounds("more images than news can hold", .news, [1, 0, 1, 3, 1, 2, 1, 7], .count, 2, 0...1),
        OutOfBounds("news that end early", .news, [2, 0, 1, 3, 1, 0], .endsWithin(type: .news, field: .count)),
        OutOfBounds(
            "more done than there is", .records,
            number(UInt32(1)) + number(UInt64(0)) + [0] + number(UInt64(5)) + number(UInt64(4)) + number(UInt32(0)),
            .total,
            4, 5...UInt64.max,
            .records(RecordSlice(token: 1, range: .everything, isLast: true, done: 5, total: 4))),
        OutOfBounds(
            "positions of nobody", .positions, number(UInt16(0)) + [UInt8](repeating: 0, count: 11), .count, 0,
            1...255, .positions([])),
        OutOfBounds(
            "positions of 256 nodes", .positions, number(UInt16(256)) + [UInt8](repeating: 0, count: 11), .count, 256,
            1...255,
            .positions([NodePositions](repeating: .init(node: 1, incarnation: 0, positions: []), count: 256))),
        OutOfBounds(
            "positions of node 0", .positions, number(UInt16(1)) + [0] + number(UInt64(1)) + number(UInt16(0)), .node,
            0,
            1...255, .positions([.init(node: 0, incarnation: 1, positions: [])])),
        OutOfBounds(
            "positions of 1025 shards", .positions, number(UInt16(1)) + [1] + number(UInt64(1)) + number(UInt16(1025)),
            .shards, 1025, 0...1024,
            .positions([.init(node: 1, incarnation: 1, positions: [UInt64](repeating: 0, count: 1025))])),
        OutOfBounds(
            "fewer positions than shards", .positions,
            number(UInt16(1)) + [1] + number(UInt64(1)) + number(UInt16(2)) + number(UInt64(7)),
            .endsWithin(type: .positions, field: .position)),
        OutOfBounds(
            "fewer nodes than claimed", .positions, number(UInt16(2)) + [1] + number(UInt64(1)) + number(UInt16(0)),
            .endsWithin(type: .positions, field: .count)),
        OutOfBounds(
            "a farewell of more than a day", .drain, number(UInt32(86_401)), .seconds, 86_401, 0...86_400,
            .drain(seconds: 86_401)),
    ]
}

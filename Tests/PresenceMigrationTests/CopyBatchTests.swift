import Testing

@testable import PresenceMigration

@Suite("A batch of keys")
struct CopyBatchTests {
    private let names: KeyNames
    private var counts = MigrationCounts()
    private var mirror = Mirror(isKept: true)

    init() throws {
        var names = try KeyNames(pattern: "status:*", prefix: nil)
        names.targetPrefix = [UInt8]("presence:user:")
        self.names = names
    }

    private static let json = #"{"status":"online","connectionId":"a"}"#

    /// Copies keys of which the source says `kinds` and `values`; returns what the target is sent, which it takes.
    private mutating func copy(
        _ keys: [String], change: KeyChange = .written, kinds: [String], values: [Reply], target: [Reply]? = nil,
        again: ([UInt8]) -> Void = { _ in }
    ) throws -> [String] {
        var batch = CopyBatch(
            keys.map { ChangedKeys.Entry(key: [UInt8]($0), change: change) }, names: names,
            hardLimitMilliseconds: 300_000)
        #expect(batch.kinds().count == keys.count)
        let reads = try batch.values(kinds.map { .text($0) }, &counts)
        #expect(reads.count == values.count)
        let commands = try batch.commands(values, &mirror, &counts, again: again)
        try batch.finish(target ?? .init(repeating: .text("OK"), count: commands.count), &mirror, &counts)
        return words(commands)
    }

    /// Commands as text, one each.
    private func words(_ requests: Requests) -> [String] {
        let parts = String(decoding: requests.bytes, as: UTF8.self).split(separator: "\r\n")
        var commands: [String] = []
        for (index, part) in parts.enumerated() where index == 0 || !part.hasPrefix("$") {
            if part.hasPrefix("*") {
                commands.append("")
            } else {
                commands[commands.count - 1] += (commands[commands.count - 1].isEmpty ? "" : " ") + part
            }
        }
        return commands
    }

    @Test("is written as SET with the TTL that is left, under the target's prefix")
    mutating func writes() throws {
        let sent = try copy(["status:ann"], kinds: ["string"], values: [.bytes([UInt8](Self.json)), .integer(41_500)])
        #expect(sent == ["SET presence:user:ann \(Self.json) PX 41500"])
        #expect((counts.json, counts.keys, mirror.count) == (1, 1, 1))
    }

    @Test("has its TTL cut to the hard limit, or left to the target")
    mutating func lifetimes() throws {
        let value = Reply.bytes([UInt8](Self.json))
        let sent = try copy(
            ["status:ann", "status:bob"], kinds: ["string", "string"],
            values: [value, .integer(300_001), value, .integer(-1)])
        #expect(sent == ["SET presence:user:ann \(Self.json) PX 300000", "SET presence:user:bob \(Self.json)"])
        #expect((counts.shortened, counts.withoutTTL) == (1, 1))
    }

    @Test("writes nothing for keys that are gone, offline, bad, or of another kind")
    mutating func nothing() throws {
        let sent = try copy(
            ["status:a", "status:b", "status:c", "status:d", "status:e", "status:"],
            kinds: ["none", "string", "string", "string", "zset", "string"],
            values: [
                .null, .integer(-2), .bytes([UInt8]("offline")), .integer(9), .bytes([UInt8]("1")), .integer(9),
                .bytes([UInt8](Self.json)), .integer(9),
            ])
        #expect(sent.isEmpty)
        #expect((counts.gone, counts.offline, counts.bad, counts.otherKinds) == (2, 1, 2, ["zset": 1]))
        #expect(counts.badExamples.map { MigrationReport.spell($0.key) } == ["status:d", "status:"])
    }

    @Test("ends a session when its key is deleted or says offline, and only one that was written here")
    mutating func ends() throws {
        _ = try copy(["status:ann"], kinds: ["string"], values: [.bytes([UInt8](Self.json)), .integer(9)])
        #expect(try copy(["status:bob"], change: .ended, kinds: ["none"], values: []).isEmpty)
        let end = "PRESENCE.DISCONNECT presence:user:ann a"
        #expect(try copy(["status:ann"], change: .ended, kinds: ["none"], values: [], target: [.integer(1)]) == [end])
        #expect(try copy(["status:ann"], change: .ended, kinds: ["none"], values: []).isEmpty, "once")
        _ = try copy(["status:ann"], kinds: ["string"], values: [.bytes([UInt8](Self.json)), .integer(9)])
        #expect(
            try copy(["status:ann"], kinds: ["string"], values: [.bytes([UInt8]("offline")), .integer(9)]) == [end])
        #expect(counts.ended == 2)
    }

    @Test("leaves a session whose key ran out to the target, which gave it the same time")
    mutating func expiry() throws {
        _ = try copy(["status:ann"], kinds: ["string"], values: [.bytes([UInt8](Self.json)), .integer(9)])
        #expect(try copy(["status:ann"], change: .expired, kinds: ["none"], values: []).isEmpty)
        #expect(mirror.count == 0)
    }

    // A page of SCAN may name a key twice, and a key may be deleted between its two writes and their reading.
    @Test("knows a session whose key is gone until it hears why")
    mutating func goneBeforeItsEvent() throws {
        _ = try copy(["status:ann"], kinds: ["string"], values: [.bytes([UInt8](Self.json)), .integer(9)])
        #expect(try copy(["status:ann"], kinds: ["none"], values: []).isEmpty)
        let end = "PRESENCE.DISCONNECT presence:user:ann a"
        #expect(try copy(["status:ann"], change: .ended, kinds: ["none"], values: [], target: [.integer(1)]) == [end])
        #expect(mirror.count == 0)
    }

    @Test("replaces a session by a newer one, without an instant in between")
    mutating func replaces() throws {
        _ = try copy(["status:ann"], kinds: ["string"], values: [.bytes([UInt8](Self.json)), .integer(9)])
        let newer = #"{"status":"online","connectionId":"b"}"#
        let sent = try copy(["status:ann"], kinds: ["string"], values: [.bytes([UInt8](newer)), .integer(9)])
        #expect(sent == ["SET presence:user:ann \(newer) PX 9", "PRESENCE.DISCONNECT presence:user:ann a"])
        #expect(mirror.session(ofUser: [UInt8]("ann")) == [UInt8]("b"))
    }

    @Test("counts what the target refuses, with examples, and goes on")
    mutating func refusals() throws {
        let value = Reply.bytes([UInt8](Self.json))
        let keys = (0..<8).map { "status:\($0)" }
        _ = try copy(
            keys, kinds: keys.map { _ in "string" }, values: keys.flatMap { _ in [value, .integer(9)] },
            target: keys.indices.map { $0 == 3 ? .text("OK") : .error("OOM command not allowed") })
        #expect((counts.refused, counts.json, mirror.count) == (7, 1, 1))
        #expect(counts.refusedExamples.count == MigrationCounts.maximumExamples)
        #expect(counts.refusedExamples[0].why == "OOM command not allowed")
    }

    @Test("reads a key again that changed its kind in between")
    mutating func kindChanged() throws {
        var again: [[UInt8]] = []
        let sent = try copy(
            ["status:ann"], kinds: ["string"], values: [.error("WRONGTYPE Operation against"), .integer(9)]
        ) { again.append($0) }
        #expect(sent.isEmpty)
        #expect(again == [[UInt8]("status:ann")])
    }

    @Test("tells a source that refuses from one that is still loading")
    mutating func failures() throws {
        var batch = CopyBatch(
            [.init(key: [UInt8]("status:a"), change: .written)], names: names, hardLimitMilliseconds: 1)
        #expect(throws: MigrationError.refused(.source, "TYPE", "NOPERM no")) {
            try batch.values([.error("NOPERM no")], &counts)
        }
        #expect(throws: MigrationError.lost(.source, "LOADING Redis is loading the dataset in memory")) {
            try batch.values([.error("LOADING Redis is loading the dataset in memory")], &counts)
        }
    }
}

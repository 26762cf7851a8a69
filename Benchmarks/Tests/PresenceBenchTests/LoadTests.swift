import Foundation
import Testing

@testable import presence_bench

@Suite("What a load asks and takes for an answer")
struct LoadTests {
    private func length(_ expected: ExpectedReply, _ text: String) throws -> Int? {
        try Array(text.utf8).withUnsafeBytes { try expected.length(in: $0) }
    }

    @Test("one of several replies, and arrays of them, are taken when they are whole")
    func choices() throws {
        #expect(try length(.truth, ":0\r\n:1\r\n") == 4)
        #expect(try length(.truth, ":") == nil)
        #expect(throws: BenchError.self) { try length(.truth, ":2\r\n") }
        let record = ExpectedReply.oneOf([.null, .bulk(containing: "\"status\":\"")])
        let two = ExpectedReply.array(count: 2, of: [record])
        let whole = "*2\r\n$-1\r\n$17\r\n{\"status\":\"away\"}\r\n"
        #expect(try length(two, whole + "+OK") == whole.utf8.count)
        for count in 0..<whole.utf8.count {
            #expect(try length(two, String(decoding: whole.utf8.prefix(count), as: UTF8.self)) == nil)
        }
        #expect(throws: BenchError.self) { try length(two, "*3\r\n$-1\r\n") }
        #expect(throws: BenchError.self) { try length(two, "*2\r\n$-1\r\n$2\r\nno\r\n") }
    }

    @Test("a wrong reply names the command that was asked")
    func names() throws {
        let commands = LoadCommands(0..<2, .exact("+OK\r\n")) { ["SET", "key:\($0)", "value", "EX", "300"] }
        #expect(commands.count == 2)
        #expect(Array(commands[1]) == Connection.encoded(["SET", "key:1", "value", "EX", "300"]))
        let error = #expect(throws: BenchError.self) {
            try Array("-ERR no\r\n".utf8).withUnsafeBytes { try commands.replyLength(1, in: $0) }
        }
        #expect(error?.description == "SET key:1 value EX ... was answered \"-ERR no\\r\\n\"")
    }

    @Test("processes share connections and rate without a rest")
    func shares() {
        let job = LoadJob(
            address: ServerAddress(port: 1), way: .get, users: 1_000, connections: 50, pipeline: 1, seconds: 1,
            rate: 1_000)
        for count in 1...7 {
            let parts = job.divided(by: count)
            #expect(parts.map(\.connections).reduce(0, +) == 50)
            #expect(parts.allSatisfy { $0.connections > 0 && $0.parts == count && $0.connectionsOfAll == 50 })
            #expect(parts.flatMap { $0.firstConnection..<$0.firstConnection + $0.connections } == Array(0..<50))
            #expect(abs(parts.compactMap(\.rate).reduce(0, +) - 1_000) < 1e-6)
        }
    }

    @Test("what processes did adds up")
    func outcomes() throws {
        var one = LoadOutcome()
        one.operations = 3
        one.elapsed = 2
        for nanoseconds in [1_000, 2_000, 3_000] as [UInt64] { _ = one.latency.record(nanoseconds) }
        var two = one
        two.elapsed = 1
        let other = try JSONDecoder().decode(LoadOutcome.self, from: JSONEncoder().encode(two))
        one.merge(other)
        #expect(one.operations == 6 && one.elapsed == 2 && one.latency.totalCount == 6)
        one.append(two)
        #expect(one.operations == 9 && one.elapsed == 3 && one.latency.totalCount == 9)
    }

    @Test("a view of who was blocked must say offline, and only where users have relations")
    func views() throws {
        let order = LoadWay.order(of: 1_000)
        let statuses = (0..<100).map { LoadWay.bulk($0 % 10 == 0 ? "offline" : "online") }
        let reply = "*100\r\n" + statuses.joined()
        for list in [0, 11, 999] {
            let length = try Array(reply.utf8).withUnsafeBytes {
                try ViewWork.related.commands(order).replyLength(list, in: $0)
            }
            #expect(length == reply.utf8.count)
            #expect(throws: BenchError.self) {
                try Array(reply.utf8).withUnsafeBytes {
                    try ViewWork.strangers.commands(order).replyLength(list, in: $0)
                }
            }
            // A user is on a list once, and no viewer is one of them.
            let users = (0..<100).map { ViewWork.user(order, list: list, place: $0) }
            #expect(Set(users).count == 100)
            #expect(
                !users.map { Heartbeat.key(Heartbeat.name($0)) }.contains(
                    ViewWork.strangers.viewer(of: list, users: 1_000)))
        }
    }

    @Test("further ways are held against presenced's own first, not against those of others")
    func besideFirst() {
        func result(_ work: String, _ server: String, _ way: String, _ microseconds: Double) -> LoadResult {
            var result = LoadResult(work: work, server: server, way: way)
            var outcome = LoadOutcome()
            outcome.operations = 1
            outcome.elapsed = 1
            result.add(outcome, processor: UInt64(microseconds * 1_000))
            return result
        }
        let notes = LoadResult.besideFirst([
            result("view", "presenced", "one", 2), result("view", "presenced", "two", 3),
            result("view", "presenced", "three", 1), result("view", "Redis", "one", 50),
            result("get", "presenced", "one", 2), result("get", "Redis", "two", 2),
        ])
        #expect(notes == ["*view*: beside presenced's own one: two 1.50; three 0.50."])
    }

    @Test("who cannot be divided among processes says why, and others can")
    func alone() {
        for work in ["fan-out", "expiry", "connect-known"] {
            for option in [["--processes", "2"], ["--rate", "100"], ["--pipeline", "2"]] {
                let error = #expect(throws: (any Error).self) { try LoadCommand.parse([work] + option) }
                #expect(
                    error.map {
                        LoadCommand.message(for: $0).contains("\(work) is without --rate, --processes and --pipeline: ")
                    } == true)
            }
            #expect(throws: Never.self) { try LoadCommand.parse([work]) }
        }
        #expect(throws: Never.self) { try LoadCommand.parse(["mixed", "get", "connect-storm", "--processes", "2"]) }
    }

    @Test("a reply to another command is a wrong one, and a bulk that does not end is none")
    func replies() throws {
        let connection = LoadJob(
            address: ServerAddress(port: 1), way: .get, users: 1_000, connections: 1, pipeline: 1, seconds: 1)
        let order = LoadWay.order(of: connection.users)
        let other = LoadWay.bulk(LoadWorkload.value(order[1]))
        let gets = LoadWay.gets(order)
        #expect(throws: BenchError.self) {
            try Array(other.utf8).withUnsafeBytes { try gets.replyLength(0, in: $0) }
        }
        #expect(try Array(other.utf8).withUnsafeBytes { try gets.replyLength(1, in: $0) } == other.utf8.count)
        #expect(Set((0..<LoadWorkload.values).map(LoadWorkload.value)).count == LoadWorkload.values)
        #expect((0..<1_000).allSatisfy { LoadWorkload.value($0).utf8.count == LoadWorkload.valueBytes })
        let record = ExpectedReply.bulk(containing: "4")
        #expect(try length(record, "$2\r\n42\r\n") == 8)
        #expect(throws: BenchError.self) { try length(record, "$4\r\nnone\r\n") }
        #expect(throws: BenchError.self) { try length(record, "$2\r\n42!!") }
    }

    @Test("a goal is held or not by the better of the others, as the table shows it")
    func goals() {
        func result(_ server: String, _ way: String, _ microseconds: Double) -> LoadResult {
            var result = LoadResult(work: "heartbeat", server: server, way: way)
            var outcome = LoadOutcome()
            outcome.operations = 1
            outcome.elapsed = 1
            result.add(outcome, processor: UInt64(microseconds * 1_000))
            return result
        }
        let others = [
            result("Redis", Heartbeat.expire.name, 1.5), result("Redis", Heartbeat.script.name, 4),
            result("Valkey", Heartbeat.expire.name, 1.0), result("Valkey", Heartbeat.script.name, 5),
        ]
        let table = { (own: Double, pipeline: Int?) in
            LoadResult.table([result("presenced", "PRESENCE.BEAT", own)] + others, "", pipeline: pipeline).rows[0]
        }
        #expect(table(0.85, 16).contains("0.22 held, 0.85 held"))
        #expect(table(0.87, 16).contains("0.22 held, 0.85 not held"))
        #expect(table(0.9, 16).contains("0.22 not held, 0.85 not held"))
        #expect(table(0.9, nil)[6].isEmpty)
        #expect(table(0.8, 16)[5] == "0.80, 0.20")
    }
}

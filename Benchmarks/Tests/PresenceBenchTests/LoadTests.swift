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
        var replies: Set<String> = []
        for list in [0, 11, 999] {
            let statuses = (0..<100).map { place in
                let user = ViewWork.user(order, list: list, place: place)
                return LoadWay.bulk(place % 10 == 0 ? "offline" : user % 16 == 7 ? "dnd" : "online")
            }
            let reply = "*100\r\n" + statuses.joined()
            #expect(replies.insert(reply).inserted)
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

    /// A result of a load by 16, with such processor times, microseconds, a round each.
    private func result(
        _ work: String, _ server: String, _ way: String, _ microseconds: Double..., by pipeline: Int? = 16
    )
        throws -> LoadResult
    {
        var conditions = LoadConditions(rounds: microseconds.count)
        conditions.pipeline = pipeline
        return try result(work, server, way, conditions, microseconds)
    }

    private func result(
        _ work: String, _ server: String, _ way: String, _ conditions: LoadConditions, _ microseconds: [Double]
    ) throws -> LoadResult {
        var result = LoadResult(work: work, server: server, way: way, conditions)
        for value in microseconds {
            var outcome = LoadOutcome()
            outcome.operations = 1_000_000
            // Who costs more is slower, too.
            outcome.elapsed = value
            try outcome.record(Int64(value * 100_000))
            result.add(
                LoadStage(outcome: outcome, processor: UInt64(value * 1e9), residentBytes: Int(value * 10_000_000)))
        }
        return result
    }

    @Test("further ways are held against presenced's own first, not against those of others")
    func besideFirst() throws {
        let notes = LoadTables.besideFirst([
            try result("view", "presenced", "one", 2), try result("view", "presenced", "two", 3),
            try result("view", "presenced", "three", 1), try result("view", "Redis", "one", 50),
            try result("get", "presenced", "one", 2), try result("get", "Redis", "two", 2),
        ])
        #expect(notes == ["*view*: beside presenced's own one: two 1.50; three 0.50."])
    }

    @Test("who cannot be divided among processes says why, and others can")
    func alone() {
        for work in ["fan-out", "expiry", "connect-known"] {
            for option in [["--processes", "2"], ["--rate", "100"], ["--pipeline", "2"], ["--connections", "7"]] {
                let error = #expect(throws: (any Error).self) { try LoadCommand.parse([work] + option) }
                #expect(
                    error.map {
                        LoadCommand.message(for: $0).contains(
                            "\(work) is without --connections, --processes, --pipeline and --rate: ")
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

    /// Redis and Valkey, by bare EXPIRE and by a script.
    private func others() throws -> [LoadResult] {
        [
            try result("heartbeat", "Redis", Heartbeat.expire.name, 1.5),
            try result("heartbeat", "Redis", Heartbeat.script.name, 4),
            try result("heartbeat", "Valkey", Heartbeat.expire.name, 1.0),
            try result("heartbeat", "Valkey", Heartbeat.script.name, 5),
        ]
    }

    @Test("a goal is held or not by the better of the others, as the table shows it, and stands where its ratio does")
    func goals() throws {
        func row(_ own: Double, by pipeline: Int?) throws -> [String] {
            let results =
                [
                    try result("heartbeat", "presenced", "PRESENCE.BEAT", own, by: pipeline)
                ] + (try others())
            return LoadTables.server(results, "").rows[0]
        }
        #expect(try row(0.85, by: 16)[4...5] == ["0.85, 0.21", "0.85 yes, 0.22 yes"])
        #expect(try row(0.87, by: 16)[4...5] == ["0.87, 0.22", "0.85 no, 0.22 yes"])
        #expect(try row(0.9, by: 16)[5] == "0.85 no, 0.22 no")
        #expect(try row(0.8, by: 64)[5].isEmpty)
    }

    @Test("a message to a thousand has a goal as a ratio, a change that presenced tells by itself has none")
    func fanOutGoal() throws {
        let conditions = try LoadOptions.parse([]).conditions(of: .fanOut)
        let results = [
            try result("fan-out", "presenced", FanOutWork.message.name, conditions, [0.44]),
            try result("fan-out", "presenced", FanOutWork.event.name, conditions, [0.2]),
            try result("fan-out", "Redis", FanOutWork.message.name, conditions, [0.6]),
        ]
        let rows = LoadTables.server(results, "").rows
        #expect(rows.map { $0[5] } == ["0.50 no", "", ""])
        var fewer = conditions
        fewer.subscribers = 100
        #expect(LoadGoal.all(of: "fan-out", way: FanOutWork.message.name, fewer).isEmpty)
    }

    @Test("each work states its own conditions, and options that it does not take are refused")
    func conditions() throws {
        let options = try LoadOptions.parse(["--users", "2000", "--subscribers", "77", "--rounds", "5"])
        let text = { (work: LoadWorkload) in options.conditions(of: work).text }
        #expect(text(.get) == "50 connections, 1 a write, 2 000 users, 5 rounds in turns")
        #expect(text(.fanOut) == "1 publisher, 16 messages a write to 77 subscribers, 5 rounds in turns")
        #expect(text(.connectKnown) == "1 connection, 16 a write, 4 000 users, 5 rounds in turns")
        #expect(text(.expiry) == "200 of 2 000 users run out within 5 s, 1 round")
        let open = try LoadOptions.parse(["--rate", "20000", "--processes", "2", "--connections", "8"])
        #expect(
            open.conditions(of: .get).text
                == "8 connections of 2 processes, 20 000 commands a second, 100 000 users, 3 rounds in turns")
        for wrong in [
            ["get", "--subscribers", "5"], ["fan-out", "--users", "5000"], ["expiry", "--seconds", "3"],
            ["expiry", "--rounds", "3"], ["connect-storm", "--seconds", "3"], ["get", "--floor"],
            ["get", "--rate", "100", "--pipeline", "2"],
        ] {
            #expect(throws: (any Error).self, "\(wrong)") { try LoadCommand.parse(wrong) }
        }
        for right in [["get", "fan-out", "--subscribers", "5"], ["expiry", "get", "--seconds", "3"], ["--floor"]] {
            #expect(throws: Never.self, "\(right)") { try LoadCommand.parse(right) }
        }
    }

    @Test("ends that come by the clock have no throughput and no ratio of processor time")
    func byTheClock() throws {
        let conditions = try LoadOptions.parse([]).conditions(of: .expiry)
        let results = [
            try result("expiry", "presenced", "expiries announced", conditions, [2]),
            try result("expiry", "Redis", "expiries announced", conditions, [4]),
        ]
        #expect(LoadTables.server(results, "").rows[0][4].isEmpty)
        let clients = LoadTables.clients(results, "").rows[0]
        #expect(clients[2...4] == ["", "", ""] && clients[7] == "0.50")
    }

    @Test("the tables have median, spread and ratio of all that is measured, in 160 columns")
    func tables() throws {
        var results: [LoadResult] = []
        for work in LoadWorkload.usual.map(\.rawValue) {
            results += [
                try result(work, "presenced", "PRESENCE.MGET of 100", 6.85, 6.99, 7.03),
                try result(work, "Redis", Heartbeat.expire.name, 7.1, 10.28, 7.5),
                try result(work, "Valkey", Heartbeat.script.name, 9.94, 10.04, 10.98),
                try result(work, "Valkey", Heartbeat.fieldLifetime.name, 7.9, 8.11, 9.53),
            ]
        }
        let server = LoadTables.server(results, "")
        let clients = LoadTables.clients(results, "")
        #expect(server.rows[0][2...4] == ["6.99", "6.85 to 7.03", "0.93, 0.70, 0.86"])
        #expect(server.rows[0][6...8] == ["66.7", "65.3 to 67.0", "0.93"])
        // More is better.
        #expect(clients.rows[0][2...4] == ["143", "142 to 146", "1.07"])
        #expect(clients.rows[0][8...10] == ["0.70", "0.69 to 0.70", "0.93"])
        for table in [server, clients] {
            for line in table.text.split(separator: "\n") where line.hasPrefix("|") {
                #expect(line.count <= 160, "\(line)")
            }
        }
    }

    @Test("the JSON has the conditions and servers, and of each figure every round, median and ratios")
    func json() throws {
        let conditions = try LoadOptions.parse(["--pipeline", "16", "--users", "5000"]).conditions(of: .heartbeat)
        var report = LoadReport(
            machine: .present(), servers: [LoadReport.Server(name: "presenced", version: "1", path: "/p")])
        report.results = [
            try result("heartbeat", "presenced", "PRESENCE.BEAT", conditions, [1, 3, 2]),
            try result("heartbeat", "Redis", Heartbeat.expire.name, conditions, [4, 4, 4]),
            try result("heartbeat", "Redis", Heartbeat.script.name, conditions, [8, 8, 8]),
        ]
        report.failure = "a wrong reply"
        let folder = try TemporaryFolder()
        let path = folder.url.appendingPathComponent("load.json").path
        try report.writeJSON(path)
        let json = try #require(
            try JSONSerialization.jsonObject(with: Data(contentsOf: URL(fileURLWithPath: path))) as? [String: Any])
        #expect(json["failure"] as? String == "a wrong reply")
        #expect((json["servers"] as? [[String: String]]) == [["name": "presenced", "version": "1", "path": "/p"]])
        let results = try #require(json["results"] as? [[String: Any]])
        #expect(results.count == 3)
        let told = try #require(results[0]["conditions"] as? [String: Int])
        #expect(
            told == ["connections": 50, "processes": 1, "pipeline": 16, "users": 5_000, "seconds": 2, "rounds": 3])
        let figures = try #require(results[0]["figures"] as? [String: [String: Any]])
        #expect(Set(figures.keys) == Set(LoadFigure.allCases.map(\.rawValue)))
        let time = try #require(figures["serverMicroseconds"])
        #expect(time["rounds"] as? [Double] == [1, 3, 2] && time["median"] as? Double == 2)
        #expect(time["least"] as? Double == 1 && time["greatest"] as? Double == 3)
        #expect(
            time["ofTheirs"] as? [String: Double] == [Heartbeat.expire.name: 0.5, Heartbeat.script.name: 0.25])
        let speed = try #require(figures["operationsASecond"]?["ofTheirs"] as? [String: Double])
        #expect(speed[Heartbeat.expire.name] == 2)
        let goals = try #require(results[0]["goals"] as? [[String: Any]])
        #expect(goals.map { $0["atMost"] as? Double } == [0.85, 0.22])
        #expect(goals.map { $0["isHeld"] as? Bool } == [true, false])
        #expect(results[1]["goals"] == nil)
    }
}

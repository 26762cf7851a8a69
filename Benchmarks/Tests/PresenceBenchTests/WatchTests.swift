import Foundation
import Testing

@testable import presence_bench

@Suite("Who watches whom, and what was told of whom when")
struct WatchTests {
    private struct Row: Equatable {
        var viewer: Int
        var user: Int
        var status: String
    }

    private func message(_ payload: String, viewer: Int = 7) -> [UInt8] {
        Connection.encoded(["message", WatchMessage.channelPrefix + Heartbeat.name(viewer), payload])
    }

    private func read(_ bytes: some Sequence<UInt8>) throws -> (rows: [Row], length: Int?) {
        var rows: [Row] = []
        let length = try Array(bytes).withUnsafeBytes { bytes in
            try WatchMessage.read(bytes) {
                rows.append(Row(viewer: $0, user: $1, status: String(decoding: $2, as: UTF8.self)))
            }
        }
        return (rows, length)
    }

    @Test("a frame is read when it is whole, row by row")
    func frames() throws {
        let two =
            #"{"cursor":"ab12-3","rows":[["000000000042","dnd","2025-01-19T10:35:22.123Z",null],["000000000001","offline",null,null]]}"#
        let whole = message(two)
        let found = try read(whole + Array("*3\r\n".utf8))
        #expect(found.length == whole.count)
        #expect(
            found.rows == [Row(viewer: 7, user: 42, status: "dnd"), Row(viewer: 7, user: 1, status: "offline")])
        for count in 0..<whole.count {
            let part = try read(whole.prefix(count))
            #expect(part.length == nil && part.rows.isEmpty)
        }
        #expect(try read(message(#"{"cursor":"ab12-3","rows":[]}"#)).rows.isEmpty)
    }

    @Test(
        "what is no frame is refused",
        arguments: [
            #"{"cursor":"ab12-3","rows":[["anna","dnd",null,null]]}"#,
            #"{"cursor":"ab12-3","rows":[["000000000042","dnd",null,null]"#,
            #"{"rows":[]}"#,
            "",
        ])
    func wrongFrames(_ payload: String) {
        #expect(throws: BenchError.self) { try read(message(payload)) }
    }

    @Test("what comes on another channel is no frame")
    func otherChannels() {
        #expect(throws: BenchError.self) {
            try read(Connection.encoded(["message", StatusChannel.name, String(repeating: "x", count: 100)]))
        }
    }

    @Test("a list has its users, each at his place, and nobody else")
    func lists() {
        let crowd = WatchedCrowd(users: 20, viewers: 7, friends: 6)
        for viewer in 0..<7 {
            let friends = (0..<6).map { crowd.friend($0, of: viewer) }
            #expect(Set(friends).count == 6)
            for user in 0..<20 { #expect(crowd.index(of: user, for: viewer) == friends.firstIndex(of: user)) }
        }
        #expect(crowd.index(of: 20, for: 0) == nil && crowd.index(of: 0, for: 7) == nil)
    }

    @Test("the latest change to a status is found as if all were looked through")
    func latest() {
        let crowd = WatchedCrowd(users: 5, viewers: 1, friends: 5)
        for count in 0...40 {
            for user in 0..<5 {
                for status in 0..<3 {
                    let expected = (0..<count).last { crowd.change($0) == (user, status) }
                    #expect(crowd.latestChange(of: user, to: status, among: count) == expected)
                }
                let changes = (0..<count).count { crowd.change($0).user == user }
                #expect(crowd.latestRound(of: user, among: count) == (changes == 0 ? nil : changes - 1))
            }
        }
    }

    @Test("a ledger knows how late each row is, what was told as one, and what is missing")
    func ledger() throws {
        let crowd = WatchedCrowd(users: 4, viewers: 2, friends: 2)
        var ledger = WatchLedger(crowd, firstMeasured: 4) { Int64($0) * 1_000_000 }
        for number in 0..<12 { ledger.write(at: Int64(number) * 1_000_000 + 250_000) }
        #expect(ledger.missing == 4)
        for viewer in 0..<2 {
            for index in 0..<2 {
                // All rounds but the last are passed over.
                try ledger.hear(
                    viewer: 4 + viewer, user: crowd.friend(index, of: viewer), status: 2, at: 20_000_000)
            }
        }
        #expect(ledger.missing == 0)
        #expect(ledger.rows == 4 && ledger.measured == 4 && ledger.joined == 8)
        // Changes 8 to 11, told at 20 ms.
        #expect(abs(Double(ledger.sinceDue.max) / 1e6 - 12) < 0.02)
        #expect(abs(Double(ledger.sinceWritten.max) / 1e6 - 11.75) < 0.02)
        let known = crowd.friend(0, of: 0)
        #expect(throws: BenchError.self) { try ledger.hear(viewer: 4, user: known, status: 2, at: 21_000_000) }
        #expect(throws: BenchError.self) { try ledger.hear(viewer: 4, user: known, status: 1, at: 21_000_000) }
        let stranger = crowd.friend(0, of: 1)
        #expect(throws: BenchError.self) { try ledger.hear(viewer: 4, user: stranger, status: 2, at: 21_000_000) }
    }

    @Test("what was written before the server was warm is not measured")
    func warm() throws {
        let crowd = WatchedCrowd(users: 4, viewers: 1, friends: 4)
        var ledger = WatchLedger(crowd, firstMeasured: .max) { Int64($0) }
        for number in 0..<4 { ledger.write(at: Int64(number)) }
        ledger.measure()
        for user in 0..<4 { try ledger.hear(viewer: 4, user: user, status: 0, at: 10) }
        #expect(ledger.rows == 4 && ledger.measured == 0)
        for number in 4..<8 { ledger.write(at: Int64(number)) }
        for user in 0..<4 { try ledger.hear(viewer: 4, user: user, status: 1, at: 20) }
        #expect(ledger.rows == 8 && ledger.measured == 4)
    }

    @Test("what was never written is not believed")
    func unwritten() {
        let crowd = WatchedCrowd(users: 4, viewers: 1, friends: 4)
        var ledger = WatchLedger(crowd, firstMeasured: 0) { Int64($0) }
        for number in 0..<4 { ledger.write(at: Int64(number)) }
        #expect(throws: BenchError.self) { try ledger.hear(viewer: 4, user: 0, status: 1, at: 10) }
    }
}

import Foundation
import Testing

@testable import presence_bench

@Suite("A day of presence, as it is sent")
struct DayTests {
    private static let users = 1_000
    private static let length = 20_000

    /// Everything that one lane of a day sends.
    private func day(_ lane: Int, of lanes: Int, atPhaseEnd: (DayCourse.Phase, DayLane) -> Void = { _, _ in })
        -> [DayOperation]
    {
        var lane = DayLane(lane, of: lanes, users: DayTests.users, length: DayTests.length)
        var operations: [DayOperation] = []
        for phase in DayCourse.Phase.allCases {
            lane.begin(phase)
            while let operation = lane.next() { operations.append(operation) }
            atPhaseEnd(phase, lane)
        }
        return operations
    }

    @Test("nobody is there when a day begins and when it ends; they come in the morning and go in the evening")
    func course() {
        let curve = (0...1_000).map { DayCourse.online(at: Double($0) / 1_000) }
        #expect(curve[0] == 0 && abs(curve[1_000]) < 1e-9)
        for (before, after) in zip(curve, curve.dropFirst()) { #expect(abs(after - before) < 0.005) }
        #expect(zip(curve[0...300], curve[1...300]).allSatisfy { $0 <= $1 })
        #expect(curve[300...700].allSatisfy { abs($0 - DayCourse.peak) < 1e-9 })
        #expect(zip(curve[700...], curve[701...]).allSatisfy { $0 >= $1 })
        #expect(
            DayCourse.phase(at: 0) == .morning && DayCourse.phase(at: 0.3) == .day
                && DayCourse.phase(at: 0.7) == .evening && DayCourse.phase(at: 1) == .evening)
        for fraction in [0, 0.15, 0.3, 0.5, 0.7, 0.9, 1] {
            #expect(DayCourse.shares(at: fraction).sum == DayCourse.Shares.whole)
        }
    }

    @Test("a day without a rate grows with its seconds, one with a rate is as long as they are")
    func length() {
        #expect(DayCourse.length(users: 1_000, seconds: 2, rate: nil) == 1_000_000)
        #expect(DayCourse.length(users: 1_000_000, seconds: 2, rate: nil) == 8_000_000)
        #expect(DayCourse.length(users: 1_000, seconds: 120, rate: 5_000) == 600_000)
        #expect(throws: (any Error).self) { try LoadCommand.parse(["mixed", "--rate", "1000", "--seconds", "10"]) }
        #expect(throws: Never.self) {
            try LoadCommand.parse(["mixed", "--rate", "1000", "--seconds", "10", "--users", "1000"])
        }
    }

    @Test("the lanes of a day share all users, follow its curve, and send the same in every run")
    func lanes() {
        var whole = 0
        var users: Set<Int> = []
        for number in 0..<7 {
            let operations = day(number, of: 7) { phase, lane in
                let count = Double(DayTests.users / 7)
                let wanted = phase == .evening ? 0 : DayCourse.peak * count
                #expect(abs(Double(lane.onlineCount) - wanted) <= 2)
            }
            #expect(operations == day(number, of: 7))
            whole += operations.count
            let own = Set(operations.filter { $0.kind != .list }.map(\.user))
            #expect(users.isDisjoint(with: own))
            users.formUnion(own)
            #expect(own.allSatisfy { $0 < DayTests.users && $0 % 7 == number })
        }
        #expect(abs(whole - DayTests.length) < 50)
        #expect(users.count > DayTests.users * 9 / 10)
    }

    @Test("only who is there beats, changes or goes, who was lost does not come back, and all that is told is counted")
    func lives() {
        var (online, lost): (Set<Int>, Set<Int>) = ([], [])
        var statuses: [Int: DayOperation.Status] = [:]
        var (told, counts) = (0, [DayOperation.Kind: Int]())
        var changes = 0
        for operation in day(2, of: 5, atPhaseEnd: { changes = $1.changes }) {
            counts[operation.kind, default: 0] += 1
            let user = operation.user
            let before = statuses[user] ?? .online
            switch operation.kind {
            case .connect: #expect(online.insert(user).inserted && !lost.contains(user))
            case .goodbye: #expect(online.remove(user) != nil)
            case .loss:
                #expect(online.remove(user) != nil)
                lost.insert(user)
            case .beat, .active, .record: #expect(online.contains(user))
            case .change: #expect(online.contains(user) && operation.status == before.next)
            case .list: break
            }
            if operation.kind == .change {
                statuses[user] = operation.status
            } else {
                #expect(operation.status == before)
            }
            if [.connect, .goodbye, .loss, .change].contains(operation.kind) { told += 1 }
        }
        #expect(online.isEmpty)
        #expect(told == changes)
        #expect(DayOperation.Kind.allCases.allSatisfy { counts[$0, default: 0] > 0 })
        let ends = Double(counts[.goodbye, default: 0] + counts[.loss, default: 0])
        #expect(abs(Double(counts[.loss, default: 0]) / ends - 0.2) < 0.1)
    }

    @Test("an operation comes back from its place")
    func places() {
        for kind in DayOperation.Kind.allCases {
            for status in DayOperation.Status.allCases {
                let operation = DayOperation(kind, 999_999_999_999, status)
                #expect(DayOperation(place: operation.place) == operation)
            }
        }
    }

    @Test("a command has its user in every place, a list twenty others, and each server its own idiom")
    func commands() {
        let own = DayCommands(isPresenced: true, users: DayTests.users)
        let theirs = DayCommands(isPresenced: false, scripts: ("w", "e"), users: DayTests.users)
        func text(_ commands: DayCommands, _ kind: DayOperation.Kind, _ status: DayOperation.Status = .online) -> String
        {
            String(decoding: commands[DayOperation(kind, 123, status).place], as: UTF8.self)
        }
        let key = "presence:user:000000000123"
        let beat = Connection.encoded(["PRESENCE.BEAT", key, Heartbeat.session])
        #expect(Array(own[DayOperation(.beat, 123, .dnd).place]) == beat)
        #expect(text(own, .change).contains("auto") && text(own, .change, .dnd).contains("dnd"))
        #expect(text(own, .loss) == text(theirs, .loss))
        // Activity is more than a new TTL there, too.
        let active = text(theirs, .active, .away)
        #expect(active.contains("\"userId\":\"000000000123\",\"status\":\"away\"") && active.contains("\r\nXX\r\n"))
        #expect(!text(theirs, .beat).contains("userId"))
        let change = text(theirs, .change, .away)
        #expect(change.contains("\"userId\":\"000000000123\",\"status\":\"away\"") && change.contains(key))
        #expect(text(theirs, .goodbye).contains("\"status\":\"offline\""))
        for commands in [own, theirs] {
            for kind in DayOperation.Kind.allCases { #expect(!text(commands, kind).contains("#")) }
            let friends = text(commands, .list).components(separatedBy: "\r\n").filter {
                $0.hasPrefix("presence:user:")
            }
            #expect(Set(friends).count == DayCommands.friends && !friends.contains(key))
        }
    }

    @Test("a day tells how each server is told what")
    func idioms() {
        let told = DayCommands.idioms(of: [.floor])
        #expect(told.isEmpty)
        let both = DayCommands.idioms(of: [
            ServerTraits(.presenced, "1"), ServerTraits(.redis, "7"), ServerTraits(.valkey, "9"),
        ])
        #expect(
            both.count == 2 && both[0].contains("active: PRESENCE.ACTIVE;") && both[1].contains("active: SET XX EX;"))
        #expect(both[1].contains("connect: Lua of SET EX of the JSON, PUBLISH;") && both[1].contains("beat: EXPIRE;"))
    }

    @Test("a reply must be of the user who was asked for, and of the status that he has by then")
    func replies() throws {
        let own = DayCommands(isPresenced: true, users: DayTests.users)
        let theirs = DayCommands(isPresenced: false, scripts: ("w", "e"), users: DayTests.users)
        func length(_ commands: DayCommands, _ kind: DayOperation.Kind, _ text: String) throws -> Int? {
            try Array(text.utf8).withUnsafeBytes {
                try commands.replyLength(DayOperation(kind, 123, .dnd).place, in: $0)
            }
        }
        let record = LoadWay.bulk(Record.json(user: Heartbeat.name(123), session: "s", status: "dnd"))
        #expect(try length(own, .record, record) == record.utf8.count)
        for other in [
            Record.json(user: Heartbeat.name(123), session: "s"),
            Record.json(user: Heartbeat.name(124), session: "s", status: "dnd"),
        ] {
            #expect(throws: BenchError.self) { try length(own, .record, LoadWay.bulk(other)) }
        }
        #expect(throws: BenchError.self) { try length(own, .record, "$-1\r\n") }
        #expect(try length(own, .active, ":1\r\n") == 4)
        for kind in [DayOperation.Kind.beat, .goodbye, .loss] {
            #expect(try length(own, kind, ":1\r\n") == 4)
            #expect(throws: BenchError.self) { try length(theirs, kind, ":0\r\n") }
        }
        #expect(try length(theirs, .active, "+OK\r\n") == 5)
        #expect(throws: BenchError.self) { try length(theirs, .active, "$-1\r\n") }
        #expect(try length(theirs, .connect, ":2\r\n") == 4)
        #expect(throws: BenchError.self) { try length(own, .connect, ":2\r\n") }
        let list = "*20\r\n" + (0..<20).map { LoadWay.bulk($0 == 3 ? "offline" : "dnd") }.joined()
        #expect(try length(own, .list, list) == list.utf8.count)
        #expect(throws: BenchError.self) { try length(theirs, .list, list) }
    }

    @Test("the stages of a day stand before their sum, and those of other works alone")
    func stages() {
        var outcome = LoadOutcome()
        (outcome.operations, outcome.elapsed, outcome.changes) = (2, 1, 1)
        let stage = LoadStage(outcome: outcome, processor: 5, residentBytes: 7)
        let whole = LoadStage.withWhole([stage, stage, stage])
        #expect(whole.count == 4)
        #expect(whole[3].outcome.operations == 6 && whole[3].outcome.elapsed == 3 && whole[3].processor == 15)
        #expect(LoadStage.withWhole([stage]).count == 1)
        #expect(LoadStage.all(of: .mixed, .mixed) == ["mixed: morning", "mixed: day", "mixed: evening", "mixed"])
        #expect(LoadStage.all(of: .get, .get) == ["get"])
    }
}

import Presence
import Testing

@testable import PresenceMigration

@Suite("What a migration says")
struct MigrationReportTests {
    @Test("a line says how far it is, and how fast")
    func progress() {
        var report = MigrationReport()
        report.total = 5_000
        var counts = MigrationCounts()
        let start = Timestamp(milliseconds: 1_000_000)
        _ = report.progress(.copying, counts, scanned: 0, waiting: 0, at: start)
        counts.json = 3_000
        counts.offline = 7
        let line = report.progress(
            .copying, counts, scanned: 3_007, waiting: 0, at: start.advanced(byMilliseconds: 2_000))
        #expect(
            line
                == "copying: 3007 keys looked at (5000 in the database), 3000 written, 7 not to be written, 1500 a second"
        )
        counts.changes = 12
        #expect(
            report.progress(.following, counts, scanned: 0, waiting: 2, at: start.advanced(byMilliseconds: 2_100))
                == "following: 12 changes heard of, 2 waiting, 3000 written, 0 ended, 1500 a second")
    }

    @Test("the summary names each kind that there was, and no other")
    func summary() {
        var counts = MigrationCounts()
        counts.json = 3
        #expect(
            MigrationReport.summary(counts, wasFollowing: false)
                == ["3 records written (3 JSON, 0 hashes, 0 bare words), 0 keys looked at"])
        counts.otherKinds = ["zset": 2]
        counts.losses = 1
        counts.noteBad([UInt8]("presence:user:a"), "why")
        let lines = MigrationReport.summary(counts, wasFollowing: true)
        #expect(lines.count == 6)
        #expect(lines[1] == "0 changes heard of, 0 sessions ended")
        #expect(lines[2].hasPrefix("2 keys are of type zset"))
        #expect(lines[4] == "    presence:user:a: why")
        #expect(lines[5].contains("connection was lost"))
    }

    @Test("a key cannot forge a line, nor fill the screen")
    func keys() {
        #expect(MigrationReport.spell([UInt8]("a b\n\u{1B}[2J\\")) == #"a\x20b\x0a\x1b[2J\x5c"#)
        #expect(MigrationReport.spell([UInt8](repeating: 0x61, count: 500)).count == 83)
    }

    @Test("every error is one line")
    func errors() {
        let errors: [MigrationError] = [
            .badURL("x", "y"), .badPattern("*"), .unreachable(.source, "u", "w"), .passwordMissing(.target, "u"),
            .passwordRefused(.source, "u", "r"), .notPresenced("u"), .sameServer("u"), .notFollowed("u"),
            .notificationsMissing(current: "", needed: "KA"), .refused(.source, "SCAN", "r"), .lost(.target, "w"),
            .gaveUp(attempts: 3, last: "l"), .tls(.source, "w"),
        ]
        for error in errors {
            #expect(!error.description.contains("\n") && error.description.count > 10)
        }
        #expect(errors.filter(\.isLoss).count == 3)
    }
}

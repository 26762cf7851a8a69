import Foundation
import Presence
import PresenceTesting
import Testing

@Suite("Instants as ISO 8601")
struct ISO8601Tests {
    func text(_ milliseconds: Int64) -> String {
        let instant = Timestamp(milliseconds: milliseconds)
        let bytes = written(Timestamp.maximumISO8601ByteCount) { instant.writeISO8601(into: &$0) }
        return String(decoding: bytes, as: UTF8.self)
    }

    func milliseconds(_ text: String) -> Int64? {
        Timestamp(iso8601: Array(text.utf8).span)?.milliseconds
    }

    @Test(
        "Known instants",
        arguments: [
            (0, "1970-01-01T00:00:00.000Z"),
            (-1, "1969-12-31T23:59:59.999Z"),
            (1_737_282_922_123, "2025-01-19T10:35:22.123Z"),
            (951_782_400_000, "2000-02-29T00:00:00.000Z"),
            (951_868_799_999, "2000-02-29T23:59:59.999Z"),
            (951_868_800_000, "2000-03-01T00:00:00.000Z"),
            (4_107_542_400_000, "2100-03-01T00:00:00.000Z"),
            (4_107_542_399_999, "2100-02-28T23:59:59.999Z"),
            (253_402_300_799_999, "9999-12-31T23:59:59.999Z"),
            (253_402_300_800_000, "+010000-01-01T00:00:00.000Z"),
            (-62_167_219_200_000, "0000-01-01T00:00:00.000Z"),
            (-62_167_219_200_001, "-000001-12-31T23:59:59.999Z"),
            (8_640_000_000_000_000, "+275760-09-13T00:00:00.000Z"),
            (-8_640_000_000_000_000, "-271821-04-20T00:00:00.000Z"),
        ] as [(Int64, String)])
    func knownInstants(milliseconds: Int64, text: String) {
        #expect(self.text(milliseconds) == text)
        #expect(self.milliseconds(text) == milliseconds)
    }

    @Test("Every instant that has a text comes back from it")
    func roundTrip() {
        for var random in SeededRandom.cases(20_000) {
            let bound: Int64 = random.chance(oneIn: 2) ? 8_640_000_000_000_000 : 4_000_000_000_000
            let instant = Int64.random(in: -bound...bound, using: &random)
            #expect(milliseconds(text(instant)) == instant, "\(random)")
        }
    }

    @Test("Every day of eight centuries follows the one before, leap years and all")
    func everyDay() throws {
        var (year, month, day) = (1600, 1, 1)
        let first = try #require(milliseconds("1600-01-01T00:00:00Z"))
        for offset in 0..<292_194 {
            let expected = String(format: "%04d-%02d-%02dT00:00:00.000Z", year, month, day)
            guard text(first + Int64(offset) * 86_400_000) == expected else {
                Issue.record("day \(offset) should be \(expected)")
                return
            }
            let isLeap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
            let lengths = [31, isLeap ? 29 : 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31]
            day += 1
            if day > lengths[month - 1] { (month, day) = (month + 1, 1) }
            if month > 12 { (year, month) = (year + 1, 1) }
        }
        #expect(year == 2400)
    }

    @Test("Foundation reads the same")
    func foundationAgrees() throws {
        let style = Date.ISO8601FormatStyle(includingFractionalSeconds: true)
        for var random in SeededRandom.cases(500) {
            let instant = Int64.random(in: 0...7_000_000_000_000, using: &random)
            let date = try style.parse(text(instant))
            #expect(Int64((date.timeIntervalSince1970 * 1_000).rounded()) == instant, "\(random)")
        }
    }

    @Test("Instants beyond the bounds are written as the bound")
    func beyond() {
        #expect(text(.max) == "+275760-09-13T00:00:00.000Z")
        #expect(text(.min) == "-271821-04-20T00:00:00.000Z")
    }

    @Test(
        "The usual variants are read",
        arguments: [
            ("2025-01-19T10:35:22Z", 1_737_282_922_000),
            ("2025-01-19t10:35:22.1z", 1_737_282_922_100),
            ("2025-01-19 10:35:22.123999999Z", 1_737_282_922_123),
            ("2025-01-19T12:35:22.123+02:00", 1_737_282_922_123),
            ("2025-01-19T05:05:22.123-05:30", 1_737_282_922_123),
            ("2016-12-31T23:59:60Z", 1_483_228_800_000),
        ] as [(String, Int64)])
    func variants(text: String, milliseconds: Int64) {
        #expect(self.milliseconds(text) == milliseconds)
    }

    @Test(
        "What is not an instant is refused",
        arguments: [
            "", "2025", "2025-01-19", "2025-01-19T10:35:22", "2025-01-19T10:35Z", "2025-13-01T00:00:00Z",
            "2025-00-01T00:00:00Z", "2025-02-29T00:00:00Z", "2100-02-29T00:00:00Z", "2025-04-31T00:00:00Z",
            "2025-01-00T00:00:00Z", "2025-01-19T24:00:00Z", "2025-01-19T10:60:00Z", "2025-01-19T10:35:61Z",
            "2025-01-19T10:35:22.Z", "2025-01-19T10:35:22.123", "2025-01-19T10:35:22Zx", "2025-01-19T10:35:22+0200",
            "2025-01-19T10:35:22+24:00", " 2025-01-19T10:35:22Z", "+275760-09-13T00:00:00.001Z", "٢٠٢٥-01-19T10:35:22Z",
            "-999999-01-01T00:00:00Z", "99999-01-01T00:00:00Z",
        ])
    func refused(text: String) {
        #expect(milliseconds(text) == nil)
    }
}

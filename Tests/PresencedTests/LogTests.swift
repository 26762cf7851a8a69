import Logging
import Presence
import PresenceServer
import Testing

@testable import presenced

@Suite("A log line")
struct LogTests {
    @Test("has instant, level, event, and facts in order")
    func form() {
        let line = LineLogHandler.line(
            Timestamp(milliseconds: 1_737_282_922_123), .notice, "listening", ["port": "6399", "address": "127.0.0.1"])
        #expect(line == "2025-01-19T10:35:22.123Z notice listening address=127.0.0.1 port=6399\n")
    }

    @Test("is one line whatever a client put into it")
    func oneLine() {
        let line = LineLogHandler.line(
            Timestamp(milliseconds: 0), .warning, "refused",
            ["name": "a\r\n2026-01-01T00:00:00.000Z notice forged\u{7f}"])
        #expect(line.hasSuffix("name=a??2026-01-01T00:00:00.000Z notice forged?\n"))
        #expect(line.filter(\.isNewline).count == 1)
    }

    @Test("is written if its level is as severe as loglevel, which may change at any time")
    func levels() {
        let destination = LogDestination(clock: ManualClock(), level: .notice)
        let logger = Logger(label: "test") { _ in LineLogHandler(destination) }
        #expect(logger.logLevel == .notice)
        destination.level = LogDestination.level(named: "debug")
        #expect(logger.logLevel == .debug)
        destination.level = LogDestination.level(named: "nothing")
        #expect(destination.level == nil)
        #expect(logger.logLevel == .critical)
    }

    @Test(
        "has the words of loglevel",
        arguments: [("debug", Logger.Level.debug), ("verbose", .info), ("notice", .notice), ("warning", .warning)])
    func words(word: String, level: Logger.Level) {
        #expect(LogDestination.level(named: word) == level)
    }
}

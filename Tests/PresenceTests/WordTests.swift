import Presence
import Testing

@Suite("Words")
struct WordTests {
    private func bytes(_ word: StaticString) -> [UInt8] { Array(word.description.utf8) }

    @Test("Every word is read back as what it was written from")
    func roundTrip() {
        for status in Status.allCases { #expect(Status(word: bytes(status.word).span) == status) }
        for status in ManualStatus.allCases { #expect(ManualStatus(word: bytes(status.word).span) == status) }
        for status in SessionStatus.allCases { #expect(SessionStatus(word: bytes(status.word).span) == status) }
        for reason in Reason.allCases { #expect(Reason(word: bytes(reason.word).span) == reason) }
    }

    @Test("Other words are none", arguments: ["", "o", "Online", "ONLINE", "onlinf", "offline ", "invisible", "busy"])
    func others(word: String) {
        #expect(Status(word: Array(word.utf8).span) == nil)
        #expect(SessionStatus(word: Array(word.utf8).span) == nil)
        #expect(Reason(word: Array(word.utf8).span) == nil)
    }

    @Test("The reasons are those of the specification, in its order")
    func reasons() {
        let specified = """
            connect disconnect ws_disconnect heartbeat_timeout hard_limit lease_lost dropped inactivity activity manual \
            manual_ended session_status grace_ended deleted evicted flushed restored merged
            """
        #expect(Reason.allCases.map(\.word.description).joined(separator: " ") == specified)
    }

    @Test("What a session ends for tells a loss from a goodbye")
    func losses() {
        #expect(Reason.allCases.filter(\.isLoss) == [.heartbeatTimeout, .leaseLost, .dropped])
    }
}

import Presence
import PresenceTesting
import Testing

@testable import PresenceStore

/// What is said later of what was before.
@Suite("Hindsight")
struct HindsightTests {
    private let start = Timestamp(milliseconds: 1_767_225_600_000)
    private func later(_ milliseconds: Int64) -> Timestamp { start.advanced(byMilliseconds: milliseconds) }

    private func explanation(_ store: ShardedStore, at now: Timestamp) -> Explanation {
        store.explain("ann".utf8.span, for: nil, at: now)
    }

    @Test("An explanation names the reason of the status also when a text, or several, came behind it")
    func reasonBehindTexts() throws {
        let store = ShardedStore.standing(at: start, shards: 1) { $0.changeRingBytes = 4_096 }
        try store.connect("ann", session: "phone", at: start)
        for number in 0..<3 {
            let now = later(1_000 * Int64(number + 1))
            try store.set("ann".utf8.span, UserSettings(activity: .some(Array("\"\\\(number)".utf8))), at: now)
            let change = explanation(store, at: now).lastChange
            #expect(change?.reason == .connect && change?.timestamp == start)
            #expect(explanation(store, at: now).lines.first?.contains("by connect of session phone") == true)
        }
        #expect(explanation(store, at: later(3_000)).lines.contains { $0.contains(#"text: "\"\\2", written"#) })
        // Others' changes have taken its place.
        for number in 0..<2_000 {
            try store.connect(.init("other-\(number)"), session: "s", at: later(4_000))
        }
        #expect(explanation(store, at: later(4_000)).lastChange == nil)
        try store.set("ann".utf8.span, UserSettings(activity: .some(nil)), at: later(5_000))
        #expect(explanation(store, at: later(5_000)).lastChange == nil)
        try store.set("ann".utf8.span, UserSettings(status: .some(.dnd)), at: later(6_000))
        #expect(explanation(store, at: later(6_000)).lastChange?.reason == .manual)
    }

    @Test(
        "An explanation says who is live still while the end of another session is held, what a deletion ended, and that everyone sees himself"
    )
    func facts() throws {
        let store = ShardedStore.standing(at: start) { $0.policy.lostGrace = 15_000 }
        try store.connect("ann", session: "phone", at: start)
        try store.connect(
            "ann", session: "cal", ConnectOptions(ttlMilliseconds: 200_000, brought: .dnd, isPassive: true), at: start)
        #expect(store.disconnect("ann", session: "phone", reason: .dropped, at: later(1_000)))
        let head = explanation(store, at: later(2_000)).lines.first ?? ""
        #expect(head.hasSuffix("only passive sessions are live, but the end of the last is not announced yet"))
        store.remove(.presence, "ann", at: later(6_000))
        let lines = explanation(store, at: later(6_000)).lines
        #expect(
            lines.contains {
                $0.hasPrefix("  session phone: dropped") && $0.hasSuffix("(5 s ago), and its grace ended with the key")
            })
        #expect(
            lines.contains { $0.hasPrefix("  session cal") && $0.contains(": deleted ") && $0.hasSuffix("(0 ms ago)") })
        #expect(store.explain("nobody".utf8.span, for: "nobody".utf8.span, at: start).viewer?.rule == .own)
    }

    @Test("A record that tells of activity while its user was hidden does not show it when he is not")
    func reportedWhileHidden() throws {
        let store = ShardedStore.standing(at: start)
        func lastSeen(_ now: Int64) -> Timestamp? { explanation(store, at: later(now)).lastSeen }
        func write(_ activity: Int64, at now: Int64) throws {
            let record = RecordWrite(status: .online, activity: later(activity))
            try store.write(
                "ann".utf8.span, session: "phone".utf8.span, device: Span(), platform: Span(), server: Span(), record,
                at: later(now))
        }
        func set(_ status: ManualStatus?, until: Int64? = nil, at now: Int64) throws {
            let change = UserSettings(status: .some(status), until: until.map { later($0) })
            try store.set("ann".utf8.span, change, at: later(now))
        }
        try write(0, at: 0)
        try set(.invisible, at: 10_000)
        try write(15_000, at: 20_000)
        #expect(lastSeen(20_000) == start)
        try set(nil, at: 30_000)
        try write(25_000, at: 40_000)
        #expect(lastSeen(40_000) == start, "he was hidden then")
        try write(35_000, at: 40_001)
        #expect(lastSeen(40_001) == later(35_000))
        // The same where it ends by itself.
        try set(.invisible, until: 60_000, at: 50_000)
        try write(55_000, at: 70_000)
        #expect(lastSeen(70_000) == later(35_000))
        try write(60_000, at: 70_001)
        #expect(lastSeen(70_001) == later(60_000))
        // What is done now is seen, whatever was changed in this millisecond.
        try set(.dnd, at: 80_000)
        try write(80_000, at: 80_000)
        #expect(lastSeen(80_000) == later(80_000))
    }
    @Test("What an explanation shows of bytes tells them apart")
    func spelling() throws {
        let store = ShardedStore.standing(at: start, shards: 1)
        try store.connect("ann", session: #"a\x0ab"#, at: start)
        try store.connect("ann", session: "a\nb", at: start)
        let text = UserSettings(activity: .some(Array(#"say "\x0a""#.utf8)))
        try store.set("ann".utf8.span, text, at: start)
        let lines = store.explain("ann".utf8.span, for: nil, at: start).lines
        #expect(lines.contains(#"  session a\\x0ab: live, says online"#))
        #expect(lines.contains(#"  session a\x0ab: live, says online"#))
        #expect(lines.contains { $0.contains(#"text: "say \"\\x0a\"", written"#) })
    }
}

import Presence
import PresenceTesting
import Testing

@testable import PresenceStore

/// What the model run holds for any operations, as sentences.
@Suite("Fingerprints")
struct FingerprintTests {
    private let now = Timestamp(milliseconds: 1_767_225_600_000)

    private func store() -> ShardedStore { .standing(at: now) }

    @Test("Of a string: a write of the same bytes, another end and its end differ; reads and failed writes do not")
    func strings() throws {
        let store = store()
        var last: UInt64 = 0
        func hasChanged(at instant: Timestamp? = nil) -> Bool {
            let word = store.fingerprint(of: .string, "k", at: instant ?? now)
            defer { last = word }
            return word != last
        }
        #expect(!hasChanged(), "nothing is there")
        try store.setString("k", "5", at: now)
        #expect(hasChanged())
        try store.setString("k", "5", at: now)
        #expect(hasChanged(), "in the same millisecond")
        try store.increment("k", by: 0, at: now)
        #expect(hasChanged())
        try store.append("k", "", at: now)
        #expect(hasChanged())
        _ = store.string("k", at: now)
        _ = store.stringLength("k", at: now)
        _ = store.memoryUsage(.string, "k", at: now)
        try store.setString("k", "5", StringSetOptions(condition: .ifAbsent), at: now)
        #expect(throws: StoreError.overflow) {
            try store.setString("other", .init(String(Int64.max)), at: now)
            try store.increment("other", by: 1, at: now)
        }
        #expect(!hasChanged())
        let end = now.advanced(byMilliseconds: 100)
        _ = store.string("k", changing: .at(end), at: now)
        #expect(hasChanged())
        store.advance(to: end.advanced(byMilliseconds: -1))
        #expect(!hasChanged(at: end.advanced(byMilliseconds: -1)))
        #expect(hasChanged(at: end) && last == 0, "it ran out, whether or not the wheel has turned")
        try store.setString("k", "5", at: now)
        #expect(hasChanged())
        store.removeAll(at: now)
        #expect(hasChanged() && last == 0)
    }

    @Test(
        "Of a presence: heartbeats, sessions, settings and what time brings differ; looks and records that move do not")
    func presences() throws {
        let store = store()
        var last: UInt64 = 0
        var time = now
        func hasChanged() -> Bool {
            let word = store.fingerprint(of: .presence, "u", at: time)
            defer { last = word }
            return word != last
        }
        #expect(!hasChanged())
        store.beat("u", session: "s", at: time)
        #expect(!hasChanged(), "no session was there to beat")
        try store.connect("u", session: "s", at: time)
        #expect(hasChanged())
        time = time.advanced(byMilliseconds: 1)
        #expect(!hasChanged(), "time alone")
        store.beat("u", session: "s", isActive: true, at: time)
        #expect(hasChanged())
        try store.connect("u", session: .init(String(repeating: "t", count: 200)), at: time)
        #expect(hasChanged())
        store.disconnect("u", session: .init(String(repeating: "t", count: 200)), at: time)
        #expect(hasChanged())
        try store.set(SlowModel.Name("u").bytes.span, UserSettings(status: .some(.dnd)), at: time)
        #expect(hasChanged())
        try store.set(SlowModel.Name("u").bytes.span, UserSettings(status: .some(nil)), at: time)
        #expect(hasChanged())
        // Alive for long, without doing anything: online turns to idle, and the tombstone is forgotten.
        for _ in 0..<3 {
            time = time.advanced(byMilliseconds: 50_000)
            store.beat("u", session: "s", at: time)
            #expect(hasChanged())
            store.advance(to: time)
            #expect(!hasChanged())
        }
        let idle = now.advanced(byMilliseconds: 1 + Policy().idleAfter)
        while time < idle.advanced(byMilliseconds: -40_000) {
            time = time.advanced(byMilliseconds: 40_000)
            store.beat("u", session: "s", at: time)
        }
        _ = hasChanged()
        time = idle
        #expect(hasChanged(), "he turned idle, though nobody wrote")
        #expect(store.status(of: "u", at: time) == .idle)
        #expect(!hasChanged(), "and a look that announces it is no second change")
        store.remove(.presence, "u", at: time)
        #expect(hasChanged())
    }
}

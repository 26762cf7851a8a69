import Presence
import PresenceTesting
import Testing

@testable import PresenceStore

@Suite("Texts that a list was told")
struct WatchTextTests {
    private let start = Timestamp(milliseconds: 1_767_225_600_000)

    @Test("Two texts with one FNV-1a of 32 bits are told apart")
    func collision() throws {
        let store = ShardedStore(ShardedStore.Configuration(clock: TestClock(start)))
        let x = Array("x".utf8)
        try store.connect("x", session: "s", at: start)
        let range = [KeyRange(offset: 0, length: 1)]
        let watch = try store.watch(
            Array("me".utf8).span, since: Span(), x.span, range.span, at: start, wake: { _ in }
        ).watch
        for text in ["playing level 702289", "playing level 1100790", "playing level 702289"] {
            try store.set(x.span, UserSettings(activity: .some(Array(text.utf8))), at: start)
            store.pumpWatches()
            let frame = store.takeFrame(of: watch, at: start).frame
            #expect(frame?.rows.map(\.activity) == [Array(text.utf8)])
        }
    }

    @Test("A hundred thousand texts have as many hashes, others with every secret, and six bytes each")
    func spread() {
        #expect(MemoryLayout<WatchText>.size == 6)
        #expect(MemoryLayout<WatchRows.Row>.stride == 24)
        var seen: [Set<[UInt8]>] = []
        for secret in [(1, 2), (3, 4)] as [(UInt64, UInt64)] {
            let hash = BytesHash(secret: secret)
            var texts: Set<[UInt8]> = []
            for number in 0..<100_000 {
                var text = WatchText(Array("playing level \(number)".utf8), hash)
                texts.insert(withUnsafeBytes(of: &text) { Array($0.prefix(6)) })
            }
            #expect(texts.count == 100_000)
            seen.append(texts)
            #expect(WatchText(nil, hash) == .none && WatchText([], hash) != .none)
        }
        #expect(seen[0].isDisjoint(with: seen[1]))
    }
}

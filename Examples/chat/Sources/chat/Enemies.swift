import Synchronization

/// Players who fight each other: a rule of the game's own, which the store asks at every view.
final class Enemies: Sendable {
    private struct Pair: Hashable {
        var one: String
        var other: String

        init(_ one: String, _ other: String) {
            self.one = min(one, other)
            self.other = max(one, other)
        }
    }

    private let pairs = Mutex<Set<Pair>>([])

    func set(_ one: String, _ other: String, _ areEnemies: Bool) {
        let pair = Pair(one, other)
        pairs.withLock { pairs in
            if areEnemies { pairs.insert(pair) } else { pairs.remove(pair) }
        }
    }

    func areEnemies(_ target: Span<UInt8>, _ viewer: Span<UInt8>) -> Bool {
        let pair = Pair(text(target), text(viewer))
        return pairs.withLock { $0.contains(pair) }
    }

    private func text(_ bytes: Span<UInt8>) -> String {
        bytes.withUnsafeBytes { String(decoding: $0, as: UTF8.self) }
    }
}

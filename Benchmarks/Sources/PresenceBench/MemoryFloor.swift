import PresenceTesting

/// What memory itself costs on this machine at this moment: cold cache lines, one 64-byte line a user. No store is faster than the lines that it must touch.
struct MemoryFloor {
    private static let wordsPerLine = 8
    /// In the first word of each line the number of the line to touch next; all lines form one ring, in random order.
    private var words: [UInt64]
    private let order: [UInt32]

    init(lines: Int) {
        var random = SeededRandom(seed: 4)
        order = (0..<UInt32(lines)).shuffled(using: &random)
        words = [UInt64](repeating: 0, count: lines * MemoryFloor.wordsPerLine)
        for (place, line) in order.enumerated() {
            words[Int(line) * MemoryFloor.wordsPerLine] = UInt64(order[(place + 1) % lines])
        }
    }

    /// Nanoseconds a line, each of which is known only when the one before has come.
    func dependent() -> Double {
        var line: UInt64 = 0
        let time = ProcessorTime.spent {
            for _ in 0..<order.count { line = words[Int(line) &* MemoryFloor.wordsPerLine] }
        }
        precondition(line == 0, "the ring was left")
        return time / Double(order.count)
    }

    /// Nanoseconds a line, when all are known beforehand.
    func overlapped() -> Double {
        var sum: UInt64 = 0
        let time = ProcessorTime.spent {
            for line in order { sum &+= words[Int(line) &* MemoryFloor.wordsPerLine] }
        }
        precondition(sum == UInt64(order.count) &* UInt64(order.count - 1) / 2, "a line was left out")
        return time / Double(order.count)
    }
}

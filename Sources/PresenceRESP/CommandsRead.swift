/// Commands that were read together and are handed out one by one: where each begins, and where its arguments are in the reader's table.
///
/// ```
///  table   GET a | SET b v EX 9 | PING |
///  marks   ^       ^              ^      ^      where each begins, and where the last one ends
/// ```
/// Costs eight bytes a command, in place. The marks are counted from the begin of the first command, so they stay true when the bytes move.
@usableFromInline
struct CommandsRead {
    /// Commands that are read together at most.
    static let limit = 16
    /// Arguments that they have together at most: the table stays one that is kept.
    static let mostArguments = 256

    /// Where a command begins.
    @usableFromInline
    struct Mark {
        /// Its first byte.
        @usableFromInline var offset: UInt32 = 0
        /// Its name's place in the table.
        @usableFromInline var argument: UInt32 = 0

        init() {}

        init(offset: Int, argument: Int) {
            self.offset = UInt32(truncatingIfNeeded: offset)
            self.argument = UInt32(truncatingIfNeeded: argument)
        }
    }

    @usableFromInline private(set) var marks = InlineArray<17, Mark>(repeating: Mark())
    /// How many there are.
    @usableFromInline private(set) var count = 0
    /// How many of them were handed out.
    @usableFromInline var handedOut = 0

    init() {}

    /// Whether there is one that was not handed out.
    @inlinable var hasNext: Bool { handedOut < count }

    /// Takes in the next one, which ends there.
    @inline(__always)
    mutating func append(endingAt offset: Int, _ arguments: Int) {
        count &+= 1
        marks[count] = Mark(offset: offset, argument: arguments)
    }

    /// Forgets those that were not handed out.
    mutating func forgetNext() { count = handedOut }

    mutating func removeAll() {
        count = 0
        handedOut = 0
    }
}

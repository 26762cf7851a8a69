/// Looks over commands that have come and were not read yet: where their first arguments lie, so that what they name can be on its way before they run.
///
/// What it says is a hint. It checks no limit and stops at the first command that is not short, whole and plain, or that ends in an argument of one byte
/// with nothing behind it; ``RequestReader`` alone decides what a command is.
public enum CommandScout {
    /// Calls `body` with the name and the first argument of commands in their order, while it answers true. A command without arguments is passed over.
    ///
    /// - Returns: where the first command begins that was not looked at.
    /// - Complexity: O(arguments), about ten instructions each.
    public static func scan(
        _ bytes: Span<UInt8>, from offset: Int, _ body: (_ name: Range<Int>, _ argument: Range<Int>) -> Bool
    ) -> Int {
        bytes.withUnsafeBufferPointer { buffer in
            guard let base = buffer.baseAddress else { return offset }
            var start = offset
            while let command = command(base, start, buffer.count) {
                if command.argument.count > 0, !body(command.name, command.argument) { return start }
                start = command.end
            }
            return start
        }
    }

    @inline(__always)
    private static func command(
        _ base: UnsafePointer<UInt8>, _ start: Int, _ end: Int
    ) -> (name: Range<Int>, argument: Range<Int>, end: Int)? {
        guard end &- start >= 8, let count = ShortLine(base + start, marker: UInt8(ascii: "*")), count.number > 0 else {
            return nil
        }
        var at = start &+ count.width
        var name = 0..<0
        var argument = 0..<0
        for index in 0..<count.number {
            guard end &- at >= 8, let length = ShortLine(base + at, marker: UInt8(ascii: "$")) else { return nil }
            let range = at &+ length.width..<at &+ length.width &+ length.number
            at = range.upperBound &+ 2
            guard at <= end else { return nil }
            if index == 0 { name = range } else if index == 1 { argument = range }
        }
        return (name, argument, at)
    }
}

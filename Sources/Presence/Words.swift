/// One letter of a constant text.
///
/// Constants are spelt letter by letter, so that they are laid out at compile time: to copy a `String` of 18 bytes, or
/// to compare with one, was measured at four to ten times the cost.
struct Letter: ExpressibleByUnicodeScalarLiteral {
    let byte: UInt8

    @inline(__always)
    init(unicodeScalarLiteral scalar: Unicode.Scalar) {
        byte = UInt8(truncatingIfNeeded: scalar.value)
    }
}

extension Span where Element == UInt8 {
    /// Whether these bytes are exactly those of a constant text.
    @inline(__always)
    func isEqual<let count: Int>(to letters: InlineArray<count, Letter>) -> Bool {
        guard self.count == count else { return false }
        for index in letters.indices where self[index] != letters[index].byte { return false }
        return true
    }

    /// Whether these bytes are exactly those of `text`.
    func isEqual(to text: StaticString) -> Bool {
        let expected = text.description.utf8
        guard count == expected.count else { return false }
        var position = 0
        for byte in expected {
            guard self[position] == byte else { return false }
            position += 1
        }
        return true
    }
}

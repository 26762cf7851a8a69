extension Span where Element == UInt8 {
    /// Whether these bytes are exactly those of `literal`. Literals of up to 15 bytes are held in place: nothing is
    /// allocated.
    func isEqual(to literal: String) -> Bool {
        let expected = literal.utf8
        guard count == expected.count else { return false }
        var position = 0
        for byte in expected {
            guard self[position] == byte else { return false }
            position += 1
        }
        return true
    }
}

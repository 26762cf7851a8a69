/// Writes the fields of one payload, in order, behind what is there, and holds them to the bounds that the reader holds them to.
struct PayloadWriter {
    let type: FrameType
    let version: UInt16
    let limits: FrameLimits

    // MARK: - Fields

    /// An instant from 1970 up to `latest`.
    func instant(
        _ value: Int64, _ field: FrameField, upTo latest: Int64, to output: inout [UInt8]
    ) throws(FrameError) {
        // An instant before 1970 is a very large number here.
        try hold(UInt64(bitPattern: value), in: 0...UInt64(latest), field)
        output.append(number: UInt64(bitPattern: value))
    }

    /// The number of a list's elements.
    func count(_ count: Int, upTo limit: Int, to output: inout [UInt8]) throws(FrameError) {
        try hold(UInt64(count), in: 1...UInt64(limit), .count)
        output.append(number: UInt16(truncatingIfNeeded: count))
    }

    /// A text behind its length of one byte.
    func shortText(
        _ text: String, _ field: FrameField, _ lengths: ClosedRange<Int>, to output: inout [UInt8]
    ) throws(FrameError) {
        try check(text, field, lengths)
        output.append(UInt8(truncatingIfNeeded: text.utf8.count))
        output.append(contentsOf: text.utf8)
    }

    /// A text behind its length of two bytes.
    func longText(
        _ text: String, _ field: FrameField, _ lengths: ClosedRange<Int>, to output: inout [UInt8]
    ) throws(FrameError) {
        try check(text, field, lengths)
        output.append(number: UInt16(truncatingIfNeeded: text.utf8.count))
        output.append(contentsOf: text.utf8)
    }

    // MARK: - Checks

    /// Throws if a value is outside the bounds of its field.
    func hold(_ value: UInt64, in allowed: ClosedRange<UInt64>, _ field: FrameField) throws(FrameError) {
        guard allowed.contains(value) else {
            throw .outOfBounds(type: type, field: field, value: value, allowed: allowed)
        }
    }

    private func check(_ text: String, _ field: FrameField, _ lengths: ClosedRange<Int>) throws(FrameError) {
        try hold(UInt64(text.utf8.count), in: UInt64(lengths.lowerBound)...UInt64(lengths.upperBound), field)
        guard text.isPlain else { throw .notText(type: type, field: field) }
    }
}

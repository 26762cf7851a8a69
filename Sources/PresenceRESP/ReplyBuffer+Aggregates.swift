/// The kinds of reply whose spelling depends on the version the client asked for.
extension ReplyBuffer {
    /// Nothing: `$-1`, in RESP3 `_`.
    public mutating func null() {
        line(version == .resp2 ? "$-1" : "_")
    }

    /// Nothing where an array was expected: `*-1`, in RESP3 `_`.
    public mutating func nullArray() {
        line(version == .resp2 ? "*-1" : "_")
    }

    /// The head of an array: `count` elements follow.
    @inlinable
    public mutating func array(_ count: Int) {
        head(UInt8(ascii: "*"), count)
    }

    /// An array whose elements `body` writes and counts. At most `maximum`, as room is left for that head; the bytes are
    /// moved up to a shorter one. For rows that are found while they are written.
    public mutating func array(upTo maximum: Int, _ body: (inout ReplyBuffer) -> Int) {
        let start = count
        head(UInt8(ascii: "*"), maximum)
        let elements = count
        let written = body(&self)
        precondition(written >= 0 && written <= maximum, "more elements than announced")
        let length = count - elements
        truncate(to: start)
        head(UInt8(ascii: "*"), written)
        close(gapUpTo: elements, of: length)
    }

    /// The head of a map: `pairs` keys follow, each with its value. A flat array in RESP2.
    public mutating func map(_ pairs: Int) {
        aggregate(UInt8(ascii: "%"), pairs, flat: pairs * 2)
    }

    /// The head of a set: `count` elements follow, in no order. An array in RESP2.
    public mutating func set(_ count: Int) {
        aggregate(UInt8(ascii: "~"), count, flat: count)
    }

    /// The head of a push: `count` elements follow that are no reply to a command. An array in RESP2.
    public mutating func push(_ count: Int) {
        aggregate(UInt8(ascii: ">"), count, flat: count)
    }

    /// `#t` or `#f`; `:1` or `:0` in RESP2.
    public mutating func boolean(_ value: Bool) {
        if version == .resp2 {
            integer(value ? 1 : 0)
        } else {
            line(value ? "#t" : "#f")
        }
    }

    /// `,value`; a bulk in RESP2. The shortest digits that read back as `value`, without a `.0`; `inf`, `-inf`, `nan`.
    public mutating func double(_ value: Double) {
        var text = value.isNaN ? "nan" : "\(value)"
        if text.hasSuffix(".0") {
            text.removeLast(2)
        }
        if version == .resp2 {
            bulk(text)
        } else {
            byte(UInt8(ascii: ","))
            utf8(text)
            lineEnd()
        }
    }

    /// A text for people to read, shown by `redis-cli` as it is: `=n` with the type `txt`; a bulk in RESP2.
    public mutating func verbatim(_ text: String) {
        if version == .resp2 {
            bulk(text)
        } else {
            head(UInt8(ascii: "="), text.utf8.count + 4)
            characters("txt:")
            utf8(text)
            lineEnd()
        }
    }

    private mutating func aggregate(_ marker: UInt8, _ count: Int, flat: Int) {
        if version == .resp2 {
            head(UInt8(ascii: "*"), flat)
        } else {
            head(marker, count)
        }
    }

    private mutating func line(_ text: StaticString) {
        characters(text)
        lineEnd()
    }
}

/// Which spelling of replies a connection asked for with `HELLO`.
public enum RESPVersion: UInt8, Sendable {
    /// What every client starts with.
    case resp2 = 2
    /// Maps, sets, booleans, doubles, one null, pushes.
    case resp3 = 3
}

/// The bytes of the replies to one read, in order, in the client's spelling, ready to be flushed at once.
///
/// A reply is written by calling one method for a scalar, or one for an aggregate's head followed by its elements. The
/// buffer does not check that as many elements follow as the head promised.
///
/// ```swift
/// var reply = ReplyBuffer()
/// reply.array(2)
/// reply.bulk("status")
/// reply.integer(1)
/// ```
///
/// Memory grows by doubling; `clear` keeps at most `retainedCapacity` bytes of it. Writing costs a bounds check and the
/// copy; nothing is allocated while the capacity lasts.
public struct ReplyBuffer: ~Copyable {
    /// What `clear` keeps at most, in bytes, unless the buffer was made larger.
    public static let retainedCapacity = 65_536

    /// The spelling of what is written from now on.
    public var version = RESPVersion.resp2

    /// Bytes written.
    public private(set) var count = 0

    /// Bytes that fit before memory is allocated again.
    public private(set) var capacity: Int

    /// The errors written since they were last taken.
    private var errors = ErrorTally()

    @usableFromInline var memory: UnsafeMutablePointer<UInt8>
    private let initialCapacity: Int

    /// An empty buffer with room for `capacity` bytes, at least 64.
    public init(capacity: Int = 4096) {
        initialCapacity = max(capacity, 64)
        self.capacity = initialCapacity
        memory = .allocate(capacity: initialCapacity)
    }

    deinit {
        memory.deallocate()
    }

    // MARK: - Scalars

    /// `+text`: a status such as `OK`. `text` may not contain CR or LF.
    @inlinable
    public mutating func simple(_ text: StaticString) {
        line(UInt8(ascii: "+"), text)
    }

    /// `-text`: an error. `text` begins with its code, as in `ERR no such user`, and may not contain CR or LF.
    public mutating func error(_ text: StaticString) {
        let start = count + 1
        line(UInt8(ascii: "-"), text)
        tally(from: start)
    }

    /// `-text`: an error made for the occasion. CR and LF become blanks, as a client's words may be quoted in it.
    public mutating func error(_ text: String) {
        byte(UInt8(ascii: "-"))
        let start = count
        utf8(text)
        blankLineEnds(from: start)
        tally(from: start)
        lineEnd()
    }

    /// The reply to bytes that are no command: `-ERR Protocol error: ...`, byte for byte Redis's.
    public mutating func error(_ failure: ProtocolError) {
        let start = count + 1
        characters("-ERR ")
        characters(failure.text)
        tally(from: start)
        if case .expectedDollar(let got) = failure {
            byte(got)
            blankLineEnds(from: count - 1)
            byte(UInt8(ascii: "'"))
        }
        lineEnd()
    }

    /// The errors written since the last call, and forgets them.
    public mutating func takeErrors() -> ErrorTally {
        defer { errors = ErrorTally() }
        return errors
    }

    private mutating func tally(from start: Int) {
        errors.count(UnsafeBufferPointer(start: memory + start, count: count - start).span)
    }

    /// `:value`.
    @inlinable
    public mutating func integer(_ value: Int) {
        head(UInt8(ascii: ":"), value)
    }

    /// `$n` and the bytes: any bytes, of any number.
    @inlinable
    public mutating func bulk(_ bytes: Span<UInt8>) {
        reserve(bytes.count &+ 26)
        head(UInt8(ascii: "$"), bytes.count)
        raw(bytes)
        lineEnd()
    }

    /// `$n` and a constant text.
    @inlinable
    public mutating func bulk(_ text: StaticString) {
        head(UInt8(ascii: "$"), text.utf8CodeUnitCount)
        characters(text)
        lineEnd()
    }

    /// `$n` and a text as UTF-8.
    public mutating func bulk(_ text: String) {
        head(UInt8(ascii: "$"), text.utf8.count)
        utf8(text)
        lineEnd()
    }

    /// `$n` and bytes that `body` writes in place. Room for `maximum` bytes is made first, so `maximum` should be near
    /// what comes; the head is written when the number is known, and the bytes are moved to its end if it has not as many
    /// digits as `likely`.
    ///
    /// - Parameter likely: about how many bytes `body` writes; `maximum` if it is not given.
    /// - Returns: What `body` returns. What it throws leaves the buffer as it was.
    @discardableResult
    @inlinable
    public mutating func bulk<Result, Failure: Error>(
        upTo maximum: Int, likely: Int? = nil,
        _ body: (inout OutputSpan<UInt8>) throws(Failure) -> Result
    ) throws(Failure) -> Result {
        let room = 3 + Self.digits(of: UInt(likely ?? maximum))
        // The head reserves for the longest number there is; memory must not move once `body` has written.
        reserve(room + maximum + 24)
        let start = count
        let target = UnsafeMutableBufferPointer(start: memory + start + room, count: maximum)
        var output = OutputSpan(buffer: target, initializedCount: 0)
        let result = try body(&output)
        let written = output.finalize(for: target)
        let width = 3 + Self.digits(of: UInt(written))
        if width != room { (memory + start + width).update(from: memory + start + room, count: written) }
        head(UInt8(ascii: "$"), written)
        advance(by: written)
        lineEnd()
        return result
    }

    // MARK: - Building blocks

    /// Bytes that are a reply, or a part of one, already.
    @inlinable
    public mutating func raw(_ bytes: Span<UInt8>) {
        reserve(bytes.count)
        bytes.withUnsafeBufferPointer { source in
            guard let first = source.baseAddress else { return }
            (memory + count).update(from: first, count: source.count)
        }
        advance(by: bytes.count)
    }

    /// `<marker><number>` and a line end: the head of a bulk or an aggregate, or an integer.
    @inlinable
    mutating func head(_ marker: UInt8, _ number: Int) {
        guard number >= 0, number <= 999 else {
            longHead(marker, number)
            return
        }
        reserve(24)
        // Marker and digits are one word, the marker lowest. Not a byte behind the line is touched: what it is the head of may lie there already.
        let number = UInt32(truncatingIfNeeded: number)
        let digits: UInt32
        let width: Int
        if number <= 9 {
            (digits, width) = (number &+ 0x30, 2)
        } else if number <= 99 {
            let tens = number / 10
            (digits, width) = ((tens | (number &- tens &* 10) &<< 8) &+ 0x3030, 3)
        } else {
            let hundreds = number / 100
            let rest = number &- hundreds &* 100
            let tens = rest / 10
            (digits, width) = ((hundreds | tens &<< 8 | (rest &- tens &* 10) &<< 16) &+ 0x30_3030, 4)
        }
        let word = digits &<< 8 | UInt32(marker)
        UnsafeMutableRawPointer(memory + count).storeBytes(of: word.littleEndian, as: UInt32.self)
        advance(by: width)
        lineEnd()
    }

    @inline(never)
    @usableFromInline
    mutating func longHead(_ marker: UInt8, _ number: Int) {
        reserve(24)
        var end = memory + count
        end[0] = marker
        end += 1
        if number < 0 {
            end[0] = UInt8(ascii: "-")
            end += 1
        }
        var rest = number.magnitude
        let digits = Self.digits(of: rest)
        var at = digits
        repeat {
            at &-= 1
            let quotient = rest / 10
            end[at] = UInt8(ascii: "0") &+ UInt8(truncatingIfNeeded: rest &- quotient &* 10)
            rest = quotient
        } while rest > 0
        end += digits
        end[0] = 0x0D
        end[1] = 0x0A
        advance(by: end + 2 - (memory + count))
    }

    /// `<marker><text>` and a line end.
    @usableFromInline
    mutating func line(_ marker: UInt8, _ text: StaticString) {
        byte(marker)
        characters(text)
        lineEnd()
    }

    @inlinable
    mutating func characters(_ text: StaticString) {
        text.withUTF8Buffer { raw($0.span) }
    }

    @inlinable
    mutating func lineEnd() {
        reserve(2)
        UnsafeMutableRawPointer(memory + count).storeBytes(of: UInt16(0x0A0D).littleEndian, as: UInt16.self)
        advance(by: 2)
    }

    mutating func byte(_ value: UInt8) {
        reserve(1)
        memory[count] = value
        advance(by: 1)
    }

    mutating func utf8(_ text: String) {
        let isContiguous: Void? = text.utf8.withContiguousStorageIfAvailable { raw($0.span) }
        if isContiguous == nil {
            for unit in text.utf8 { byte(unit) }
        }
    }

    /// Moves the last `length` bytes, which lie at `start`, up to the end of what is written, and counts them in.
    mutating func close(gapUpTo start: Int, of length: Int) {
        if start > count {
            (memory + count).update(from: memory + start, count: length)
        }
        advance(by: length)
    }

    private mutating func blankLineEnds(from start: Int) {
        for at in start..<count where memory[at] == 0x0D || memory[at] == 0x0A {
            memory[at] = UInt8(ascii: " ")
        }
    }

    /// Decimal digits of `number`.
    @usableFromInline static func digits(of number: UInt) -> Int {
        var digits = 1
        var bound: UInt = 10
        while digits < 20, number >= bound {
            digits += 1
            bound = bound &* 10
        }
        return digits
    }

    // MARK: - Memory

    /// Calls `body` with everything written.
    @inlinable
    public func withBytes<Result, Failure: Error>(
        _ body: (Span<UInt8>) throws(Failure) -> Result
    ) throws(Failure) -> Result {
        try body(UnsafeBufferPointer(start: memory, count: count).span)
    }

    /// Calls `body` with everything written, for what copies memory: a socket's buffer.
    @inlinable
    public func withUnsafeBytes<Result, Failure: Error>(
        _ body: (UnsafeRawBufferPointer) throws(Failure) -> Result
    ) throws(Failure) -> Result {
        try body(UnsafeRawBufferPointer(start: memory, count: count))
    }

    /// Forgets what was written. A buffer that has grown past `retainedCapacity` shrinks to the capacity it was made
    /// with.
    public mutating func clear() {
        count = 0
        if capacity > max(Self.retainedCapacity, initialCapacity) {
            memory.deallocate()
            memory = .allocate(capacity: initialCapacity)
            capacity = initialCapacity
        }
    }

    /// Forgets what was written behind the first `count` bytes: a reply begun and given up. Traps outside
    /// `0 ... self.count`.
    public mutating func truncate(to count: Int) {
        precondition(count >= 0 && count <= self.count, "cannot truncate to more than is there")
        self.count = count
    }

    @inlinable
    mutating func reserve(_ bytes: Int) {
        if bytes > capacity &- count {
            grow(by: bytes)
        }
    }

    @inlinable
    mutating func advance(by bytes: Int) {
        setCount(count &+ bytes)
    }

    @usableFromInline
    mutating func setCount(_ value: Int) {
        count = value
    }

    @inline(never)
    @usableFromInline
    mutating func grow(by bytes: Int) {
        let larger = max(capacity * 2, count + bytes)
        let grown = UnsafeMutablePointer<UInt8>.allocate(capacity: larger)
        grown.update(from: memory, count: count)
        memory.deallocate()
        memory = grown
        capacity = larger
    }
}

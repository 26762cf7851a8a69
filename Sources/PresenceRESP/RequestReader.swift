import Synchronization

/// Finds the commands in what a client sends, where they lie: `*3\r\n$13\r\nPRESENCE.BEAT\r\n...`, or a typed line.
///
/// The reader owns no bytes. It is handed everything received and not yet consumed, and answers where the arguments of
/// the first command are. When the command is not whole yet it remembers how far it came, and goes on there when it is
/// handed the same bytes and more, and every cut of the same bytes gives the same answers. Behind a command that is whole
/// it reads on, up to sixteen plain ones, which the next calls hand out: so what they name can be asked for before they run
/// (`commandsRead`), and a pipeline is read once. Of a command that is cut no byte is read more than three times, however the network cuts it.
///
/// ```swift
/// reading: while true {
///     switch reader.next(in: bytes, from: start) {
///     case .command:    // bytes.extracting(reader.argument(0)) is the command's name
///         start += reader.consumed
///     case .empty:      // nothing to run and nothing to answer
///         start += reader.consumed
///     case .incomplete: // keep what lies behind `start` until more has come
///         break reading
///     case .failure(let error): // answer the error, close
///         break reading
///     }
/// }
/// ```
///
/// Nothing is allocated for a length that a client only claims: the table of arguments grows with the arguments really
/// seen. A large one is given back by the call that follows its command, so call until `.incomplete` even when all bytes
/// are consumed: else a client that falls silent after a huge command keeps its table. A command costs one pass over its framing, a few nanoseconds
/// an argument, and no allocation once the table has grown to the connection's habits.
///
/// Where it is laxer than one might expect, it is so as Redis: the LF behind a CR, and the two bytes behind an argument,
/// are counted and not looked at. Where Redis stops looking at a NUL byte, this reader does not.
public struct RequestReader: ~Copyable {
    /// What a call of `next(in:from:)` found.
    public enum Step: Sendable, Equatable {
        /// A whole command with at least one argument.
        case command
        /// A whole request that asks for nothing: an empty line, `*0`, `*-1`. It is consumed and gets no reply.
        case empty
        /// The bytes end inside a command, or there are none.
        case incomplete
        /// Not a command, and no way to know where the next one begins. All later calls answer the same.
        case failure(ProtocolError)
    }

    private enum Phase: UInt8 {
        case start
        case count
        case header
        case length
        case body
        case inline
        case failed
    }

    /// What the client may ask for. To be set between two commands, as `AUTH` does: those behind are read anew.
    public var limits: RequestLimits {
        didSet { forgetCommandsAhead() }
    }

    /// Bytes of the command or empty request just read. Valid after `.command` and `.empty`, until the next call.
    public private(set) var consumed = 0

    /// Whether the arguments lie in `inlineBytes`, since they were quoted, and not in the bytes handed in.
    public private(set) var isInlineDecoded = false

    /// The arguments of a quoted inline command, one after the other. Empty unless `isInlineDecoded`.
    public private(set) var inlineBytes: [UInt8] = []

    /// How many more bytes the argument being received needs, its line end included: a hint for how far to grow a
    /// buffer. 0 where that is not known. Never above 64 KiB, so that a claimed length costs no memory.
    public private(set) var bytesNeeded = 0

    @usableFromInline var arguments = ArgumentTable()
    @usableFromInline var commands = CommandsRead()
    /// Where the first of `commands` begins: all their arguments are counted from there.
    @usableFromInline var argumentsStart = 0
    /// Where the arguments of the command just read begin in the table.
    @usableFromInline var firstArgument = 0

    /// Pins the reader to its place: what holds an atomic is passed by its address, not by a copy of all its bytes (decision 0016).
    private let pin = Atomic(false)

    private var phase = Phase.start
    private var position = 0
    private var lineStart = 0
    private var line = LengthLine()
    private var marker: UInt8 = 0
    private var hasQuotes = false
    private var remaining = 0
    private var bulkLength = 0
    private var error = ProtocolError.invalidBulkLength

    /// A reader at the start of a connection. Allocates nothing until a command is read.
    public init(limits: RequestLimits = RequestLimits()) {
        self.limits = limits
    }

    /// Arguments of the command just read, its name included. Valid after `.command`, until the next call.
    public private(set) var argumentCount = 0

    /// Arguments that fit the table before it grows: what tests hold its growth and shrinking with.
    package var argumentCapacity: Int { arguments.capacity }

    /// Where argument `index` lies: in the bytes handed to the call that answered `.command`, or in `inlineBytes` if
    /// `isInlineDecoded`. Argument 0 is the command's name. Traps outside `0 ..< argumentCount`.
    @inlinable
    public func argument(_ index: Int) -> Range<Int> {
        precondition(index >= 0 && index < argumentCount, "no such argument")
        return range(firstArgument &+ index)
    }

    /// What lies at a place of the table that `commands` say is filled.
    @inlinable
    @inline(__always)
    func range(_ place: Int) -> Range<Int> {
        let range = arguments.elements.unsafelyUnwrapped[place]
        let start = argumentsStart &+ Int(range.offset)
        return Range(uncheckedBounds: (start, start &+ Int(range.length)))
    }

    // MARK: - Commands behind

    /// How many commands the last call read, its own the first of them; 0 if it handed out what an earlier one had read.
    @inlinable public var commandsRead: Int { commands.handedOut == 1 ? commands.count : 0 }

    /// Where the name and the first argument of one of `commandsRead` lie; the argument is empty if it has none.
    @inlinable
    public func command(_ index: Int) -> (name: Range<Int>, argument: Range<Int>) {
        precondition(index >= 0 && index < commands.count, "no such command")
        let first = Int(commands.marks[index].argument)
        let hasArgument = Int(commands.marks[index &+ 1].argument) &- first > 1
        return (range(first), hasArgument ? range(first &+ 1) : 0..<0)
    }

    /// Takes back what was read behind the command just read, so that the next call reads anew from wherever it is told: also that command again.
    public mutating func forgetCommandsAhead() { commands.forgetNext() }

    /// Reads on in the current command.
    ///
    /// - Parameters:
    ///   - bytes: What was received; from `offset` on, nothing that an earlier call saw may be missing or changed,
    ///     though it may lie elsewhere.
    ///   - offset: Where the current command begins: behind everything consumed. Traps outside `0 ... bytes.count`.
    public mutating func next(in bytes: Span<UInt8>, from offset: Int) -> Step {
        precondition(offset >= 0 && offset <= bytes.count, "the command begins outside the bytes")
        if commands.hasNext {
            handOut(from: offset)
            precondition(consumed <= bytes.count &- offset, "bytes that were seen are missing")
            return .command
        }
        if phase == .start {
            begin()
        }
        argumentsStart = offset
        return bytes.withUnsafeBufferPointer { buffer in
            guard let first = buffer.baseAddress else { return .incomplete }
            if phase == .start {
                readTogether(first + offset, min(buffer.count - offset, Int(UInt32.max)))
                if commands.hasNext {
                    handOut(from: offset)
                    return .command
                }
            }
            return read(first + offset, buffer.count - offset)
        }
    }

    /// Makes the next command that was read the present one.
    @inline(__always)
    private mutating func handOut(from offset: Int) {
        let begin = commands.marks[commands.handedOut]
        let end = commands.marks[commands.handedOut &+ 1]
        argumentsStart = offset &- Int(begin.offset)
        firstArgument = Int(begin.argument)
        argumentCount = Int(end.argument &- begin.argument)
        consumed = Int(end.offset &- begin.offset)
        commands.handedOut &+= 1
    }

    private mutating func begin() {
        position = 0
        arguments.removeAll()
        commands.removeAll()
        argumentCount = 0
        if isInlineDecoded {
            isInlineDecoded = false
            inlineBytes.removeAll(keepingCapacity: inlineBytes.capacity <= 1024)
        }
    }

    /// Takes in commands as long as they are whole, plain, and of short arguments: nearly all there are. Stops before the first that is not.
    private mutating func readTogether(_ bytes: UnsafePointer<UInt8>, _ end: Int) {
        // Where a limit is so low that such a command could pass it, each is read by itself.
        let most = CommandsRead.mostArguments
        guard limits.maxArguments >= most, maxBulkLength > ShortLine.maximum,
            maxCommandBytes > most &* (ShortLine.maximum &+ 8)
        else { return }
        let maxArguments = limits.isAuthenticated ? most : min(most, limits.maxUnauthenticatedArguments)
        var at = 0
        while commands.count < CommandsRead.limit, end &- at >= 8, let line = ShortLine(bytes + at, marker: asterisk) {
            // As many arguments as are claimed must have room in what has come: nothing is allocated for a claim.
            guard line.number > 0, line.number <= maxArguments &- arguments.count, line.number &* 6 < end &- at else {
                return
            }
            at &+= line.width
            guard end &- at >= 8, var length = ShortLine(bytes + at, marker: dollar) else { return }
            let room = arguments.room(for: line.number)
            var place = 0
            while true {
                let start = at &+ length.width
                room[place] = ArgumentRange(
                    offset: UInt32(truncatingIfNeeded: start), length: UInt32(truncatingIfNeeded: length.number))
                at = start &+ length.number &+ 2
                place &+= 1
                guard place < line.number else { break }
                guard end &- at >= 8, let next = ShortLine(bytes + at, marker: dollar) else { return }
                length = next
            }
            guard at <= end else { return }
            arguments.fill(line.number)
            commands.append(endingAt: at, arguments.count)
        }
    }

    private mutating func read(_ bytes: UnsafePointer<UInt8>, _ end: Int) -> Step {
        if phase == .start {
            guard end > 0 else { return .incomplete }
            if bytes[0] != asterisk {
                phase = .inline
                hasQuotes = false
            } else if end >= 8, let short = ShortLine(bytes, marker: asterisk), short.number > 0,
                short.number <= limits.maxUnauthenticatedArguments, short.number <= limits.maxArguments
            {
                position = short.width
                remaining = short.number
                phase = .header
            } else {
                startLine(at: 0)
                phase = .count
            }
        }
        switch phase {
        case .header, .length, .body:
            return readArguments(bytes, end)
        case .count:
            return readCount(bytes, end)
        case .inline:
            return readInline(bytes, end)
        case .start, .failed:
            return .failure(error)
        }
    }

    private var maxCommandBytes: Int { min(limits.maxCommandBytes, Int(UInt32.max)) }

    // MARK: - Lines that hold a length

    private enum LineStep {
        case whole
        case incomplete
        case tooLong
    }

    private mutating func startLine(at start: Int) {
        lineStart = start
        position = start + 1
        line = LengthLine()
    }

    /// Takes what has come of the line into `line`; when it is whole, moves behind its line end.
    private mutating func readLine(_ bytes: UnsafePointer<UInt8>, _ end: Int) -> LineStep {
        var at = position
        while at < end, bytes[at] != carriageReturn {
            guard at - lineStart < limits.maxInlineLength else { return .tooLong }
            line.take(bytes[at])
            at += 1
        }
        position = at
        guard at + 1 < end else { return .incomplete }
        position = at + 2
        return .whole
    }

    private mutating func readCount(_ bytes: UnsafePointer<UInt8>, _ end: Int) -> Step {
        switch readLine(bytes, end) {
        case .whole: break
        case .incomplete: return wait(for: 0)
        case .tooLong: return fail(.tooBigMultibulkCount)
        }
        guard let count = line.number, count <= limits.maxArguments else { return fail(.invalidMultibulkLength) }
        if !limits.isAuthenticated, count > limits.maxUnauthenticatedArguments {
            return fail(.unauthenticatedMultibulkLength)
        }
        guard count > 0 else { return finish(.empty) }
        remaining = Int(count)
        phase = .header
        return readArguments(bytes, end)
    }

    // MARK: - Arguments

    private mutating func readArguments(_ bytes: UnsafePointer<UInt8>, _ end: Int) -> Step {
        let maxBulkLength = self.maxBulkLength
        let maxEnd = maxCommandBytes
        while true {
            if phase == .header {
                readShortArguments(bytes, until: min(end, maxEnd), maxBulkLength: maxBulkLength)
                if remaining == 0 { return finishCommand() }
            }
            if phase != .body {
                if let step = readHeader(bytes, end) { return step }
                guard bulkLength <= maxBulkLength, bulkLength <= maxEnd - position - 2 else {
                    return refuse(bulkLength)
                }
                phase = .body
            }
            let behind = position + bulkLength + 2
            guard behind <= end else { return wait(for: behind - end) }
            arguments.append(
                ArgumentRange(
                    offset: UInt32(truncatingIfNeeded: position), length: UInt32(truncatingIfNeeded: bulkLength)))
            position = behind
            remaining -= 1
            phase = .header
        }
    }

    /// Takes arguments as long as they are short, whole and within their limits: nearly all there are. Stops before the
    /// first that is not.
    @inline(__always)
    private mutating func readShortArguments(_ bytes: UnsafePointer<UInt8>, until end: Int, maxBulkLength: Int) {
        // What the loop works on lives in locals: memory written through a pointer may, to the compiler, be any field.
        var at = position
        var left = remaining
        var room = arguments.room
        var filled = 0
        while left > 0, end &- at >= 8, let short = ShortLine(bytes + at, marker: dollar) {
            let start = at &+ short.width
            let behind = start &+ short.number &+ 2
            guard behind <= end, short.number <= maxBulkLength else { break }
            if filled == room.count {
                arguments.fill(filled)
                arguments.grow()
                room = arguments.room
                filled = 0
            }
            room[filled] = ArgumentRange(
                offset: UInt32(truncatingIfNeeded: start), length: UInt32(truncatingIfNeeded: short.number))
            filled &+= 1
            at = behind
            left &-= 1
        }
        arguments.fill(filled)
        position = at
        remaining = left
    }

    private var maxBulkLength: Int {
        limits.isAuthenticated
            ? limits.maxBulkLength : min(limits.maxBulkLength, limits.maxUnauthenticatedBulkLength)
    }

    /// Says which limit an argument exceeds.
    private mutating func refuse(_ length: Int) -> Step {
        if length > limits.maxBulkLength { return fail(.invalidBulkLength) }
        return fail(length > maxBulkLength ? .unauthenticatedBulkLength : .tooBigCommand)
    }

    /// Reads on in a `$<length>` line that is long, odd or not whole. Nil once `bulkLength` is known.
    private mutating func readHeader(_ bytes: UnsafePointer<UInt8>, _ end: Int) -> Step? {
        if phase == .header {
            guard position < end else { return wait(for: 0) }
            marker = bytes[position]
            // The marker is judged with its line, as Redis does; a line end in its place ends the line at once.
            startLine(at: position)
            if marker == carriageReturn {
                position = lineStart
            }
            phase = .length
        }
        switch readLine(bytes, end) {
        case .whole: break
        case .incomplete: return wait(for: 0)
        case .tooLong: return fail(.tooBigBulkCount)
        }
        guard marker == dollar else { return fail(.expectedDollar(got: marker)) }
        guard let length = line.number, length >= 0, length <= limits.maxBulkLength else {
            return fail(.invalidBulkLength)
        }
        bulkLength = Int(length)
        return nil
    }

    // MARK: - Inline commands

    private mutating func readInline(_ bytes: UnsafePointer<UInt8>, _ end: Int) -> Step {
        if bytes[0] == 22, end > 1, bytes[1] == 3 { return fail(.tlsHandshake) }
        let limit = min(limits.maxInlineLength, maxCommandBytes)
        var at = position
        while at < end, bytes[at] != lineFeed {
            guard at < limit else { return fail(.tooBigInlineRequest) }
            if bytes[at] == InlineCommand.doubleQuote || bytes[at] == InlineCommand.singleQuote {
                hasQuotes = true
            }
            at += 1
        }
        position = at
        guard at < end else { return wait(for: 0) }
        position = at + 1

        let length = at > 0 && bytes[at - 1] == carriageReturn ? at - 1 : at
        let line = UnsafeBufferPointer(start: bytes, count: length).span
        if hasQuotes {
            isInlineDecoded = true
            argumentsStart = 0
            let isBalanced = InlineCommand.decode(line, into: &inlineBytes) { arguments.append(ArgumentRange($0)) }
            guard isBalanced else { return fail(.unbalancedQuotes) }
        } else {
            InlineCommand.split(line) { arguments.append(ArgumentRange($0)) }
        }
        return arguments.count == 0 ? finish(.empty) : finishCommand()
    }

    // MARK: - Ends of a call

    private mutating func wait(for bytes: Int) -> Step {
        bytesNeeded = min(bytes, 65_536)
        return .incomplete
    }

    private mutating func finishCommand() -> Step {
        commands.append(endingAt: position, arguments.count)
        handOut(from: argumentsStart)
        return finish(.command)
    }

    private mutating func finish(_ step: Step) -> Step {
        consumed = position
        bytesNeeded = 0
        phase = .start
        return step
    }

    private mutating func fail(_ error: ProtocolError) -> Step {
        self.error = error
        bytesNeeded = 0
        phase = .failed
        return .failure(error)
    }
}

private let asterisk = UInt8(ascii: "*")
private let dollar = UInt8(ascii: "$")
private let carriageReturn: UInt8 = 0x0D
private let lineFeed: UInt8 = 0x0A

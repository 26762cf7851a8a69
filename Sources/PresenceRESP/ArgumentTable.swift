/// Where an argument lies: bytes from the start of its command. 32 bits each, as no command is longer.
public struct ArgumentRange: Sendable, Equatable {
    /// First byte, counted from the first byte of the command.
    public var offset: UInt32
    /// Bytes.
    public var length: UInt32

    /// The argument of `length` bytes at `offset`.
    @inlinable
    public init(offset: UInt32, length: UInt32) {
        self.offset = offset
        self.length = length
    }

    init(_ range: Range<Int>) {
        self.init(offset: UInt32(range.lowerBound), length: UInt32(range.count))
    }
}

/// The arguments of the commands that were read together: eight bytes each, in memory that is kept from command to command.
///
/// Grows by doubling as arguments are seen. What is kept between commands is at most `retainedCapacity` of them (8 KiB);
/// a larger table is freed by `removeAll`, which costs a command of that many arguments a nanosecond each at most.
@usableFromInline
struct ArgumentTable: ~Copyable {
    @usableFromInline static let initialCapacity = 16
    static let retainedCapacity = 1024

    @usableFromInline private(set) var count = 0
    private(set) var capacity = 0
    @usableFromInline var elements: UnsafeMutablePointer<ArgumentRange>?

    init() {}

    @inlinable
    deinit {
        elements?.deallocate()
    }

    @inline(__always)
    mutating func append(_ range: ArgumentRange) {
        if count == capacity {
            grow()
        }
        elements.unsafelyUnwrapped.advanced(by: count).initialize(to: range)
        count &+= 1
    }

    /// The memory behind the last argument, not initialized. Until `fill`, or whatever else changes the table.
    @inline(__always)
    var room: UnsafeMutableBufferPointer<ArgumentRange> {
        UnsafeMutableBufferPointer(start: elements.map { $0 + count }, count: capacity &- count)
    }

    /// The same, with room for `more` elements.
    @inline(__always)
    mutating func room(for more: Int) -> UnsafeMutablePointer<ArgumentRange> {
        while capacity &- count < more { grow() }
        return elements.unsafelyUnwrapped + count
    }

    /// Counts in the first `more` elements of `room`, which were written.
    @inline(__always)
    mutating func fill(_ more: Int) {
        count &+= more
    }

    @inline(__always)
    mutating func removeAll() {
        count = 0
        if capacity > Self.retainedCapacity {
            elements?.deallocate()
            elements = nil
            capacity = 0
        }
    }

    @inline(never)
    mutating func grow() {
        let larger = max(Self.initialCapacity, capacity * 2)
        let grown = UnsafeMutablePointer<ArgumentRange>.allocate(capacity: larger)
        if let elements {
            grown.moveInitialize(from: elements, count: count)
            elements.deallocate()
        }
        elements = grown
        capacity = larger
    }
}

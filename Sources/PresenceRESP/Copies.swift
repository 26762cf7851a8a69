/// Bytes that outlive what they were read from: one block copied, not a byte at a time.
extension [UInt8] {
    /// A copy of `bytes`.
    public init(copying bytes: Span<UInt8>) {
        self = bytes.withUnsafeBufferPointer { [UInt8]($0) }
    }

    /// Appends a copy of `bytes`.
    public mutating func append(copying bytes: Span<UInt8>) {
        bytes.withUnsafeBufferPointer { append(contentsOf: $0) }
    }
}

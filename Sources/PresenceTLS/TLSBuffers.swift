import NIOCore
import Synchronization

/// The memory that the connections of one event loop decrypt and encrypt in, one after the other: so an idle connection has none of its own,
/// and a busy one allocates none. Confined to that loop, hence `@unchecked Sendable`.
public final class TLSBuffers: @unchecked Sendable {
    /// What was decrypted, on its way to the next handler.
    private var plain = ByteBuffer()
    /// What was encrypted, on its way to the kernel.
    private var encrypted = ByteBuffer()

    /// Memory for one event loop.
    public init() {}

    /// Bytes above which memory is not kept for the next.
    private static let keptBytes = 128 << 10

    /// An empty buffer for plain text with room for `count` bytes. If whoever had the last one still has it, this is another.
    func takePlain(_ count: Int) -> ByteBuffer {
        var buffer = plain
        plain = ByteBuffer()
        buffer.clear(minimumCapacity: count)
        return buffer
    }

    /// Takes the buffer back.
    func keepPlain(_ buffer: consuming ByteBuffer) {
        if buffer.capacity <= Self.keptBytes { plain = buffer }
    }

    /// An empty buffer for records.
    func takeEncrypted(_ count: Int) -> ByteBuffer {
        var buffer = encrypted
        encrypted = ByteBuffer()
        buffer.clear(minimumCapacity: count)
        return buffer
    }

    /// Takes the buffer back.
    func keepEncrypted(_ buffer: consuming ByteBuffer) {
        if buffer.capacity <= Self.keptBytes { encrypted = buffer }
    }
}

/// The ``TLSBuffers`` of every event loop that has connections. Any thread may ask.
public final class TLSBuffersOfLoops: Sendable {
    private let buffers = Mutex<[ObjectIdentifier: TLSBuffers]>([:])

    /// None yet.
    public init() {}

    /// The buffers of `eventLoop`, which lives as long as this.
    public func buffers(of eventLoop: any EventLoop) -> TLSBuffers {
        buffers.withLock { buffers in
            let key = ObjectIdentifier(eventLoop)
            if let known = buffers[key] { return known }
            let new = TLSBuffers()
            buffers[key] = new
            return new
        }
    }
}

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#elseif canImport(Darwin)
    import Darwin
#endif

/// The socket of a connection, for output that can leave at once: nearly all there is.
///
/// A write through the channel takes 2 900 instructions of SwiftNIO's, in the commonest case as many as a heartbeat itself; this takes the system
/// call. What the kernel does not take at once goes to the channel, which waits for room. Whoever uses it must know that the socket is open.
struct OutputSocket {
    private let handle: CInt

    init(_ handle: CInt) { self.handle = handle }

    /// Sends as many of the first bytes as the kernel takes without waiting.
    ///
    /// - Returns: how many; 0 too if the connection is broken: the channel finds that out with what it is given then.
    func write(_ bytes: Span<UInt8>) -> Int {
        bytes.withUnsafeBufferPointer { buffer in
            max(0, send(handle, buffer.baseAddress, buffer.count, OutputSocket.flags))
        }
    }

    #if canImport(Darwin)
        // The channel has told the socket that a broken connection is no signal.
        private static let flags = CInt(MSG_DONTWAIT)
    #else
        private static let flags = CInt(MSG_DONTWAIT) | CInt(MSG_NOSIGNAL)
    #endif
}

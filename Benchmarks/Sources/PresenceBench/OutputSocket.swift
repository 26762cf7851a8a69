import Foundation

/// A connected socket that nobody waits for: what the kernel does not take at once goes later, and reading gives what there is.
final class OutputSocket {
    let handle: Int32
    private var output: [UInt8] = []
    private var sent = 0

    init(_ address: ServerAddress) throws {
        handle = try address.openSocket()
        guard fcntl(handle, F_SETFL, O_NONBLOCK) == 0 else { throw BenchError("a socket cannot be made non-blocking") }
    }

    deinit { close(handle) }

    var hasOutput: Bool { sent < output.count }

    /// Puts bytes behind those that wait to leave.
    func append(_ bytes: ArraySlice<UInt8>) { output.append(contentsOf: bytes) }

    /// Sends bytes at once as far as nothing waits and the kernel takes them; the rest waits to leave.
    func send(_ bytes: UnsafeRawBufferPointer) throws {
        let taken = hasOutput ? 0 : max(0, write(handle, bytes.baseAddress, bytes.count))
        if taken < bytes.count { output.append(contentsOf: bytes[taken...]) }
        try flush()
    }

    /// Sends what the kernel takes.
    func flush() throws {
        while sent < output.count {
            let count = output.withUnsafeBytes { write(handle, $0.baseAddress! + sent, output.count - sent) }
            guard count > 0 else {
                guard errno == EAGAIN || errno == EINTR else { throw BenchError("a connection was lost while sending") }
                return
            }
            sent += count
        }
        output.removeAll(keepingCapacity: true)
        sent = 0
    }

    /// Reads what has come; 0 if nothing has.
    func read(into bytes: UnsafeMutableRawBufferPointer) throws -> Int {
        let count = Foundation.read(handle, bytes.baseAddress, bytes.count)
        guard count > 0 else {
            guard count < 0, errno == EAGAIN || errno == EINTR else {
                throw BenchError("the server closed a connection")
            }
            return 0
        }
        return count
    }
}

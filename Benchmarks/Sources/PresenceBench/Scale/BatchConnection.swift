import Foundation

/// One connection for batches: several may be on their way, and every byte that answers them is held against what it must be.
final class BatchConnection {
    /// A batch that is not answered yet.
    private struct Flight {
        let tag: Int
        let reply: [UInt8]
        let length: Int
        /// How much of the reply has come.
        var received = 0
    }

    let handle: Int32
    private var output: [UInt8] = []
    private var sent = 0
    private var input = [UInt8](repeating: 0, count: 65_536)
    private var flights: [Flight] = []

    init(port: Int) throws {
        handle = try ServerAddress(port: port).openSocket()
        var one: Int32 = 1
        setsockopt(handle, Int32(IPPROTO_TCP), TCP_NODELAY, &one, socklen_t(MemoryLayout<Int32>.size))
        guard fcntl(handle, F_SETFL, O_NONBLOCK) == 0 else { throw BenchError("a socket cannot be made non-blocking") }
    }

    deinit { close(handle) }

    var inFlight: Int { flights.count }
    var hasOutput: Bool { sent < output.count }

    /// Sends a batch; what the kernel does not take now goes with the next `flush`.
    ///
    /// - Parameter reply: its first `length` bytes are what must answer.
    func send(_ bytes: UnsafeRawBufferPointer, reply: [UInt8], length: Int, tag: Int) throws {
        flights.append(Flight(tag: tag, reply: reply, length: length))
        let taken = hasOutput ? 0 : max(0, write(handle, bytes.baseAddress, bytes.count))
        if taken < bytes.count { output.append(contentsOf: bytes[taken...]) }
        try flush()
    }

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

    /// Reads what has come and calls `answered` with the tag of every batch that is answered.
    func receive(_ answered: (Int) throws -> Void) throws {
        let count = input.withUnsafeMutableBytes { read(handle, $0.baseAddress!, $0.count) }
        guard count > 0 else {
            guard count < 0, errno == EAGAIN || errno == EINTR else {
                throw BenchError("the server closed a connection")
            }
            return
        }
        var start = 0
        while start < count {
            guard var flight = flights.first else { throw BenchError("a reply that nobody asked for") }
            let length = min(count - start, flight.length - flight.received)
            let isRight = input.withUnsafeBytes { input in
                flight.reply.withUnsafeBytes { reply in
                    memcmp(input.baseAddress! + start, reply.baseAddress! + flight.received, length) == 0
                }
            }
            guard isRight else {
                throw WrongReply(String(decoding: input[start..<min(count, start + 200)], as: UTF8.self))
            }
            start += length
            flight.received += length
            if flight.received == flight.length {
                flights.removeFirst()
                try answered(flight.tag)
            } else {
                flights[0] = flight
            }
        }
    }
}

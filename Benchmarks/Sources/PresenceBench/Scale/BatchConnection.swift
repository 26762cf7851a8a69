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

    private let socket: OutputSocket
    private var input = [UInt8](repeating: 0, count: 65_536)
    private var flights: [Flight] = []

    init(port: Int) throws { socket = try OutputSocket(ServerAddress(port: port)) }

    var handle: Int32 { socket.handle }

    var inFlight: Int { flights.count }
    var hasOutput: Bool { socket.hasOutput }

    /// Sends a batch; what the kernel does not take now goes with the next `flush`.
    ///
    /// - Parameter reply: its first `length` bytes are what must answer.
    func send(_ bytes: UnsafeRawBufferPointer, reply: [UInt8], length: Int, tag: Int) throws {
        flights.append(Flight(tag: tag, reply: reply, length: length))
        try socket.send(bytes)
    }

    func flush() throws { try socket.flush() }

    /// Reads what has come and calls `answered` with the tag of every batch that is answered.
    func receive(_ answered: (Int) throws -> Void) throws {
        let count = try input.withUnsafeMutableBytes { try socket.read(into: $0) }
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

import Foundation

/// One connection of a load: commands go out in pipelines, and every reply is held against what it must be.
///
/// Its memory is made before: nothing is allocated for a command.
final class LoadConnection {
    private let socket: OutputSocket
    private var input = [UInt8](repeating: 0, count: 262_144)
    private var start = 0
    private var end = 0
    /// Which commands are in flight, and when they were meant to be sent, in nanoseconds; a ring.
    private var asked: [(place: Int, intended: Int64)]
    private var first = 0
    private(set) var inFlight = 0

    /// - Parameter limit: commands in flight at most.
    init(_ address: ServerAddress, limit: Int) throws {
        socket = try OutputSocket(address)
        asked = Array(repeating: (0, 0), count: limit)
    }

    var handle: Int32 { socket.handle }
    var isFull: Bool { inFlight == asked.count }
    var hasOutput: Bool { socket.hasOutput }

    /// Puts a command behind those that wait to leave.
    func append(_ place: Int, of commands: some AskedCommands, intendedAt instant: Int64) {
        socket.append(commands[place])
        asked[(first + inFlight) % asked.count] = (place, instant)
        inFlight += 1
    }

    /// Sends what the kernel takes.
    func flush() throws { try socket.flush() }

    /// Reads what has come, and calls `answered` with the intended instant of every command that is answered.
    func receive(_ commands: some AskedCommands, _ answered: (Int64) -> Void) throws {
        end += try input.withUnsafeMutableBytes {
            try socket.read(into: UnsafeMutableRawBufferPointer(rebasing: $0[end...]))
        }
        while start < end {
            guard inFlight > 0 else { throw BenchError("a reply that nobody asked for") }
            let length = try input.withUnsafeBytes {
                try commands.replyLength(asked[first].place, in: UnsafeRawBufferPointer(rebasing: $0[start..<end]))
            }
            guard let length else { break }
            answered(asked[first].intended)
            first = (first + 1) % asked.count
            inFlight -= 1
            start += length
        }
        if start == end {
            (start, end) = (0, 0)
        } else if end > input.count / 2 {
            input.withUnsafeMutableBytes { bytes in
                _ = memmove(bytes.baseAddress!, bytes.baseAddress! + start, end - start)
            }
            (start, end) = (0, end - start)
        }
    }
}

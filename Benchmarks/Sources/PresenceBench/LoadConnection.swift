import Foundation

/// One connection of a load: commands go out in pipelines, and every reply is held against what it must be.
///
/// Its memory is made before: nothing is allocated for a command.
final class LoadConnection {
    let handle: Int32
    private var output: [UInt8] = []
    private var sent = 0
    private var input = [UInt8](repeating: 0, count: 262_144)
    private var start = 0
    private var end = 0
    /// Which commands are in flight, and when they were meant to be sent, in nanoseconds; a ring.
    private var asked: [(place: Int, intended: Int64)]
    private var first = 0
    private(set) var inFlight = 0

    /// - Parameter limit: commands in flight at most.
    init(_ address: ServerAddress, limit: Int) throws {
        handle = try address.openSocket()
        asked = Array(repeating: (0, 0), count: limit)
        var one: Int32 = 1
        setsockopt(handle, Int32(IPPROTO_TCP), TCP_NODELAY, &one, socklen_t(MemoryLayout<Int32>.size))
        guard fcntl(handle, F_SETFL, O_NONBLOCK) == 0 else { throw BenchError("a socket cannot be made non-blocking") }
    }

    deinit { close(handle) }

    var isFull: Bool { inFlight == asked.count }
    var hasOutput: Bool { sent < output.count }

    /// Puts a command behind those that wait to leave.
    func append(_ place: Int, of commands: LoadCommands, intendedAt instant: Int64) {
        output.append(contentsOf: commands[place])
        asked[(first + inFlight) % asked.count] = (place, instant)
        inFlight += 1
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

    /// Reads what has come, and calls `answered` with the intended instant of every command that is answered.
    func receive(_ commands: LoadCommands, _ answered: (Int64) -> Void) throws {
        let count = input.withUnsafeMutableBytes { read(handle, $0.baseAddress! + end, $0.count - end) }
        guard count > 0 else {
            guard count < 0, errno == EAGAIN || errno == EINTR else {
                throw BenchError("the server closed a connection")
            }
            return
        }
        end += count
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

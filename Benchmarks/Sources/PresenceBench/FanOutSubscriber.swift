import Foundation

/// A subscriber that counts whole messages and, where all are alike, holds them against what they must be.
struct FanOutSubscriber {
    let handle: Int32
    private let expected: [UInt8]?
    private var place = 0
    private var lines = 0
    /// Where no two are alike: what came of the line that is not whole yet.
    private var line: [UInt8] = []
    /// Whole messages that came.
    var messages: Int { lines / FanOutWork.linesOfMessage }

    init(_ address: ServerAddress, _ work: FanOutWork) throws {
        expected = work.bytes
        handle = try address.openSocket()
        let channel = FanOutWork.channel
        let request = Connection.encoded(["SUBSCRIBE", channel])
        let answer = Array("*3\r\n$9\r\nsubscribe\r\n$\(channel.utf8.count)\r\n\(channel)\r\n:1\r\n".utf8)
        var bytes = [UInt8](repeating: 0, count: answer.count)
        guard write(handle, request, request.count) == request.count,
            recv(handle, &bytes, bytes.count, Int32(MSG_WAITALL)) == bytes.count, bytes == answer
        else {
            close(handle)
            throw BenchError(
                "SUBSCRIBE \(channel) was answered \(String(decoding: bytes, as: UTF8.self).debugDescription)")
        }
    }

    /// Holds the last line of a message of a change against what it must say.
    private mutating func checkLine() throws {
        defer { line.removeAll(keepingCapacity: true) }
        guard lines.isMultiple(of: FanOutWork.linesOfMessage) else { return }
        // Every message is looked at by one in sixteen: the generator shares the cores with the server.
        guard (messages + Int(handle)).isMultiple(of: 16) else { return }
        let text = String(decoding: line, as: UTF8.self)
        for part in FanOutWork.says(messages - 1) where !text.contains(part) {
            throw BenchError("message \(messages) of a subscriber has no \(part): \(text)")
        }
    }

    /// Reads what has come.
    mutating func receive(into buffer: inout [UInt8]) throws {
        let count = read(handle, &buffer, buffer.count)
        guard count > 0 else { throw BenchError("the server closed a subscriber's connection") }
        for byte in buffer[..<count] {
            if let expected {
                guard byte == expected[place] else {
                    throw BenchError("a subscriber got another message than was published")
                }
                place = place + 1 == expected.count ? 0 : place + 1
            }
            guard byte == 10 else {
                if expected == nil { line.append(byte) }
                continue
            }
            lines += 1
            if expected == nil { try checkLine() }
        }
    }
}

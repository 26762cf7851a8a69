import Foundation

/// What a server answered.
enum Reply: Equatable {
    case simple(String)
    case error(String)
    case integer(Int)
    case bulk(String)
    case null
    case array([Reply])
}

/// A blocking connection that speaks the Redis protocol: enough of a client to load servers and to check them.
final class Connection {
    let handle: Int32
    private var buffer: [UInt8] = []
    private var start = 0

    /// To a server on the loopback interface.
    convenience init(port: Int) throws { try self.init(ServerAddress(port: port)) }

    init(_ address: ServerAddress, evenAtTheEnd: Bool = false) throws {
        handle = try address.openSocket(evenAtTheEnd: evenAtTheEnd)
        var timeout = timeval(tv_sec: 30, tv_usec: 0)
        setsockopt(handle, SOL_SOCKET, SO_RCVTIMEO, &timeout, socklen_t(MemoryLayout<timeval>.size))
        setsockopt(handle, SOL_SOCKET, SO_SNDTIMEO, &timeout, socklen_t(MemoryLayout<timeval>.size))
    }

    deinit { close(handle) }

    static func loopback(port: Int) -> sockaddr_in {
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = UInt16(port).bigEndian
        address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
        return address
    }

    // MARK: Commands

    /// One command and its reply.
    func command(_ words: String...) throws -> Reply {
        try send(Connection.encoded(words))
        return try reply()
    }

    /// One command that must answer this.
    func command(_ words: [String], expecting expected: Reply) throws {
        try send(Connection.encoded(words))
        let answer = try reply()
        guard answer == expected else { throw BenchError("\(words.joined(separator: " ")) answered \(answer)") }
    }

    /// Many commands, in pipelines of 512, each of which must answer this.
    func load(_ count: Int, expecting expected: Reply, _ words: (Int) -> [String]) throws {
        var next = 0
        while next < count {
            let end = min(next + 512, count)
            var bytes: [UInt8] = []
            for index in next..<end { bytes += Connection.encoded(words(index)) }
            try send(bytes)
            for index in next..<end {
                let answer = try reply()
                guard answer == expected else { throw BenchError("\(words(index)) answered \(answer)") }
            }
            next = end
        }
    }

    static func encoded(_ words: [String]) -> [UInt8] {
        var bytes = Array("*\(words.count)\r\n".utf8)
        for word in words {
            bytes += Array("$\(word.utf8.count)\r\n".utf8)
            bytes += Array(word.utf8)
            bytes += [13, 10]
        }
        return bytes
    }

    // MARK: Bytes

    func send(_ bytes: [UInt8]) throws {
        var sent = 0
        while sent < bytes.count {
            let count = bytes.withUnsafeBytes { write(handle, $0.baseAddress! + sent, bytes.count - sent) }
            guard count > 0 else { throw BenchError("the connection was lost while sending") }
            sent += count
        }
    }

    /// What has come, at most 64 KiB; waits for it.
    func receive() throws -> [UInt8] {
        var chunk = [UInt8](repeating: 0, count: 65_536)
        let count = chunk.withUnsafeMutableBytes { read(handle, $0.baseAddress!, 65_536) }
        guard count > 0 else { throw BenchError("the connection was lost, or nothing came for 30 s") }
        chunk.removeLast(65_536 - count)
        return chunk
    }

    /// What was received behind the last reply that was read.
    func takeRest() -> [UInt8] {
        defer {
            buffer = []
            start = 0
        }
        return Array(buffer[start...])
    }

    func reply() throws -> Reply {
        let line = try line()
        let rest = String(line.dropFirst())
        switch line.first {
        case "+": return .simple(rest)
        case "-": return .error(rest)
        case ":": return .integer(Int(rest) ?? 0)
        case "$":
            guard let length = Int(rest), length >= 0 else { return .null }
            return .bulk(try text(length))
        case "*":
            guard let count = Int(rest), count >= 0 else { return .null }
            return .array(try (0..<count).map { _ in try reply() })
        default: throw BenchError("not a reply: \(line)")
        }
    }

    private func line() throws -> String {
        var end = start
        while true {
            while end + 1 < buffer.count {
                if buffer[end] == 13, buffer[end + 1] == 10 {
                    defer { start = end + 2 }
                    return String(decoding: buffer[start..<end], as: UTF8.self)
                }
                end += 1
            }
            let skipped = end - start
            try fill()
            end = start + skipped
        }
    }

    private func text(_ length: Int) throws -> String {
        while buffer.count - start < length + 2 { try fill() }
        defer { start += length + 2 }
        return String(decoding: buffer[start..<start + length], as: UTF8.self)
    }

    private func fill() throws {
        if start > 0 {
            buffer.removeFirst(start)
            start = 0
        }
        buffer += try receive()
    }
}

extension Connection {
    /// Subscribes to a channel; from here on only messages come.
    func subscribe(_ channel: String) throws {
        try command(["SUBSCRIBE", channel], expecting: .array([.bulk("subscribe"), .bulk(channel), .integer(1)]))
    }

    /// Makes a script known, by its digest.
    func loadScript(_ text: String) throws -> String {
        guard case .bulk(let digest) = try command("SCRIPT", "LOAD", text) else {
            throw BenchError("the script was refused")
        }
        return digest
    }

    /// A number from `INFO`, 0 if there is none of that name.
    func info(_ section: String, _ name: String) throws -> Int {
        guard case .bulk(let text) = try command("INFO", section) else { throw BenchError("INFO \(section) failed") }
        let line = text.split(whereSeparator: \.isNewline).first { $0.hasPrefix(name + ":") }
        return line.flatMap { Int($0.dropFirst(name.count + 1)) } ?? 0
    }
}

/// A way to a server: what opens connections for a transcript.
public protocol TranscriptTransport {
    /// A new connection.
    func connect() throws -> any TranscriptConnection
}

/// One connection of a transcript.
public protocol TranscriptConnection: AnyObject {
    /// Sends bytes. Sending to a closed connection does nothing.
    func send(_ bytes: [UInt8]) throws
    /// Waits for bytes and returns those that came; none when the connection is closed. Throws if nothing comes in reasonable time.
    func receive() throws -> [UInt8]
}

/// Plays a transcript against a server with a clock that stands still, and says where the server did otherwise.
///
/// Messages to subscribers are told from replies by their first word. Before a message is looked for, the connection is pinged, so that all
/// that the server had sent by then is here: nothing waits for a time.
public final class TranscriptRunner {
    /// Where a server did not do what the transcript says.
    public struct Mismatch: Error, CustomStringConvertible {
        /// The step's line.
        public var line: Int
        /// What the transcript says.
        public var expected: String
        /// What the server said.
        public var found: String
        /// All of it, over several lines.
        public var description: String { "line \(line): expected\n\(expected)\nfound\n\(found)" }
    }

    private final class Peer {
        let connection: any TranscriptConnection
        var bytes: ArraySlice<UInt8> = []
        var messages: [String] = []
        init(_ connection: any TranscriptConnection) { self.connection = connection }
    }

    private let transport: any TranscriptTransport
    private var peers: [String: Peer] = [:]

    /// A runner of one transcript.
    public init(_ transport: any TranscriptTransport) {
        self.transport = transport
    }

    /// Plays it from the first step to the last. At the end, no message may be left that the transcript does not name.
    public func run(_ transcript: Transcript) throws {
        for step in transcript.steps { try run(step) }
        for (name, peer) in peers.sorted(by: { $0.key < $1.key }) {
            guard let message = try nextMessage(peer) else { continue }
            throw Mismatch(line: transcript.steps.last?.line ?? 0, expected: "nothing more for \(name)", found: message)
        }
    }

    private func run(_ step: Transcript.Step) throws {
        switch step.action {
        case .command(let name, let arguments, let reply):
            let peer = try peer(name)
            try peer.connection.send(TranscriptRunner.encode(arguments))
            try expect(reply, from: peer, step.line, count: replies(to: arguments))
        case .raw(let name, let bytes, let reply):
            let peer = try peer(name)
            try peer.connection.send(bytes)
            if !reply.isEmpty { try expect(reply, from: peer, step.line, count: nil) }
        case .advance(let milliseconds):
            let clock = try peer("clock")
            try clock.connection.send(
                TranscriptRunner.encode(["PRESENCE.ADVANCE", String(milliseconds)].map { Array($0.utf8) }))
            try expect(["OK"], from: clock, step.line, count: 1)
        case .push(let name, let text):
            let peer = try peer(name)
            let message = try nextMessage(peer)
            let matches =
                text.map { expected in message.map { TextPattern.matches(expected, $0) } ?? false } ?? (message == nil)
            guard matches else {
                throw Mismatch(line: step.line, expected: text ?? "(nothing)", found: message ?? "(nothing)")
            }
        }
    }

    private func peer(_ name: String) throws -> Peer {
        if let peer = peers[name] { return peer }
        let peer = Peer(try transport.connect())
        peers[name] = peer
        return peer
    }

    /// SUBSCRIBE and its like answer once for each name.
    private func replies(to arguments: [[UInt8]]) -> Int {
        let name = String(decoding: arguments[0], as: UTF8.self).uppercased()
        let names = ["SUBSCRIBE", "UNSUBSCRIBE", "PSUBSCRIBE", "PUNSUBSCRIBE"]
        return names.contains(name) ? max(1, arguments.count - 1) : 1
    }

    /// Compares what comes with `lines`. Without a count, as many values are taken as there are lines for.
    private func expect(_ lines: [String], from peer: Peer, _ line: Int, count: Int?) throws {
        var found: [String] = []
        var taken = 0
        while count.map({ taken < $0 }) ?? (found.count < lines.count) {
            guard let value = try nextReply(peer) else {
                found.append("(closed)")
                break
            }
            found += value.lines
            taken += 1
        }
        guard TextPattern.matches(lines, found) else {
            throw Mismatch(
                line: line, expected: lines.joined(separator: "\n"), found: found.joined(separator: "\n"))
        }
    }

    /// The next value that is a reply; nil if the connection was closed. Messages that come before it are kept.
    private func nextReply(_ peer: Peer) throws -> WireValue? {
        while true {
            while let value = WireValue.parse(&peer.bytes) {
                guard let message = value.message else { return value }
                peer.messages.append(message)
            }
            let bytes = try peer.connection.receive()
            if bytes.isEmpty { return nil }
            peer.bytes = ArraySlice(peer.bytes + bytes)
        }
    }

    /// The next message, if one was sent by now.
    private func nextMessage(_ peer: Peer) throws -> String? {
        if peer.messages.isEmpty {
            try peer.connection.send(TranscriptRunner.encode([Array("PING".utf8)]))
            _ = try nextReply(peer)
        }
        return peer.messages.isEmpty ? nil : peer.messages.removeFirst()
    }

    private static func encode(_ arguments: [[UInt8]]) -> [UInt8] {
        var bytes = Array("*\(arguments.count)\r\n".utf8)
        for argument in arguments { bytes += Array("$\(argument.count)\r\n".utf8) + argument + [0x0d, 0x0a] }
        return bytes
    }
}

/// How an expected text may leave things open: `<any>` stands for any characters, a JSON text that ends in `, ...}` for any further members,
/// and a line `...` for any lines.
enum TextPattern {
    static func matches(_ expected: [String], _ found: [String]) -> Bool {
        guard let first = expected.first else { return found.isEmpty }
        if first == "..." {
            let rest = Array(expected.dropFirst())
            return (0...found.count).contains { matches(rest, Array(found.dropFirst($0))) }
        }
        guard let line = found.first, matches(first, line) else { return false }
        return matches(Array(expected.dropFirst()), Array(found.dropFirst()))
    }

    static func matches(_ expected: String, _ found: String) -> Bool {
        if let range = expected.firstRange(of: "{"), expected.hasSuffix(", ...}") {
            let head = String(expected[..<range.lowerBound])
            guard found.hasPrefix(head + "{") else { return false }
            let members = expected[range.upperBound...].dropLast(6)
            return members.split(separator: ",").allSatisfy { member in
                found.firstRange(of: member.drop { $0 == " " }) != nil
            }
        }
        var rest = Substring(found)
        let parts = pieces(expected)
        for (index, part) in parts.enumerated() {
            if index == 0 {
                guard rest.hasPrefix(part) else { return false }
                rest = rest.dropFirst(part.count)
            } else if index == parts.count - 1 {
                return rest.hasSuffix(part)
            } else {
                guard let range = rest.firstRange(of: part) else { return false }
                rest = rest[range.upperBound...]
            }
        }
        return rest.isEmpty
    }

    /// What stands between the `<any>`s.
    private static func pieces(_ text: String) -> [String] {
        var pieces: [String] = []
        var rest = Substring(text)
        while let range = rest.firstRange(of: "<any>") {
            pieces.append(String(rest[..<range.lowerBound]))
            rest = rest[range.upperBound...]
        }
        return pieces + [String(rest)]
    }
}

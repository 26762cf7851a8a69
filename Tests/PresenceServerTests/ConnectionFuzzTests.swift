import Foundation
import NIOCore
import PresenceTesting
import Testing
import TranscriptSupport

@testable import PresenceServer

/// Whole connections to a whole server, played from a grammar and from the corpus, broken, cut and mixed. `PRESENCE_FUZZ_SECONDS` makes the run as
/// long as one likes, and `PRESENCE_SEED` repeats the one that failed. What ran when the process itself ended is in the file `presenced-fuzz-seed`
/// of the folder for temporary files.
@Suite("No client breaks the server")
struct ConnectionFuzzTests {
    private static let seconds = ProcessInfo.processInfo.environment["PRESENCE_FUZZ_SECONDS"].flatMap { Double($0) }

    @Test("made-up and broken conversations get one reply a command, and leave the server whole")
    func random() throws {
        let grammar = RequestGrammar()
        let corpus = try Corpus.read().map(\.bytes)
        for random in SeededRandom.cases(200) { try FuzzedServer(random, grammar, corpus).play() }
        guard let seconds = Self.seconds else { return }
        let end = ContinuousClock.now + .seconds(seconds)
        while ContinuousClock.now < end {
            try FuzzedServer(SeededRandom.fromEnvironment(), grammar, corpus).play()
        }
    }

    @Test("each conversation of the corpus, whole and byte by byte", arguments: try Corpus.read())
    func corpus(_ conversation: Corpus) throws {
        for step in [conversation.bytes.count, 1, 7] {
            let server = EmbeddedServer(isManual: step != 7)
            let client = try server.connectClient()
            for start in stride(from: 0, to: conversation.bytes.count, by: step) {
                try client.send(Array(conversation.bytes[start..<min(start + step, conversation.bytes.count)]))
            }
            server.eventLoop.advanceTime(by: .seconds(5))
            var rest = Array(try client.read().utf8)[...]
            while WireValue.parse(&rest) != nil {}
            #expect(rest.isEmpty, "half a reply: \(String(decoding: rest, as: UTF8.self))")
            #expect(try server.connectClient().ask("PING\r\n") == "+PONG\r\n")
        }
    }
}

/// One conversation of `Tests/Corpus`.
struct Corpus: Sendable, CustomTestStringConvertible {
    let name: String
    let bytes: [UInt8]
    var testDescription: String { name }

    /// All of them, by name.
    static func read() throws -> [Corpus] {
        let folder = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .appending(path: "Corpus")
        let files = try FileManager.default.contentsOfDirectory(at: folder, includingPropertiesForKeys: nil)
        return try files.filter { $0.pathExtension == "txt" }.sorted { $0.path < $1.path }.map { file in
            let text = try String(contentsOf: file, encoding: .utf8)
            return Corpus(name: file.deletingPathExtension().lastPathComponent, bytes: bytes(of: text))
        }
    }

    private static func bytes(of text: String) -> [UInt8] {
        text.split(separator: "\n").filter { !$0.hasPrefix("//") }.flatMap { line -> [UInt8] in
            var line = Array(line.utf8)
            let isOpen = line.last == UInt8(ascii: "\\") && line.dropLast().last != UInt8(ascii: "\\")
            if isOpen { line.removeLast() }
            return unescaped(line) + (isOpen ? [] : [13, 10])
        }
    }

    private static func unescaped(_ line: [UInt8]) -> [UInt8] {
        var bytes: [UInt8] = []
        var index = 0
        while index < line.count {
            defer { index += 1 }
            guard line[index] == UInt8(ascii: "\\"), index + 1 < line.count else {
                bytes.append(line[index])
                continue
            }
            index += 1
            switch line[index] {
            case UInt8(ascii: "r"): bytes.append(13)
            case UInt8(ascii: "n"): bytes.append(10)
            case UInt8(ascii: "t"): bytes.append(9)
            case UInt8(ascii: "x") where index + 2 < line.count:
                let digits = String(decoding: line[(index + 1)...(index + 2)], as: UTF8.self)
                bytes += UInt8(digits, radix: 16).map { [$0] } ?? Array("\\x".utf8) + Array(digits.utf8)
                index += 2
            default: bytes.append(line[index])
            }
        }
        return bytes
    }
}

/// A server and a few clients that do it no good.
private struct FuzzedServer {
    let seed: SeededRandom
    let grammar: RequestGrammar
    let corpus: [[UInt8]]
    let server: EmbeddedServer

    init(_ seed: SeededRandom, _ grammar: RequestGrammar, _ corpus: [[UInt8]]) throws {
        self.seed = seed
        self.grammar = grammar
        self.corpus = corpus
        var random = seed
        var configuration = ServerConfiguration()
        configuration.keyspaceNotifications = KeyspaceNotifications(rawValue: .max)
        configuration.slowLogThresholdMicroseconds = random.chance(oneIn: 4) ? 0 : 10_000
        server = EmbeddedServer(configuration, isManual: random.chance(oneIn: 2))
        try Data("\(seed)\n".utf8).write(
            to: FileManager.default.temporaryDirectory.appending(path: "presenced-fuzz-seed"))
    }

    func play() throws {
        var random = seed
        var clients = try (0..<3).map { _ in try server.connectClient() }
        for _ in 0..<60 {
            let index = Int.random(in: 0..<clients.count, using: &random)
            if !clients[index].channel.isActive { clients[index] = try server.connectClient() }
            switch Int.random(in: 0..<20, using: &random) {
            case 0: server.advance(milliseconds: random.pick([1, 10, 1_000, 60_000, 400_000]))
            case 1: try breakIn(clients[index], &random)
            case 2:
                _ = try? clients[index].channel.close().wait()
                server.eventLoop.run()
            default: try ask(clients[index], &random)
            }
        }
        try checkWhole(clients)
    }

    /// Bytes that are no conversation. Only what comes back is looked at: whole replies.
    private func breakIn(_ client: EmbeddedClient, _ random: inout SeededRandom) throws {
        var bytes = random.pick(corpus)
        for _ in 0..<Int.random(in: 0...6, using: &random) where !bytes.isEmpty {
            let at = Int.random(in: 0..<bytes.count, using: &random)
            switch Int.random(in: 0..<3, using: &random) {
            case 0: bytes[at] = random.pick(Array("*$-+0129:\r\n\"' \\xn\t".utf8))
            case 1: bytes.remove(at: at)
            default: bytes.insert(contentsOf: bytes[at..<min(at + 12, bytes.count)], at: at)
            }
        }
        try send(bytes, to: client, &random)
        _ = try replies(of: client)
        // What half a command it left in the reader would swallow the next one.
        _ = try? client.channel.close().wait()
        server.eventLoop.run()
    }

    /// One request of the grammar. A client of which nothing is unusual gets one reply.
    private func ask(_ client: EmbeddedClient, _ random: inout SeededRandom) throws {
        let arguments = grammar.request(&random)
        guard let known = try client.handler.client else { return }
        let name = String(decoding: arguments[0], as: UTF8.self).lowercased()
        let wasPlain = known.traits.isEmpty && !known.isSubscribed
        try send(RequestGrammar.encode(arguments, &random), to: client, &random)
        let answers = try replies(of: client)
        let isPlain = wasPlain && known.traits.isEmpty && !known.isSubscribed && !Self.manyReplies.contains(name)
        guard isPlain, client.channel.isActive else { return }
        let shown = arguments.map { String(decoding: $0, as: UTF8.self) }
        #expect(answers.count == 1, "\(seed): \(shown) got \(answers.count) replies")
    }

    /// Those that answer once for each name, or with the end of the connection.
    private static let manyReplies: Set<String> = [
        "subscribe", "unsubscribe", "psubscribe", "punsubscribe", "quit", "reset", "client",
    ]

    private func send(_ bytes: [UInt8], to client: EmbeddedClient, _ random: inout SeededRandom) throws {
        var rest = bytes[...]
        while !rest.isEmpty, client.channel.isActive {
            let count = random.chance(oneIn: 2) ? rest.count : Int.random(in: 1...rest.count, using: &random)
            try client.send(Array(rest.prefix(count)))
            rest = rest.dropFirst(count)
        }
        server.eventLoop.advanceTime(by: .milliseconds(50))
    }

    /// What came, which must be whole values.
    private func replies(of client: EmbeddedClient) throws -> [WireValue] {
        var bytes = ArraySlice<UInt8>()
        while let buffer = try client.channel.readOutbound(as: ByteBuffer.self) {
            bytes += Array(buffer.readableBytesView)
        }
        var values: [WireValue] = []
        while let value = WireValue.parse(&bytes) { values.append(value) }
        #expect(bytes.isEmpty, "\(seed): half a reply: \(String(decoding: bytes, as: UTF8.self))")
        return values
    }

    /// The server still serves, knows the clients that there are, and its keys are as many as it says.
    private func checkWhole(_ clients: [EmbeddedClient]) throws {
        for client in clients where client.channel.isActive { _ = try? client.channel.close().wait() }
        server.eventLoop.run()
        server.eventLoop.advanceTime(by: .seconds(3))
        #expect(server.loop.clients.isEmpty, "\(seed): clients that are gone are still known")
        #expect(server.loop.server.registry.total == 0, "\(seed): subscriptions of nobody")
        // Until the wheel's tick is over DBSIZE counts what is due in it: after an hour nothing is.
        server.advance(milliseconds: 3_600_000)
        let client = try server.connectClient()
        #expect(try client.ask("PING\r\n") == "+PONG\r\n", "\(seed)")
        let size = try client.ask("DBSIZE\r\n")
        try client.send(Array("KEYS *\r\n".utf8))
        server.eventLoop.advanceTime(by: .milliseconds(50))
        let keys = try client.read().prefix { $0 != "\r\n" }
        #expect(size == ":" + keys.dropFirst() + "\r\n", "\(seed): DBSIZE \(size) KEYS \(keys)")
    }
}

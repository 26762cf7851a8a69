import COpenSSL
import NIOCore
import NIOEmbedded
import PresenceTLS
import PresenceTesting
import Testing

@Suite("An open connection")
struct PayloadTests {
    private func open(_ version: TLSVersions = .tls13) throws -> TLSPair {
        let pair = try TLSPair(client: Certificates.client { $0.versions = version }, server: Certificates.server())
        try pair.carry()
        try #require(pair.isOpen)
        return pair
    }

    private func bytes(_ count: Int, seed: UInt64) -> [UInt8] {
        var random = SeededRandom(seed: seed)
        // A prime number of them, again and again: no two records are alike.
        let few = (0..<4099).map { _ in UInt8.random(in: 0...255, using: &random) }
        return Array(repeating: few, count: count / few.count + 1).joined().prefix(count).map { $0 }
    }

    @Test(
        "carries any number of bytes both ways, however they are split on the way",
        arguments: [1, 255, 256, 16_383, 16_384, 16_385, 65_536, 100_000, 300_001], [TLSVersions.tls12, .tls13])
    func payloads(_ count: Int, _ version: TLSVersions) throws {
        let pair = try open(version)
        var random = SeededRandom(seed: UInt64(count))
        pair.split = { Int.random(in: 1...max(1, min($0, 100_000)), using: &random) }
        let (up, down) = (bytes(count, seed: 1), bytes(count, seed: 2))
        TLSPair.write(up, to: pair.client)
        TLSPair.write(down, to: pair.server)
        try pair.carry()
        #expect(pair.serverEnd.bytes == up)
        #expect(pair.clientEnd.bytes == down)
    }

    @Test("carries records byte by byte")
    func oneByOne() throws {
        let pair = try open()
        pair.split = { _ in 1 }
        TLSPair.write(bytes(40_000, seed: 3), to: pair.client)
        try pair.carry()
        #expect(pair.serverEnd.bytes == bytes(40_000, seed: 3))
        #expect(pair.serverEnd.reads == 3, "a read a record, and none for a part of one")
    }

    @Test("hands on what one read of the socket brought at once, many records or one")
    func readsOfManyRecords() throws {
        let pair = try open()
        for _ in 0..<100 { TLSPair.write(Array("*1\r\n$4\r\nPING\r\n".utf8), to: pair.client) }
        let before = pair.serverEnd.reads
        try pair.carry()
        #expect(pair.serverEnd.bytes.count == 1400)
        #expect(pair.serverEnd.reads == before + 1)
    }

    @Test("puts small writes that are flushed together into one record")
    func coalescing() throws {
        let pair = try open()
        let head = Head()
        try pair.server.pipeline.syncOperations.addHandler(head, position: .first)
        for _ in 0..<1000 { pair.server.write(ByteBuffer(string: "0123456789"), promise: nil) }
        #expect(head.written == 0, "nothing is encrypted before the flush")
        pair.server.flush()
        #expect((10_000..<10_100).contains(head.written))
        try pair.carry()
        #expect(pair.clientEnd.bytes.count == 10_000)
        // More than a record holds does not wait for the flush.
        for _ in 0..<4 { pair.server.write(ByteBuffer(repeating: 1, count: 8000), promise: nil) }
        #expect(head.written > 26_000)
    }

    @Test("tells when each write has left, the empty one too")
    func promises() throws {
        let pair = try open()
        let parts = [
            ByteBuffer(string: "a"), ByteBuffer(string: "b"), ByteBuffer(repeating: 2, count: 100_000), ByteBuffer(),
        ]
        let results = parts.map { pair.server.write($0) }
        pair.server.flush()
        for result in results { try result.wait() }
        try pair.carry()
        #expect(pair.clientEnd.bytes.count == 100_002)
    }

    @Test("asks for more when what was read is no answer to who asked")
    func readsOnRequest() throws {
        let head = Head()
        let pair = try open()
        try pair.server.pipeline.syncOperations.addHandler(head, position: .first)
        TLSPair.write(Array("PING".utf8), to: pair.client)
        var record = try TLSPair.sent(by: pair.client)
        pair.server.read()
        #expect(head.reads == 1)
        try pair.server.writeInbound(record.readSlice(length: 3))
        #expect(head.reads == 2, "three bytes of a record: read on")
        try pair.server.writeInbound(record)
        #expect(pair.serverEnd.bytes == Array("PING".utf8))
        #expect(head.reads == 2, "who has got his bytes asks himself")
    }

    // MARK: - Ends

    @Test("says goodbye, so that an end is told from a cut", arguments: [TLSVersions.tls12, .tls13])
    func goodbye(_ version: TLSVersions) throws {
        let pair = try open(version)
        TLSPair.write(Array("last words".utf8), to: pair.client)
        pair.client.close(promise: nil)
        try pair.carry()
        #expect(pair.serverEnd.bytes == Array("last words".utf8))
        #expect(pair.serverEnd.errors.isEmpty)
        #expect(!pair.server.isActive)
        let other = try open(version)
        TLSPair.cut(other.server)
        #expect(other.serverEnd.errors == [.truncated])
        #expect(other.serverEnd.isInactive)
    }

    @Test("that is cut in the middle of a record hands on no part of it")
    func truncatedRecord() throws {
        let pair = try open()
        TLSPair.write(bytes(5000, seed: 4), to: pair.client)
        var record = try TLSPair.sent(by: pair.client)
        try pair.server.writeInbound(record.readSlice(length: record.readableBytes - 1))
        TLSPair.cut(pair.server)
        #expect(pair.serverEnd.bytes.isEmpty)
        #expect(pair.serverEnd.errors == [.truncated])
    }

    @Test(
        "ends at a record that was changed on the way, after what came before it",
        arguments: [TLSVersions.tls12, .tls13])
    func changedRecord(_ version: TLSVersions) throws {
        for place in [0, 1, 4, 5, 20, -1] {
            let pair = try open(version)
            TLSPair.write(Array("good".utf8), to: pair.client)
            TLSPair.write(Array("bad and long enough to have a middle".utf8), to: pair.client)
            var first = try #require(try pair.client.readOutbound(as: ByteBuffer.self))
            var second = try #require(try pair.client.readOutbound(as: ByteBuffer.self))
            let index = place < 0 ? second.writerIndex - 1 : second.readerIndex + place
            let byte = try #require(second.getInteger(at: index, as: UInt8.self))
            second.setInteger(byte ^ 0x41, at: index)
            first.writeBuffer(&second)
            // A changed length may promise more: then the rest of that is there too.
            first.writeRepeatingByte(0, count: place == 4 ? 100 : 0)
            try pair.server.writeInbound(first)
            #expect(pair.serverEnd.bytes == Array("good".utf8), "byte \(place)")
            #expect(pair.serverEnd.errors.count == 1, "byte \(place)")
            #expect(!pair.server.isActive, "byte \(place)")
            try pair.carry()
            #expect(!pair.client.isActive, "the alert ends the client too")
        }
    }

    @Test("does not take a record twice")
    func replay() throws {
        let pair = try open()
        TLSPair.write(Array("INCR n".utf8), to: pair.client)
        let record = try TLSPair.sent(by: pair.client)
        try pair.server.writeInbound(record)
        try pair.server.writeInbound(record)
        #expect(pair.serverEnd.bytes == Array("INCR n".utf8))
        #expect(pair.serverEnd.errors == [.record(reason: "decryption failed or bad record mac")])
    }

    @Test("writes nothing after its goodbye, and reads on until the peer's")
    func halfClose() throws {
        let pair = try open()
        try pair.server.pipeline.syncOperations.addHandler(Head(), position: .first)
        pair.server.close(mode: .output, promise: nil)
        #expect(throws: TLSError.closed) { try pair.server.writeAndFlush(ByteBuffer(string: "late")).wait() }
        TLSPair.write(Array("still here".utf8), to: pair.client)
        try pair.server.writeInbound(TLSPair.sent(by: pair.client))
        #expect(pair.serverEnd.bytes == Array("still here".utf8))
    }

    @Test("is not renegotiated")
    func renegotiation() throws {
        let context = try #require(SSL_CTX_new(TLS_client_method()))
        defer { SSL_CTX_free(context) }
        #expect(presence_tls_set_versions(context, TLS1_2_VERSION, TLS1_2_VERSION) == 1)
        var lent: UnsafeMutablePointer<presence_tls_lent>?
        let client = try #require(presence_tls_connection(context, &lent))
        defer { SSL_free(client) }
        SSL_set_connect_state(client)
        let memory = try #require(lent)
        let server = EmbeddedChannel(
            handlers: [try TLSHandler(context: TLSContext(Certificates.server()), buffers: TLSBuffers()), Tail()])
        try server.connect(to: SocketAddress(ipAddress: "127.0.0.1", port: 1)).wait()
        defer { _ = try? server.finish(acceptAlreadyClosed: true) }

        /// One step of the client, and what the server answers.
        func step(_ answer: [UInt8]) throws -> (presence_tls_outcome, [UInt8]) {
            var output = [UInt8](repeating: 0, count: 32_768)
            let capacity = output.count
            var outcome = PRESENCE_TLS_DONE
            let count = output.withUnsafeMutableBufferPointer { output in
                answer.withUnsafeBufferPointer { input in
                    memory.pointee = presence_tls_lent(
                        input: input.baseAddress, input_count: input.count, output: output.baseAddress, output_count: 0,
                        output_capacity: capacity)
                    outcome = presence_tls_handshake(client)
                    return memory.pointee.output_count
                }
            }
            memory.pointee = presence_tls_lent()
            try server.writeInbound(ByteBuffer(bytes: output[..<count]))
            return (outcome, Array(try TLSPair.sent(by: server).readableBytesView))
        }
        var (outcome, answer) = try step([])
        while outcome == PRESENCE_TLS_NEEDS_INPUT { (outcome, answer) = try step(answer) }
        #expect(outcome == PRESENCE_TLS_DONE)
        #expect(SSL_renegotiate(client) == 1)
        (outcome, answer) = try step([])
        #expect(outcome == PRESENCE_TLS_NEEDS_INPUT)
        // The answer is an alert, record type 21, and not a hello.
        #expect(answer.first == 21)
        (outcome, _) = try step(answer)
        #expect(outcome == PRESENCE_TLS_FAILED)
    }
}

/// Stands where the socket is: counts what it is asked for and given, and closes its output alone, which an `EmbeddedChannel` cannot.
private final class Head: ChannelOutboundHandler {
    typealias OutboundIn = ByteBuffer

    private(set) var reads = 0
    private(set) var written = 0

    func read(context: ChannelHandlerContext) {
        reads += 1
        context.read()
    }

    func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
        written += unwrapOutboundIn(data).readableBytes
        context.write(data, promise: promise)
    }

    func close(context: ChannelHandlerContext, mode: CloseMode, promise: EventLoopPromise<Void>?) {
        if mode == .output { promise?.succeed() } else { context.close(mode: mode, promise: promise) }
    }
}

import NIOCore

/// TLS for one connection: first in its pipeline, it turns records into bytes and bytes into records.
///
/// ```
///  socket ──records──> TLSHandler ──bytes──> the protocol's handler
///         <──records──            <──bytes──
/// ```
/// What must stay true: what is encrypted is handed to the channel at once, so NIO's writability and the bytes that it counts as waiting are
/// true, and the next handler's back pressure works as without TLS; a read of the socket becomes plain text of that length at most, so
/// nothing piles up here; before the end of the handshake at most 64 kB wait to be written, and who does not end it in time is closed.
///
/// Errors go to the next handler as ``TLSError``, and to ``Options/report``; after one the connection is closed. A server's peer that speaks
/// plain text is told so in its own language and closed, without an error for the next handler.
///
/// Costs one copy of the bytes into OpenSSL and one out of it, in each direction, and no allocation a record; an idle connection keeps no
/// buffers.
public final class TLSHandler: ChannelDuplexHandler {
    /// Records from the socket.
    public typealias InboundIn = ByteBuffer
    /// Bytes for the next handler.
    public typealias InboundOut = ByteBuffer
    /// Bytes of the next handler.
    public typealias OutboundIn = ByteBuffer
    /// Records for the socket.
    public typealias OutboundOut = ByteBuffer

    /// What differs between uses.
    public struct Options: Sendable {
        /// A client: the host name or address that the server's certificate must be for.
        public var serverName: String?
        /// Milliseconds in which the handshake must be over; 0 for no bound.
        public var handshakeTimeoutMilliseconds = 10_000
        /// A server: what to say to a peer that speaks plain text; empty to say nothing.
        public var plainTextReply = ""
        /// Is told of what went wrong, and with whom, on the connection's event loop.
        public var report: (@Sendable (TLSError, SocketAddress?) -> Void)?

        /// The defaults.
        public init() {}
    }

    /// The event that goes up the pipeline when the handshake is over.
    public struct HandshakeFinished: Sendable, Equatable {
        /// Version and suite, such as `TLSv1.3 TLS_AES_128_GCM_SHA256`.
        public let agreement: String
        /// Whether a pre-shared key was used.
        public let usesSharedKey: Bool
        /// The names in the peer's certificate, which is good: of a server whose clients need none, it may be that there is none. Read only if
        /// ``TLSConfiguration/readsNames``.
        public let peerNames: TLSCertificateNames

        /// An event of these values.
        public init(agreement: String, usesSharedKey: Bool, peerNames: TLSCertificateNames = TLSCertificateNames()) {
            self.agreement = agreement
            self.usesSharedKey = usesSharedKey
            self.peerNames = peerNames
        }
    }

    let connection: TLSConnection
    private var state = TLSState()
    private let configuration: TLSConfiguration
    private let buffers: TLSBuffers
    private let options: Options
    private var context: ChannelHandlerContext?
    /// Written and not encrypted yet: until the handshake is over, or until the flush, so that small writes share a record.
    private var held: ByteBuffer?
    private var heldPromise: EventLoopPromise<Void>?
    private var wantsFlush = false
    /// Whether the next handler asked for bytes and got none.
    private var wantsRead = false

    /// The most that is held back for one record.
    private static let recordBytes = 16_384
    /// The most that is encrypted into one buffer.
    private static let chunkBytes = 64 << 10
    /// How long who spoke plain text may take to read why he is closed.
    private static let lingerTime = TimeAmount.seconds(1)

    /// A handler for one connection; `buffers` are those of its event loop.
    public init(context: TLSContext, buffers: TLSBuffers, options: Options = Options()) throws(TLSError) {
        connection = try TLSConnection(context, serverName: options.serverName)
        configuration = context.configuration
        self.buffers = buffers
        self.options = options
    }

    // MARK: - Coming and going

    /// Begins at once if the connection is there already.
    public func handlerAdded(context: ChannelHandlerContext) {
        self.context = context
        if context.channel.isActive { begin(context) }
    }

    /// Begins the time for the handshake; a client begins the handshake too.
    public func channelActive(context: ChannelHandlerContext) {
        begin(context)
        context.fireChannelActive()
    }

    /// Lets go of what was not written.
    public func handlerRemoved(context: ChannelHandlerContext) {
        forget(TLSError.closed)
        self.context = nil
    }

    /// Tells an end from a cut.
    public func channelInactive(context: ChannelHandlerContext) {
        switch state.disconnected() {
        case .expected: break
        case .truncated: tell(.truncated, context)
        case .handshakeCut: tell(.handshakeCut, context)
        }
        forget(ChannelError.eof)
        context.fireChannelInactive()
        self.context = nil
    }

    private func begin(_ context: ChannelHandlerContext) {
        if options.handshakeTimeoutMilliseconds > 0 {
            // Not cancelled when the handshake is over: looking for a task among many costs more than letting it find nothing to do.
            let limit = TimeAmount.milliseconds(Int64(options.handshakeTimeoutMilliseconds))
            context.eventLoop.assumeIsolated().scheduleTask(in: limit) { [weak self] in self?.handshakeTimeIsOver() }
        }
        if configuration.role == .client {
            var none = ByteBuffer()
            shakeHands(&none, context)
        }
    }

    private func handshakeTimeIsOver() {
        guard let context, state.isHandshaking else { return }
        fail(.handshakeTimedOut(milliseconds: options.handshakeTimeoutMilliseconds), context)
    }

    // MARK: - Reading

    /// Goes on with the handshake, or decrypts and hands on.
    public func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        var input = unwrapInboundIn(data)
        guard let first = input.getInteger(at: input.readerIndex, as: UInt8.self) else { return }
        switch state.received(input.readableBytes, first: first, isServer: configuration.role == .server) {
        case .drop: return
        case .refusePlainText: refusePlainText(context)
        case .refuseLength: fail(.handshakeTooLong(bytes: TLSState.maximumHandshakeBytes), context)
        case .handshake:
            shakeHands(&input, context)
            if !state.isHandshaking, input.readableBytes > 0 { decrypt(&input, context) }
        case .decrypt: decrypt(&input, context)
        }
    }

    private func shakeHands(_ input: inout ByteBuffer, _ context: ChannelHandlerContext) {
        var outcome = TLSConnection.Outcome.goesOn
        while outcome == .goesOn {
            var output = buffers.takeEncrypted(0)
            outcome = connection.handshake(&input, &output)
            send(output, context)
        }
        switch outcome {
        case .needsInput, .goesOn: return
        case .done: finishHandshake(context)
        case .closed: fail(.handshake(reason: "the peer said goodbye"), context)
        case .failed(let reason): fail(.handshake(reason: reason), context)
        }
    }

    private func finishHandshake(_ context: ChannelHandlerContext) {
        let usesSharedKey = connection.usesSharedKey
        if configuration.role == .client, !configuration.verifiesServer, !configuration.sharedKeys.isEmpty,
            !usesSharedKey
        {
            // Whoever answers without the key is not who was meant.
            fail(.handshake(reason: "the server did not use the pre-shared key"), context)
            return
        }
        state.handshakeFinished()
        context.fireUserInboundEventTriggered(
            HandshakeFinished(
                agreement: connection.agreement, usesSharedKey: usesSharedKey, peerNames: connection.peerNames))
        guard state.writing == .encrypt, held != nil else { return }
        encryptHeld(context)
        if wantsFlush { context.flush() }
    }

    private func decrypt(_ input: inout ByteBuffer, _ context: ChannelHandlerContext) {
        var outcome = TLSConnection.Outcome.goesOn
        while outcome == .goesOn, !isEnded {
            var plain = buffers.takePlain(max(256, input.readableBytes + connection.bufferedBytes))
            var answer = buffers.takeEncrypted(0)
            outcome = connection.decrypt(&input, into: &plain, &answer)
            // Before anything that is encrypted after it: records are numbered.
            send(answer, context)
            if case .failed = outcome, !state.fail() { return }
            if plain.readableBytes > 0 {
                wantsRead = false
                context.fireChannelRead(wrapInboundOut(plain))
            }
            buffers.keepPlain(plain)
        }
        switch outcome {
        case .done, .needsInput, .goesOn: return
        case .failed(let reason):
            forget(TLSError.record(reason: reason))
            tell(.record(reason: reason), context)
            context.close(promise: nil)
        case .closed:
            if state.peerSaidGoodbye() { sayGoodbye(context) }
            context.close(promise: nil)
        }
    }

    private var isEnded: Bool {
        if case .ended = state.phase { true } else { false }
    }

    /// Notes that the next handler wants bytes.
    public func read(context: ChannelHandlerContext) {
        wantsRead = true
        context.read()
    }

    /// A read that brought a part of a record or of the handshake is no answer to who asked for bytes.
    public func channelReadComplete(context: ChannelHandlerContext) {
        if wantsRead { context.read() }
        context.fireChannelReadComplete()
    }

    // MARK: - Writing

    /// Holds bytes until the flush, or until they fill a record.
    public func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
        let bytes = unwrapOutboundIn(data)
        switch state.writing {
        case .refuse: promise?.fail(TLSError.closed)
        case .hold: hold(bytes, promise, limit: TLSState.maximumHeldBytes, context)
        case .encrypt: hold(bytes, promise, limit: Self.recordBytes, context)
        }
    }

    private func hold(
        _ bytes: ByteBuffer, _ promise: EventLoopPromise<Void>?, limit: Int, _ context: ChannelHandlerContext
    ) {
        let waiting = held?.readableBytes ?? 0
        if waiting + bytes.readableBytes > limit {
            guard !state.isHandshaking else {
                promise?.fail(TLSError.tooMuchBeforeHandshake(bytes: limit))
                fail(.tooMuchBeforeHandshake(bytes: limit), context)
                return
            }
            encryptHeld(context)
        }
        if held == nil {
            held = bytes
        } else {
            held?.writeImmutableBuffer(bytes)
        }
        guard let promise else { return }
        if let heldPromise { heldPromise.futureResult.cascade(to: promise) } else { heldPromise = promise }
    }

    /// Encrypts what is held and sends it; before the end of the handshake, notes that it is wanted.
    public func flush(context: ChannelHandlerContext) {
        guard !state.isHandshaking else {
            wantsFlush = true
            return
        }
        if held != nil { encryptHeld(context) }
        context.flush()
    }

    /// Encrypts what is held and hands it to the channel, which counts it from then on.
    private func encryptHeld(_ context: ChannelHandlerContext) {
        guard var plain = held else { return }
        let promise = heldPromise
        held = nil
        heldPromise = nil
        guard plain.readableBytes > 0 else {
            // Who writes nothing wants to know when what went before has left.
            context.write(wrapOutboundOut(plain), promise: promise)
            return
        }
        while plain.readableBytes > 0 {
            var output = buffers.takeEncrypted(TLSConnection.encryptedBytes(min(plain.readableBytes, Self.chunkBytes)))
            repeat {
                if case .failed(let reason) = connection.encrypt(&plain, &output) {
                    promise?.fail(TLSError.record(reason: reason))
                    fail(.record(reason: reason), context)
                    return
                }
            } while plain.readableBytes > 0 && output.readableBytes < Self.chunkBytes
            context.write(wrapOutboundOut(output), promise: plain.readableBytes == 0 ? promise : nil)
            buffers.keepEncrypted(output)
        }
    }

    /// Sends what the protocol itself has to say, if it is anything.
    private func send(_ output: ByteBuffer, _ context: ChannelHandlerContext) {
        if output.readableBytes > 0 { context.writeAndFlush(wrapOutboundOut(output), promise: nil) }
        buffers.keepEncrypted(output)
    }

    // MARK: - Ending

    /// Says goodbye first, where there was a handshake.
    public func close(context: ChannelHandlerContext, mode: CloseMode, promise: EventLoopPromise<Void>?) {
        if mode != .input, state.close(outputOnly: mode == .output) { sayGoodbye(context) }
        context.close(mode: mode, promise: promise)
    }

    /// What was written before the goodbye goes before it.
    private func sayGoodbye(_ context: ChannelHandlerContext) {
        if held != nil { encryptHeld(context) }
        var output = buffers.takeEncrypted(0)
        connection.sayGoodbye(&output)
        send(output, context)
    }

    private func refusePlainText(_ context: ChannelHandlerContext) {
        guard state.fail() else { return }
        options.report?(.plainText, context.channel.remoteAddress)
        forget(TLSError.plainText)
        guard !options.plainTextReply.isEmpty else {
            context.close(promise: nil)
            return
        }
        context.writeAndFlush(wrapOutboundOut(ByteBuffer(string: options.plainTextReply)), promise: nil)
        // A socket closed over bytes that nobody read resets the connection, and the reply with it. So what comes is read, and dropped.
        context.close(mode: .output, promise: nil)
        context.eventLoop.assumeIsolated().scheduleTask(in: Self.lingerTime) { [weak self] in
            self?.context?.close(promise: nil)
        }
    }

    private func fail(_ error: TLSError, _ context: ChannelHandlerContext) {
        guard state.fail() else { return }
        forget(error)
        tell(error, context)
        context.close(promise: nil)
    }

    private func tell(_ error: TLSError, _ context: ChannelHandlerContext) {
        options.report?(error, context.channel.remoteAddress)
        context.fireErrorCaught(error)
    }

    /// What was not encrypted will not be.
    private func forget(_ error: any Error) {
        let promise = heldPromise
        held = nil
        heldPromise = nil
        promise?.fail(error)
    }
}

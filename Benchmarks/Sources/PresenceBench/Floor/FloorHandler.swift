import NIOCore

/// Answers `:1` to every command and `PONG` to a `PING`, with one write a read.
final class FloorHandler: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    private var pending: ByteBuffer?
    private var output = ByteBuffer()

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        var bytes = unwrapInboundIn(data)
        if var held = pending {
            pending = nil
            held.writeBuffer(&bytes)
            bytes = held
        }
        output.clear()
        let consumed = bytes.withUnsafeReadableBytes { FloorHandler.answer($0, &output) }
        bytes.moveReaderIndex(forwardBy: consumed)
        if bytes.readableBytes > 0 { pending = bytes }
        if output.readableBytes > 0 { context.writeAndFlush(wrapOutboundOut(output), promise: nil) }
    }

    /// Answers the commands that are whole; returns the bytes that they take.
    private static func answer(_ bytes: UnsafeRawBufferPointer, _ output: inout ByteBuffer) -> Int {
        var consumed = 0
        while let end = endOfCommand(bytes, consumed) {
            let isPing = end - consumed == 14
            if isPing { output.writeStaticString("+PONG\r\n") } else { output.writeStaticString(":1\r\n") }
            consumed = end
        }
        return consumed
    }

    /// Where the command that begins at `start` ends; nil if it is not whole.
    private static func endOfCommand(_ bytes: UnsafeRawBufferPointer, _ start: Int) -> Int? {
        var at = start
        guard let count = number(bytes, &at) else { return nil }
        for _ in 0..<count {
            guard let length = number(bytes, &at) else { return nil }
            at += length + 2
            guard at <= bytes.count else { return nil }
        }
        return at
    }

    /// The number behind a marker, and moves behind its line.
    private static func number(_ bytes: UnsafeRawBufferPointer, _ at: inout Int) -> Int? {
        var place = at + 1
        var value = 0
        while place < bytes.count, bytes[place] != 13 {
            value = value * 10 + Int(bytes[place] &- 48)
            place += 1
        }
        guard place + 1 < bytes.count else { return nil }
        at = place + 2
        return value
    }
}

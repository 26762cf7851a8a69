import NIOCore
import PresenceRESP

/// What a loop has to send that is no reply.
struct Outgoing {
    /// Messages collected for each loop during a read or a tick.
    var messages: [[Message]]
    /// Whether there are any.
    var hasMessages = false
    /// Clients that were written to and must be flushed.
    var unflushed: [ClientHandler] = []
    /// Whether a client has bytes that the kernel did not take at once: its bounds are looked at without delay.
    var hasBacklog = false
    /// Whether clients are flushed at the end of this round.
    var isRoundEndPlanned = false

    init(loopCount: Int) { messages = Array(repeating: [], count: loopCount) }
}

/// Messages to subscribers: each made once, handed to the loops that have receivers, and written there.
extension ServerLoop {
    /// Puts `message` on its way to the loops of `loops`; it leaves with the batch.
    func send(_ message: Message, to loops: UInt64) {
        var rest = loops
        while rest != 0 {
            let loop = rest.trailingZeroBitCount
            rest &= rest &- 1
            outgoing.messages[loop].append(message)
        }
        outgoing.hasMessages = true
    }

    /// Hands the batch of messages to its loops: one hop for each, none for this one.
    func deliverMessages(current: Client?, _ reply: inout ReplyBuffer) {
        guard outgoing.hasMessages else { return }
        outgoing.hasMessages = false
        for target in outgoing.messages.indices where !outgoing.messages[target].isEmpty {
            let messages = outgoing.messages[target]
            outgoing.messages[target].removeAll()
            if target == index {
                deliver(messages, current: current, &reply)
            } else {
                let peer = peers[target]
                peer.eventLoop.execute {
                    peer.beginTurn(isTimed: true)
                    peer.deliver(messages, current: nil, &peer.reply)
                    peer.finishRound()
                    peer.endTurn()
                }
            }
        }
    }

    /// Flushes whoever got messages, once all sockets that were ready have been read: what the commands of several clients published leaves in one write.
    func finishRound() {
        if outgoing.hasBacklog || hasManyMonitorLines { return finishBatch() }
        guard !outgoing.isRoundEndPlanned, !outgoing.unflushed.isEmpty || hasMonitorLines else { return }
        outgoing.isRoundEndPlanned = true
        // NIO runs what is executed before it looks at sockets again.
        eventLoop.execute {
            self.outgoing.isRoundEndPlanned = false
            self.finishBatch()
        }
    }

    /// Flushes whoever got messages.
    func finishBatch() {
        outgoing.hasBacklog = false
        deliverMonitorLines()
        while let handler = outgoing.unflushed.popLast() { handler.flushPushes() }
    }

    func willFlush(_ handler: ClientHandler) {
        outgoing.unflushed.append(handler)
    }

    private func deliver(_ messages: [Message], current: Client?, _ reply: inout ReplyBuffer) {
        var start = 0
        while start < messages.count {
            let channel = messages[start].channel
            let excluded = messages[start].excludedClient
            let patterns = subscriptions.patterns(matching: channel)
            var end = start + 1
            // Neighbours on one channel go out as one buffer. With patterns they do not: their order is by message.
            if patterns.isEmpty {
                while end < messages.count, messages[end].excludedClient == excluded, messages[end].channel == channel {
                    end += 1
                }
            }
            let run = messages[start..<end]
            if let subscribers = subscriptions.channels[channel] {
                deliver(to: subscribers, excluded, current, &reply) { reply in
                    for message in run { message.write(to: &reply) }
                }
            }
            for (pattern, subscribers) in patterns {
                deliver(to: subscribers, excluded, current, &reply) { reply in
                    for message in run { message.write(to: &reply, pattern: pattern) }
                }
            }
            counters.messages.add(run.count)
            start = end
        }
    }

    private func deliver(
        to subscribers: Subscribers, _ excluded: Int, _ current: Client?, _ reply: inout ReplyBuffer,
        _ write: (inout ReplyBuffer) -> Void
    ) {
        if subscribers.clients.count == 1, let client = subscribers.clients.first, client !== current {
            if client.id != excluded { deliver(alone: client, write) }
            return
        }
        var encoded: (resp2: ByteBuffer?, resp3: ByteBuffer?)
        for client in subscribers.clients where client.id != excluded {
            if client === current {
                write(&reply)
                continue
            }
            if client.version == .resp3 {
                if encoded.resp3 == nil { encoded.resp3 = encode(.resp3, write) }
                if let buffer = encoded.resp3 { client.handler.push(buffer) }
            } else {
                if encoded.resp2 == nil { encoded.resp2 = encode(.resp2, write) }
                if let buffer = encoded.resp2 { client.handler.push(buffer) }
            }
        }
    }

    /// Who is the only one needs no buffer of his own for each message: they are gathered.
    private func deliver(alone client: Client, _ write: (inout ReplyBuffer) -> Void) {
        scratch.clear()
        scratch.version = client.version
        write(&scratch)
        scratch.withBytes { client.handler.gather($0) }
        if scratch.count > ReplyBuffer.retainedCapacity { scratch = ReplyBuffer(capacity: 512) }
    }

    private func encode(_ version: RESPVersion, _ write: (inout ReplyBuffer) -> Void) -> ByteBuffer {
        var scratch = ReplyBuffer(capacity: 512)
        scratch.version = version
        write(&scratch)
        var buffer = ByteBufferAllocator().buffer(capacity: scratch.count)
        scratch.withBytes { _ = buffer.writeBytes($0.bytes) }
        return buffer
    }
}

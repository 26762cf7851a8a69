import PresenceRESP

/// One message on its way to subscribers: made once, handed to every loop that has some.
struct Message: Sendable {
    let channel: [UInt8]
    let payload: [UInt8]
    /// The client that has it already, since it published to itself; 0 for none.
    var excludedClient = 0

    /// Writes it for those who subscribed to the channel.
    func write(to reply: inout ReplyBuffer) {
        reply.push(3)
        reply.bulk("message")
        reply.bulk(channel)
        reply.bulk(payload)
    }

    /// Writes it for those who subscribed to a pattern that matches.
    func write(to reply: inout ReplyBuffer, pattern: [UInt8]) {
        reply.push(4)
        reply.bulk("pmessage")
        reply.bulk(pattern)
        reply.bulk(channel)
        reply.bulk(payload)
    }
}

extension ReplyBuffer {
    /// `$n` and the bytes.
    mutating func bulk(_ bytes: [UInt8]) {
        bulk(bytes.span)
    }
}

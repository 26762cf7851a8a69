import PresenceRESP

/// What bounds a single reply that a client can make as long as it likes by asking for the same thing many times.
///
/// Output limits look at what waits in the kernel's queue, between commands; one command could have filled any memory by then.
extension ServerLoop {
    /// Whether the reply from `start` on is longer than output may be at all: then an error stands in its place, and the command is to end.
    func refusesLongReply(from start: Int, _ reply: inout ReplyBuffer) -> Bool {
        let limit = configuration.outputLimits.normal.hardBytes
        guard limit > 0, reply.count - start > limit else { return false }
        reply.truncate(to: start)
        reply.error(
            "ERR the reply takes more than \(limit) bytes, the hard limit of client-output-buffer-limit normal; "
                + "ask for less at once")
        return true
    }
}

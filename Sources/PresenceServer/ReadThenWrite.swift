import PresenceRESP

/// Commands that write a string by what they read of it: counters, locks, appending.
///
/// One node does both in one step. Where several nodes take writes, another one may write in between, and of the two writes the newer holds: a number
/// would be lost, a lock be taken twice. So these commands are refused there, on plain strings; a presence is a join, and loses neither session.
///
/// `EXEC` after `WATCH` is none of them: it compares with what this node knows, as it says.
enum ReadThenWrite {
    /// Whether `command` is refused, and the error written.
    ///
    /// - Parameter command: its name, with the option that makes it one.
    static func refuses(
        _ command: @autoclosure () -> String, _ loop: ServerLoop, _ reply: inout ReplyBuffer
    ) -> Bool {
        guard loop.configuration.hasPeers else { return false }
        reply.error(
            "ERR \(command()) reads and then writes, which several nodes cannot do as one: keep counters in one place, "
                + "or run one node")
        return true
    }
}

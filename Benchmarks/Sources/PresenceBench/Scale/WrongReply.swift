/// The server answered what it must not.
struct WrongReply: Error, CustomStringConvertible {
    let reply: String

    init(_ reply: String) { self.reply = reply }

    var description: String { "a wrong reply: \(reply.debugDescription)" }
}

/// One message to all who subscribed.
enum FanOutWork: String, Codable {
    /// `PUBLISH` of a text.
    case message
    /// A status that changes, which presenced tells the subscribers of its user by itself.
    case event

    static let channel = StatusChannel.name + ":fan-out"
    static let user = "presence:user:fan-out"
    static let text = String(repeating: "m", count: 120)

    var name: String { self == .message ? "PUBLISH of 120 bytes" : "a status change" }

    /// What the server must know before.
    func prepare(_ target: LoadTarget, _ connection: Connection) throws {
        guard self == .event else { return }
        // One user changes far more often than a person does.
        try target.set([("status-changes-per-minute", "0")])
        target.leavesBehind("fan-out") { connection in
            try connection.command(["PRESENCE.SET", FanOutWork.user, "STATUS", "auto"], expecting: .simple("OK"))
        }
        try connection.command(["PRESENCE.CONNECT", FanOutWork.user, "s", "EX", "300"], expecting: .integer(1))
    }

    /// The command for one message, and its reply.
    func command(_ number: Int, subscribers: Int) -> (words: [String], reply: Reply) {
        switch self {
        case .message: (["PUBLISH", FanOutWork.channel, FanOutWork.text], .integer(subscribers))
        case .event:
            (["PRESENCE.SET", FanOutWork.user, "STATUS", number.isMultiple(of: 2) ? "dnd" : "away"], .simple("OK"))
        }
    }

    /// What the message with that number says of a change. The first one's old status is that of rounds before.
    static func says(_ number: Int) -> [String] {
        let (status, before) = number.isMultiple(of: 2) ? ("dnd", "away") : ("away", "dnd")
        let parts = ["\"userId\":\"fan-out\"", "\"newStatus\":\"\(status)\""]
        return number == 0 ? parts : parts + ["\"oldStatus\":\"\(before)\""]
    }

    /// A message as a subscriber must have it; nil where no two are alike.
    var bytes: [UInt8]? {
        self == .message ? Connection.encoded(["message", FanOutWork.channel, FanOutWork.text]) : nil
    }

    /// Ends of lines in a message: an array of three, each with its length.
    static let linesOfMessage = 7
}

import Foundation

/// Commands about many users, spelt once: a batch is made by writing other names into the same bytes.
///
///     *1001 PRESENCE.MBEAT | key session | key session | ...       one command, one reply
///     | PRESENCE.BEAT key session | PRESENCE.BEAT key session | ...     a pipeline, a reply each
///
/// Cost: the names alone are made anew, whatever the command; no array is made for a user.
struct BatchForm {
    /// Users of a batch at most.
    let limit: Int
    /// What a batch of `limit` users must be answered with.
    let reply: [UInt8]
    /// How much of `reply` belongs to each user; 0 if the reply to fewer is the same.
    private let replyLength: Int
    /// What stands before the users: the name of the command. Empty in a pipeline.
    private let word: String
    private let unitLength: Int
    private let userPlace: Int
    private let sessionPlace: Int?
    private let lifetimePlace: Int?
    private var bytes: [UInt8]

    /// Room for the head, which ends where the users begin.
    private static let headRoom = 64
    private static let lifetimeForm = "00000"

    private init(_ word: String, unit: String, limit: Int, reply: String, repliesEach: Bool) {
        self.word = word
        self.limit = limit
        let unit = Array(unit.utf8)
        unitLength = unit.count
        userPlace = BatchForm.find(NumberedUser.userForm, in: unit) ?? 0
        sessionPlace = BatchForm.find(NumberedUser.sessionForm, in: unit)
        lifetimePlace = BatchForm.find("\r\n" + BatchForm.lifetimeForm + "\r\n", in: unit).map { $0 + 2 }
        let one = Array(reply.utf8)
        replyLength = repliesEach ? one.count : 0
        self.reply = repliesEach ? Array(repeatElement(one, count: limit).joined()) : one
        bytes = Array(repeating: 0, count: BatchForm.headRoom)
        bytes += repeatElement(unit, count: limit).joined()
    }

    private static func find(_ text: String, in unit: [UInt8]) -> Int? {
        unit.firstRange(of: Array(text.utf8))?.lowerBound
    }

    private static let key = Heartbeat.key(NumberedUser.userForm)
    private static let session = NumberedUser.sessionForm

    /// A pipeline of `PRESENCE.CONNECT` with all fields.
    ///
    /// - Parameter lifetime: the same for all, in milliseconds; nil if each batch has its own.
    static func connect(_ limit: Int, lifetime: Int? = nil) -> BatchForm {
        let words = Record.connect(
            user: NumberedUser.userForm, session: session, options: ["PX", lifetime.map(String.init) ?? lifetimeForm])
        return BatchForm("", unit: text(words), limit: limit, reply: ":1\r\n", repliesEach: true)
    }

    /// A pipeline of `PRESENCE.BEAT`.
    static func beats(_ limit: Int) -> BatchForm {
        BatchForm(
            "", unit: text(["PRESENCE.BEAT", key, session]), limit: limit, reply: ":1\r\n", repliesEach: true)
    }

    /// A pipeline of `PRESENCE.SET` of a status.
    static func statuses(_ status: String, _ limit: Int) -> BatchForm {
        BatchForm(
            "", unit: text(["PRESENCE.SET", key, "STATUS", status]), limit: limit, reply: "+OK\r\n", repliesEach: true)
    }

    /// A pipeline of `SET` of a record as JSON, about 250 bytes, under keys that are no users of presenced. Only the keys differ.
    static func strings(_ status: String, _ limit: Int) -> BatchForm {
        let json = Record.json(
            user: NumberedUser.userForm, session: "gateway-7-" + session + "-of-phone-3", status: status)
        return BatchForm(
            "", unit: text(["SET", "record:" + NumberedUser.userForm, json]), limit: limit, reply: "+OK\r\n",
            repliesEach: true)
    }

    /// One `PRESENCE.MBEAT`, all of whose sessions are known.
    static func batchOfBeats(_ limit: Int) -> BatchForm {
        BatchForm("PRESENCE.MBEAT", unit: bulk(key) + bulk(session), limit: limit, reply: "*0\r\n", repliesEach: false)
    }

    /// One friends list, everybody on it online.
    static func friendsList(_ limit: Int) -> BatchForm {
        let reply = "*\(limit)\r\n" + String(repeating: bulk("online"), count: limit)
        return BatchForm("PRESENCE.MGET", unit: bulk(key), limit: limit, reply: reply, repliesEach: false)
    }

    private static func bulk(_ word: String) -> String { "$\(word.utf8.count)\r\n\(word)\r\n" }

    private static func text(_ words: [String]) -> String { "*\(words.count)\r\n" + words.map(bulk).joined() }

    /// How many bytes answer so many users.
    func replyCount(_ users: Int) -> Int { replyLength == 0 ? reply.count : replyLength * users }

    /// Writes a batch and hands its bytes out.
    ///
    /// - Parameters:
    ///   - lifetime: milliseconds in five digits, where the form has them.
    ///   - number: the user at each place of the batch.
    mutating func encode(
        _ users: Int, lifetime: Int, number: (Int) -> Int, _ body: (UnsafeRawBufferPointer) throws -> Void
    ) rethrows {
        precondition((1...limit).contains(users) && (10_000...99_999).contains(lifetime))
        let begin = writeHead(users)
        let lifetimeDigits = lifetimePlace == nil ? [] : Array(String(lifetime).utf8)
        let (userPlace, sessionPlace, lifetimePlace) = (userPlace, sessionPlace, lifetimePlace)
        let unitLength = unitLength
        try bytes.withUnsafeMutableBytes { bytes in
            guard var unit = bytes.baseAddress.map({ $0 + BatchForm.headRoom }) else { return }
            for place in 0..<users {
                let user = number(place)
                NumberedUser.writeUser(user, to: unit + userPlace)
                if let sessionPlace { NumberedUser.writeSession(user, to: unit + sessionPlace) }
                if let lifetimePlace { (unit + lifetimePlace).copyMemory(from: lifetimeDigits, byteCount: 5) }
                unit += unitLength
            }
            let end = BatchForm.headRoom + users * unitLength
            try body(UnsafeRawBufferPointer(rebasing: bytes[begin..<end]))
        }
    }

    /// Writes the command's name so that it ends where the users begin; returns where it starts.
    private mutating func writeHead(_ users: Int) -> Int {
        guard !word.isEmpty else { return BatchForm.headRoom }
        let words = 1 + users * (sessionPlace == nil ? 1 : 2)
        let head = Array("*\(words)\r\n\(BatchForm.bulk(word))".utf8)
        let begin = BatchForm.headRoom - head.count
        bytes.replaceSubrange(begin..<BatchForm.headRoom, with: head)
        return begin
    }
}

/// The operations of a day as commands of one server, and the reply that each must get.
///
/// A command is a template into which the digits of its users are put.
struct DayCommands: AskedCommands {
    static let friends = 20
    /// How long a session lives that is lost.
    static let lostSeconds = 2

    private struct Template {
        var bytes: [UInt8]
        /// Where the digits of users belong.
        var gaps: [Int]
    }

    /// Where the digits of a user belong; as many as `Heartbeat.name` has.
    private static let gap = String(repeating: "#", count: 12)

    private let users: Int
    /// By kind and status: `place & 31` of an operation.
    private let templates: [Template]
    /// By kind; of a record it depends on the user.
    private let replies: [ExpectedReply]

    /// Scripts are made known to the server.
    init(_ traits: ServerTraits, _ connection: Connection, users: Int) throws {
        self.init(
            isPresenced: traits.isPresenced,
            scripts: traits.isPresenced
                ? ("", "") : (try connection.loadScript(DayCommands.write), try connection.loadScript(DayCommands.end)),
            users: users)
    }

    init(isPresenced: Bool, scripts: (write: String, end: String) = ("", ""), users: Int) {
        self.users = users
        let statuses = DayOperation.Status.allCases
        templates = (0..<32).map { place in
            // There is a status less than two bits can tell.
            guard let kind = DayOperation.Kind(rawValue: place & 7), place >> 3 < statuses.count else {
                return Template(bytes: [], gaps: [])
            }
            let status = statuses[place >> 3]
            return DayCommands.template(
                isPresenced ? DayCommands.own(kind, status) : DayCommands.theirs(kind, status, scripts))
        }
        let words = ["online", "offline", "dnd", "away", "idle"].map { ExpectedReply.exact(LoadWay.bulk($0)) }
        let record = ExpectedReply.oneOf([.null, .bulk(containing: "\"status\":\"")])
        let told = ExpectedReply.exact(":\(Watchers.count)\r\n")
        replies = DayOperation.Kind.allCases.map { kind in
            switch kind {
            case .connect: isPresenced ? .exact(":1\r\n") : told
            case .change: isPresenced ? .exact("+OK\r\n") : told
            case .active: .exact(isPresenced ? ":1\r\n" : "+OK\r\n")
            case .beat, .goodbye, .loss: .exact(":1\r\n")
            // Friends live on other connections: what they are at the moment nobody knows beforehand.
            case .list: .array(count: DayCommands.friends, of: isPresenced ? words : [record])
            case .record: record
            }
        }
    }

    // MARK: Idioms

    /// What a connect and a change of status are elsewhere: the record is written, and whoever watches is told.
    private static let write =
        "redis.call('SET', KEYS[1], ARGV[1], 'EX', \(Heartbeat.lifetime)) return redis.call('PUBLISH', '\(StatusChannel.name)', ARGV[1])"
    /// And an end: of a record that is there, whoever watches is told.
    private static let end =
        "local ended = redis.call('DEL', KEYS[1]) if ended == 1 then redis.call('PUBLISH', '\(StatusChannel.name)', ARGV[1]) end return ended"

    private static func own(_ kind: DayOperation.Kind, _ status: DayOperation.Status) -> [String] {
        let key = Heartbeat.key(gap)
        switch kind {
        case .connect:
            return Record.connect(user: gap, session: Heartbeat.session, options: ["EX", Heartbeat.lifetime])
        case .beat: return ["PRESENCE.BEAT", key, Heartbeat.session]
        case .active: return ["PRESENCE.ACTIVE", key, Heartbeat.session]
        case .list: return ["PRESENCE.MGET"] + Array(repeating: key, count: friends)
        case .record: return ["GET", key]
        case .change: return ["PRESENCE.SET", key, "STATUS", status == .online ? "auto" : status.word]
        case .goodbye: return ["PRESENCE.DISCONNECT", key, Heartbeat.session]
        case .loss: return ["EXPIRE", key, "\(lostSeconds)"]
        }
    }

    private static func theirs(
        _ kind: DayOperation.Kind, _ status: DayOperation.Status, _ scripts: (write: String, end: String)
    ) -> [String] {
        let key = Heartbeat.key(gap)
        func record(_ word: String) -> String { Record.json(user: gap, session: Heartbeat.session, status: word) }
        switch kind {
        case .connect, .change: return ["EVALSHA", scripts.write, "1", key, record(status.word)]
        case .beat: return ["EXPIRE", key, Heartbeat.lifetime]
        // A new TTL alone would not say that somebody was active: who is there gets his record anew, and nobody is told.
        case .active: return ["SET", key, record(status.word), "XX", "EX", Heartbeat.lifetime]
        case .list: return ["MGET"] + Array(repeating: key, count: friends)
        case .record: return ["GET", key]
        case .goodbye: return ["EVALSHA", scripts.end, "1", key, record("offline")]
        case .loss: return ["EXPIRE", key, "\(lostSeconds)"]
        }
    }

    /// How each kind of server is told each operation, a line each.
    static func idioms(of servers: [ServerTraits]) -> [String] {
        let kinds = [("presenced", true), ("the others", false)].filter { _, isOwn in
            servers.contains { !$0.isFloor && $0.isPresenced == isOwn }
        }
        return kinds.map { name, isOwn in
            let scripts = (write: "SET EX of the JSON, PUBLISH", end: "DEL, PUBLISH")
            let idioms = DayOperation.Kind.allCases.map { kind in
                let words = isOwn ? own(kind, .away) : theirs(kind, .away, scripts)
                guard words[0] != "EVALSHA" else { return "\(kind): Lua of \(words[1])" }
                // Words that stand as they are; the rest are keys and values.
                let fixed = words.dropFirst().filter { word in word.allSatisfy { ("A"..."Z").contains($0) } }
                return "\(kind): " + ([words[0]] + fixed).joined(separator: " ")
            }
            return "*mixed* at \(name): \(idioms.joined(separator: "; "))."
        }
    }

    // MARK: Bytes

    private static func template(_ words: [String]) -> Template {
        let bytes = Connection.encoded(words)
        var gaps: [Int] = []
        var place = 0
        while let start = bytes[place...].firstIndex(of: UInt8(ascii: "#")) {
            gaps.append(start)
            place = start + gap.utf8.count
        }
        return Template(bytes: bytes, gaps: gaps)
    }

    subscript(place: Int) -> ArraySlice<UInt8> {
        let operation = DayOperation(place: place)
        let template = templates[place & 31]
        var bytes = template.bytes
        for (number, start) in template.gaps.enumerated() {
            let user = operation.kind == .list ? friend(number, of: operation.user) : operation.user
            DayCommands.put(user, into: &bytes, at: start)
        }
        return bytes[...]
    }

    /// Friends are spread evenly over all users, so that none is on a list twice.
    private func friend(_ number: Int, of user: Int) -> Int {
        (user + (number + 1) * (users / (DayCommands.friends + 1))) % users
    }

    private static func put(_ user: Int, into bytes: inout [UInt8], at start: Int) {
        var rest = user
        for place in stride(from: start + gap.utf8.count - 1, through: start, by: -1) {
            bytes[place] = UInt8(ascii: "0") + UInt8(rest % 10)
            rest /= 10
        }
    }

    func replyLength(_ place: Int, in bytes: UnsafeRawBufferPointer) throws -> Int? {
        let operation = DayOperation(place: place)
        do {
            guard operation.kind == .record else { return try replies[operation.kind.rawValue].length(in: bytes) }
            let name = Heartbeat.name(operation.user)
            return try ExpectedReply.bulk(containing: "\"userId\":\"\(name)\",\"status\":\"\(operation.status.word)\"")
                .length(in: bytes)
        } catch {
            throw BenchError("\(operation.kind) of user \(operation.user), \(operation.status), was answered \(error)")
        }
    }
}

/// Lists of users as a viewer may see them: users who said nothing of anybody, or users who have friends and blocked some.
///
/// Relations outlive sessions, and `FLUSHALL` with them: related users are others than those of all other works, and get theirs once.
enum ViewWork: String, Codable {
    case strangers, related

    static let lists = 1_000
    /// What a related user says of others than viewers, so that finding the viewer among all is work.
    static let (otherFriends, otherBlocked) = (8, 2)

    /// The number of the first related user.
    private static let firstRelated = 1_000_000_000
    var first: Int { self == .related ? ViewWork.firstRelated : 0 }

    /// What a related user says of the viewer of a list that he is on.
    enum Standing { case nothing, friend, blocked }

    var name: String {
        let relations = self == .related ? ", related" : ""
        return "PRESENCE.VIEW of \(LoadWorkload.friends)\(relations)"
    }

    /// The viewer of a list: none of the users of the lists.
    func viewer(of list: Int, users: Int) -> String { key(users + list) }

    private func key(_ number: Int) -> String { Heartbeat.key(Heartbeat.name(first + number)) }

    /// Which user is at a place of a list.
    static func user(_ order: [Int], list: Int, place: Int) -> Int {
        order[(list * LoadWorkload.friends + place) % order.count]
    }

    /// How the user at a place of any list stands to its viewer: one in ten blocked him, four name him a friend.
    static func standing(at place: Int) -> Standing {
        switch place % 10 {
        case 0: .blocked
        case 1...4: .friend
        default: .nothing
        }
    }

    func commands(_ order: [Int]) -> LoadCommands {
        let places = 0..<LoadWorkload.friends
        var commands = LoadCommands(
            (0..<ViewWork.lists).map { list in
                let statuses = places.map { LoadWay.bulk(status(order, list: list, place: $0)) }
                return .exact("*\(statuses.count)\r\n" + statuses.joined())
            })
        for list in 0..<ViewWork.lists {
            commands.add(
                ["PRESENCE.VIEW", viewer(of: list, users: order.count)]
                    + places.map { key(ViewWork.user(order, list: list, place: $0)) }, kind: list)
        }
        return commands
    }

    /// What the viewer of a list sees of the user at a place.
    func status(_ order: [Int], list: Int, place: Int) -> String {
        if self == .related, ViewWork.standing(at: place) == .blocked { return LoadWay.offline }
        return LoadWay.status(of: ViewWork.user(order, list: list, place: place))
    }

    /// Gives the users sessions, and, the first time, their relations.
    static func loadRelated(_ connection: Connection, _ order: [Int]) throws {
        let work = ViewWork.related
        let users = order.count
        try Heartbeat.load(
            connection, isPresenced: true, users: users, first: work.first, status: LoadWay.brings)
        guard try !connection.hasBlocked(work.key(users - 1)) else { return }
        try relate(true, connection, order)
    }

    /// Makes the relations of all users, or ends them.
    static func relate(_ isMade: Bool, _ connection: Connection, _ order: [Int]) throws {
        let work = ViewWork.related
        let users = order.count
        let (friend, block) = Relation.commands(isMade)
        let others = { (user: Int, range: Range<Int>) in range.map { work.key((user + 1 + $0) % users) } }
        try connection.load(users, expecting: .integer(otherFriends)) { user in
            [friend, work.key(user)] + others(user, 0..<otherFriends)
        }
        try connection.load(users, expecting: .integer(otherBlocked)) { user in
            [block, work.key(user)] + others(user, otherFriends..<otherFriends + otherBlocked)
        }
        let edges = (0..<lists).flatMap { list in
            (0..<LoadWorkload.friends).filter { standing(at: $0) != .nothing }.map { (list: list, place: $0) }
        }
        try connection.load(edges.count, expecting: .integer(1)) { index in
            let (list, place) = edges[index]
            let command = standing(at: place) == .blocked ? block : friend
            return [command, work.key(user(order, list: list, place: place)), work.viewer(of: list, users: users)]
        }
    }
}

extension Connection {
    /// Whether a user blocked somebody.
    func hasBlocked(_ key: String) throws -> Bool {
        guard case .array(let parts) = try command("PRESENCE.RELATIONS", key), let last = parts.last,
            case .array(let blocked) = last
        else { throw BenchError("PRESENCE.RELATIONS \(key) was refused") }
        return !blocked.isEmpty
    }
}

/// What users are to each other.
enum Relation {
    /// The commands that make friends and block, or take it back.
    static func commands(_ isMade: Bool) -> (friend: String, block: String) {
        isMade ? ("PRESENCE.FRIEND", "PRESENCE.BLOCK") : ("PRESENCE.UNFRIEND", "PRESENCE.UNBLOCK")
    }
}

import PresenceTesting

/// One way of doing a work.
enum LoadWay: Codable {
    case heartbeat(Heartbeat)
    case active, get, set, presenceGet, presenceList, list
    case view(ViewWork)
    case storm(StormWork)
    case fanOut(FanOutWork)
    case known(KnownWork)
    case expiry
    case mixed

    var name: String {
        switch self {
        case .heartbeat(let heartbeat): heartbeat.name
        case .active: "PRESENCE.ACTIVE"
        case .get: "GET of \(LoadWorkload.valueBytes) bytes"
        case .set: "SET EX of \(LoadWorkload.valueBytes) bytes"
        case .presenceGet: "GET of a presence"
        case .presenceList: "PRESENCE.MGET of \(LoadWorkload.friends)"
        case .list: "MGET of \(LoadWorkload.friends)"
        case .view(let view): view.name
        case .storm(let storm): storm.name
        case .fanOut(let fanOut): fanOut.name
        case .known(let known): known.name
        case .expiry: "expiries announced"
        case .mixed: "a day of presence"
        }
    }

    /// What the server must hold.
    var stock: LoadStock {
        switch self {
        case .heartbeat, .active, .presenceGet: .users
        case .presenceList, .view(.strangers): .friends
        case .view(.related): .related
        case .get, .set, .list: .strings
        case .storm, .fanOut, .known, .expiry, .mixed: .nothing
        }
    }

    /// A day in minutes: users change as often in a second as people do in an hour, nobody becomes idle, and who is lost is not held for a storm.
    static let settingsOfADay: [(name: String, value: String)] = [
        ("status-changes-per-minute", "0"), ("storm-hold", "0s"), ("away-after", "7d"), ("idle-after", "6d"),
    ]

    /// Whether every command is sent once, not over and over.
    var isOnce: Bool { if case .storm = self { true } else { false } }

    /// What is told by itself, one after the other; empty if all is one.
    var stages: [String] { if case .mixed = self { DayCourse.Phase.allCases.map(\.rawValue) } else { [] } }

    /// Where the commands of a loop come from; scripts are made known to the server.
    func source(_ connection: Connection, _ job: LoadJob) throws -> any LoadSource {
        guard case .mixed = self else { return LoopSource(try commands(connection, job), job) }
        return DaySource(try DayCommands(ServerTraits(connection), connection, users: job.users), job)
    }

    private func commands(_ connection: Connection, _ job: LoadJob) throws -> LoadCommands {
        let order = LoadWay.order(of: job.users)
        switch self {
        case .heartbeat(let heartbeat):
            let template = try heartbeat.command(connection, user: "?")
            let key = Heartbeat.key("?")
            return LoadCommands(order, .exact(":1\r\n")) { user in
                template.map { $0 == key ? Heartbeat.key(Heartbeat.name(user)) : $0 }
            }
        case .active:
            return LoadCommands(order, .exact(":1\r\n")) {
                ["PRESENCE.ACTIVE", Heartbeat.key(Heartbeat.name($0)), Heartbeat.session]
            }
        case .presenceGet:
            var commands = LoadCommands(
                order.map { .bulk(containing: "\"userId\":\"\(Heartbeat.name($0))\",\"status\":\"online\"") })
            for (kind, user) in order.enumerated() {
                commands.add(["GET", Heartbeat.key(Heartbeat.name(user))], kind: kind)
            }
            return commands
        case .get:
            return LoadWay.gets(order)
        case .set:
            return LoadCommands(order, .exact("+OK\r\n")) {
                ["SET", LoadWay.key($0), LoadWorkload.value($0), "EX", "300"]
            }
        case .presenceList:
            return lists(order, "PRESENCE.MGET", { LoadWay.bulk(LoadWay.status(of: $0)) }) {
                Heartbeat.key(Heartbeat.name($0))
            }
        case .list:
            return lists(order, "MGET", { LoadWay.bulk(LoadWorkload.value($0)) }, LoadWay.key)
        case .view(let view): return view.commands(order)
        case .storm(let storm):
            return try storm.commands(connection, order, job)
        case .fanOut, .known, .expiry, .mixed:
            throw BenchError("\(name) is not a loop of commands")
        }
    }

    /// In which order users are asked for: the same in every run.
    static func order(of users: Int) -> [Int] {
        var random = SeededRandom(seed: 1)
        return (0..<users).shuffled(using: &random)
    }

    /// A thousand lists of friends, drawn from all.
    private func lists(
        _ order: [Int], _ command: String, _ element: (Int) -> String, _ key: (Int) -> String
    ) -> LoadCommands {
        let friends = LoadWorkload.friends
        let lists = (0..<1_000).map { list in (0..<friends).map { order[(list * friends + $0) % order.count] } }
        var commands = LoadCommands(
            lists.map { .exact("*\(friends)\r\n" + $0.map(element).joined()) })
        for (kind, list) in lists.enumerated() { commands.add([command] + list.map(key), kind: kind) }
        return commands
    }

    /// Strings of whom each neighbour has another value.
    static func gets(_ numbers: [Int]) -> LoadCommands {
        var commands = LoadCommands((0..<LoadWorkload.values).map { .exact(bulk(LoadWorkload.value($0))) })
        for number in numbers { commands.add(["GET", key(number)], kind: number % LoadWorkload.values) }
        return commands
    }

    /// The status that the session of a user of lists brings with it: one in sixteen is busy, at other places of each list, so
    /// that the answer to another list is a wrong one.
    static func brings(_ number: Int) -> String? { number % 16 == 7 ? "dnd" : nil }

    /// What such a user looks like.
    static func status(of number: Int) -> String { brings(number) ?? "online" }

    static let offline = "offline"

    static func key(_ number: Int) -> String { "record:" + Heartbeat.name(number) }

    static func bulk(_ text: String) -> String { "$\(text.utf8.count)\r\n\(text)\r\n" }
}

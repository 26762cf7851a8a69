import Foundation

/// A server that is loaded: one that was started for it, or one that runs elsewhere.
final class LoadTarget {
    let address: ServerAddress
    let traits: ServerTraits
    /// What it is called in tables.
    let name: String
    private let running: RunningServer?
    /// What it was given, and when: users run out.
    private var stock: (kind: LoadStock, at: ContinuousClock.Instant)?

    /// Starts a server.
    init(_ kind: ServerKind) throws {
        let server = try RunningServer(kind)
        running = server
        address = ServerAddress(port: server.port)
        traits = kind.isFloor ? .floor : try ServerTraits(server.connect())
        name = kind.name
        let major = traits.version.prefix { $0 != "." }
        if traits.software == .redis && major != "7" || traits.software == .valkey && major != "9" {
            Progress.say("\(name) is \(traits.version): the goals are of Redis 7 and Valkey 9")
        }
    }

    /// Takes one that runs.
    ///
    /// - Parameter mayEmpty: whether what it holds may be deleted; otherwise it must hold nothing.
    init(at address: ServerAddress, mayEmpty: Bool) throws {
        running = nil
        self.address = address
        let connection = try Connection(address)
        guard case .integer(let keys) = try connection.command("DBSIZE") else { throw BenchError("DBSIZE was refused") }
        guard keys == 0 || mayEmpty else {
            throw BenchError(
                "\(address.host) port \(address.port) holds \(grouped(keys)) keys, which a load deletes: --flush allows it"
            )
        }
        traits = try ServerTraits(connection)
        name = traits.software.rawValue
    }

    func connect() throws -> Connection { try Connection(address) }

    /// Changes settings, all at once.
    func set(_ settings: [(name: String, value: String)]) throws {
        try connect().command(["CONFIG", "SET"] + settings.flatMap { [$0.name, $0.value] }, expecting: .simple("OK"))
    }

    func stop() { running?.stop() }

    /// Gives it what a work needs, if it does not have it, or has had it for so long that users may run out meanwhile.
    func give(_ kind: LoadStock, users: Int) throws {
        if kind != .nothing, let stock, stock.kind == kind, ContinuousClock.now - stock.at < .seconds(60) { return }
        try kind.load(self, users: users)
        stock = (kind, ContinuousClock.now)
    }

    /// Processor time of all its threads since it began, in nanoseconds; elsewhere as `INFO` tells it.
    func processorTime() throws -> UInt64 {
        if let running { return try running.processorTime() }
        let values = try info("cpu", ["used_cpu_user", "used_cpu_sys"])
        // A server that does not tell shows no time, and no ratio.
        guard values.contains(where: { $0 > 0 }) else { throw BenchError("INFO of \(name) tells no processor time") }
        return UInt64(values.reduce(0, +) * 1e9)
    }

    /// Elsewhere as `INFO` tells it, 0 if it does not.
    func residentBytes() throws -> Int {
        if let running { return running.residentBytes }
        return Int(try info("memory", ["used_memory_rss"])[0])
    }

    private func info(_ section: String, _ names: [String]) throws -> [Double] {
        let connection = try connect()
        guard case .bulk(let text) = try connection.command("INFO", section) else { return names.map { _ in 0 } }
        let lines = text.split(whereSeparator: \.isNewline)
        return names.map { name in
            lines.first { $0.hasPrefix(name + ":") }.flatMap { Double($0.dropFirst(name.count + 1)) } ?? 0
        }
    }
}

/// What a server holds while it is loaded.
enum LoadStock {
    case nothing, users, strings
    /// Users who have friends and blocked some.
    case related

    fileprivate func load(_ target: LoadTarget, users: Int) throws {
        guard !target.traits.isFloor else { return }
        let connection = try target.connect()
        guard case .simple("OK") = try connection.command("FLUSHALL") else { throw BenchError("FLUSHALL was refused") }
        switch self {
        case .nothing: break
        case .users: try Heartbeat.load(connection, isPresenced: target.traits.isPresenced, users: users)
        case .related:
            try ViewWork.loadRelated(connection, LoadWay.order(of: users))
        case .strings:
            try connection.load(users, expecting: .simple("OK")) {
                ["SET", LoadWay.key($0), LoadWorkload.value($0)]
            }
        }
    }
}

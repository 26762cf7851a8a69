import Foundation

/// A server that is loaded: one that was started for it, or one that runs elsewhere.
final class LoadTarget {
    let address: ServerAddress
    let traits: ServerTraits
    /// What it is called in tables.
    let name: String
    private let running: RunningServer?
    private let relay: TLSRelay?
    /// What it was given, and when: users run out.
    private var stock: (kind: LoadStock, at: ContinuousClock.Instant)?
    /// Where one elsewhere was said to be.
    private let place: String?
    /// What is given back; nil of a server that was started.
    private let lent: LentServer?
    private var interruption: Int?

    /// Starts a server.
    ///
    /// - Parameter settings: more of its command line.
    init(_ kind: ServerKind, settings: [String] = []) throws {
        let server = try RunningServer(kind, settings: settings)
        running = server
        relay = nil
        lent = nil
        place = nil
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
    /// - Parameters:
    ///   - relay: what speaks TLS to it, if it wants that.
    ///   - mayEmpty: whether what it holds may be deleted; otherwise it must hold nothing.
    init(at address: ServerAddress, by relay: TLSRelay? = nil, mayEmpty: Bool) throws {
        running = nil
        self.relay = relay
        self.address = relay.map { ServerAddress(port: $0.port, login: address.login) } ?? address
        let connection = try Connection(self.address)
        let held = try HeldKeys(connection)
        traits = try ServerTraits(connection)
        name = traits.software.rawValue
        place = "\(address.host):\(address.port)"
        let note = held.count > 0 ? try ChangedSettings.note(connection, traits.runID) : nil
        guard held.count == 0 || mayEmpty else {
            let left = note == nil ? "" : ", and puts back the settings that a run left changed which was cut off"
            throw BenchError(
                "\(address.host) port \(address.port) holds \(held), which a load deletes: --flush allows it\(left)")
        }
        let lent = LentServer(
            self.address, name: "\(name) at \(address.host) port \(address.port)", traits, note)
        self.lent = lent
        interruption = Interruption.beforeEnd { lent.interrupt() }
    }

    /// Whether it was there before, and stays.
    var isLent: Bool { lent != nil }

    /// What a report says of it.
    var description: LoadReport.Server {
        let path = running.map { URL(fileURLWithPath: $0.kind.path).path }
        let made = path.flatMap { try? FileManager.default.attributesOfItem(atPath: $0)[.modificationDate] as? Date }
        return LoadReport.Server(
            name: name, version: traits.version, build: traits.build, path: path,
            made: made.map { ISO8601DateFormatter().string(from: $0) }, address: place)
    }

    func connect() throws -> Connection { try Connection(address) }

    /// Changes settings, all at once.
    func set(_ settings: [(name: String, value: String)]) throws {
        // Whoever is interrupted while he waits for a connection keeps nobody from giving the server back.
        let connection = try connect()
        if let lent { try lent.set(settings, connection) } else { try ChangedSettings.put(settings, connection) }
    }

    /// Remembers what outlives `FLUSHALL`, unless it is remembered by that name.
    func leavesBehind(_ name: String, _ undo: @escaping @Sendable (Connection) throws -> Void) {
        lent?.leavesBehind(name, undo)
    }

    /// Ends a server that was started. One elsewhere is left as it was found.
    func stop() {
        Interruption.waitIfEnding()
        running?.stop()
        guard let lent else { return }
        lent.giveBack()
        if let interruption { Interruption.forget(interruption) }
        interruption = nil
    }

    /// Gives it what a work needs, if it does not have it, or has had it for so long that users may run out meanwhile.
    func give(_ kind: LoadStock, users: Int) throws {
        if kind != .nothing, let stock, stock.kind == kind, ContinuousClock.now - stock.at < .seconds(60) { return }
        guard !traits.isFloor else { return }
        let connection = try connect()
        if let lent {
            try lent.empty(connection)
        } else {
            try connection.command(["FLUSHALL"], expecting: .simple("OK"))
        }
        try kind.load(self, connection, users: users)
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
    /// Users of whom some are busy.
    case friends
    /// Users who have friends and blocked some.
    case related

    fileprivate func load(_ target: LoadTarget, _ connection: Connection, users: Int) throws {
        switch self {
        case .nothing: break
        case .users: try Heartbeat.load(connection, isPresenced: target.traits.isPresenced, users: users)
        case .friends:
            try Heartbeat.load(
                connection, isPresenced: target.traits.isPresenced, users: users, status: LoadWay.brings)
        case .related:
            let order = LoadWay.order(of: users)
            target.leavesBehind("related") { try ViewWork.relate(false, $0, order) }
            try ViewWork.loadRelated(connection, order)
        case .strings:
            try connection.load(users, expecting: .simple("OK")) {
                ["SET", LoadWay.key($0), LoadWorkload.value($0)]
            }
        }
    }
}

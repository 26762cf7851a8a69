import ArgumentParser
import Foundation

/// How a load is done. What is not given is nil, so that what a work does not take can be refused.
struct LoadOptions: ParsableArguments {
    @Option(help: "Connections to the server that is asked; 50 by default.")
    var connections: Int?
    @Option(help: "Processes that the connections are divided among; 1 by default.")
    var processes: Int?
    @Option(help: "Commands that a connection sends at once; 1 by default.")
    var pipeline: Int?
    @Option(help: "Users of each server; 100000 by default.")
    var users: Int?
    @Option(help: "Subscribers of fan-out; 1000 by default.")
    var subscribers: Int?
    @Option(help: "Seconds a way and round; 2 by default.")
    var seconds: Double?
    @Option(help: "Rounds; 3 by default.")
    var rounds: Int?
    @Option(help: "Commands a second over all connections, instead of a closed loop.")
    var rate: Double?

    /// Messages that fan-out, and commands that connect-known sends at once.
    static let batch = 16
    /// Seconds within which the due ones of expiry run out.
    static let window = 5

    func validate() throws {
        try Bounds.check("--connections", connections, Bounds.connections)
        try Bounds.check("--processes", processes, 1...(connections ?? 50))
        try Bounds.check("--pipeline", pipeline, Bounds.pipeline)
        try Bounds.check("--users", users, Bounds.users)
        try Bounds.check("--subscribers", subscribers, Bounds.subscribers)
        try Bounds.check("--seconds", seconds, Bounds.seconds)
        try Bounds.check("--rounds", rounds, Bounds.rounds)
        try Bounds.check("--rate", rate, Bounds.rate)
        guard rate == nil || pipeline == nil else {
            throw ValidationError("with --rate commands are sent when they are due: without --pipeline")
        }
    }

    /// Refuses what these works do not take: nobody is to believe that it was done so.
    func check(for works: [LoadWorkload]) throws {
        let ofLoops = connections != nil || processes != nil || pipeline != nil || rate != nil
        for work in works {
            guard let why = work.whyAlone, ofLoops else { continue }
            throw ValidationError(
                "\(work.rawValue) is without --connections, --processes, --pipeline and --rate: \(why)")
        }
        let takers: [(option: String, isGiven: Bool, works: (LoadWorkload) -> Bool)] = [
            ("--users", users != nil, { $0 != .fanOut && $0 != .connectKnown }),
            ("--subscribers", subscribers != nil, { $0 == .fanOut }),
            ("--seconds", seconds != nil, { $0 != .expiry && ($0 != .connectStorm) }),
            ("--rounds", rounds != nil, { $0 != .expiry }),
        ]
        for (option, isGiven, takes) in takers where isGiven && !works.contains(where: takes) {
            throw ValidationError("\(option) says nothing to \(works.map(\.rawValue).joined(separator: ", "))")
        }
        if works.contains(.mixed), let rate {
            let conditions = conditions(of: .mixed)
            let least = DayCourse.leastCommandsAUser * (conditions.users ?? 0)
            guard rate * (conditions.seconds ?? 0) >= Double(least) else {
                throw ValidationError(
                    "a day of \(conditions.users ?? 0) users has \(least) commands at least: --rate times --seconds must be as many"
                )
            }
        }
    }

    /// Under which a work is done.
    func conditions(of work: LoadWorkload) -> LoadConditions {
        var conditions = LoadConditions(rounds: rounds ?? 3)
        let (users, seconds) = (users ?? 100_000, seconds ?? 2)
        switch work {
        case .fanOut:
            conditions.pipeline = LoadOptions.batch
            conditions.subscribers = subscribers ?? 1_000
            conditions.seconds = seconds
        case .connectKnown:
            conditions.pipeline = LoadOptions.batch
            conditions.users = KnownWork.users
            conditions.seconds = seconds
            conditions.watchers = KnownWork.watchersEach
        case .expiry:
            conditions.users = users
            conditions.due = users / 10
            conditions.seconds = Double(LoadOptions.window)
            conditions.rounds = 1
        default:
            conditions.connections = connections ?? 50
            conditions.processes = processes ?? 1
            conditions.pipeline = rate == nil ? pipeline ?? 1 : nil
            conditions.rate = rate
            conditions.users = users
            conditions.seconds = work == .connectStorm ? nil : seconds
            conditions.watchers = work == .mixed ? Watchers.count : nil
        }
        return conditions
    }
}

/// Under which one work was done: what its figures belong to.
struct LoadConditions: Encodable, Equatable {
    /// Those that send; one where a work sends over a connection of its own.
    var connections = 1
    var processes = 1
    /// Commands a write; nil in an open loop, and where it is nothing that is measured.
    var pipeline: Int?
    /// Commands a second of an open loop.
    var rate: Double?
    var users: Int?
    /// Users who run out.
    var due: Int?
    var subscribers: Int?
    /// Those who are told of what happens.
    var watchers: Int?
    /// Seconds a way and round; of expiry, those within which the due ones run out. Nil where the work ends by itself.
    var seconds: Double?
    var rounds: Int

    init(rounds: Int) { self.rounds = rounds }

    /// As the title of a table.
    var text: String {
        var parts: [String] = []
        if let subscribers {
            parts.append("1 publisher, \(pipeline ?? 1) messages a write to \(grouped(subscribers)) subscribers")
        } else if let due {
            parts.append("\(grouped(due)) of \(grouped(users ?? 0)) users run out within \(LoadOptions.window) s")
        } else {
            let senders = processes == 1 ? "" : " of \(processes) processes"
            let noun = connections == 1 ? "connection" : "connections"
            parts.append("\(connections) \(noun)\(senders)")
            if let rate { parts.append("\(grouped(Int(rate))) commands a second") }
            if let pipeline { parts.append("\(pipeline) a write") }
            if let users { parts.append("\(grouped(users)) users") }
        }
        parts.append(rounds == 1 ? "1 round" : "\(rounds) rounds in turns")
        return parts.joined(separator: ", ")
    }
}

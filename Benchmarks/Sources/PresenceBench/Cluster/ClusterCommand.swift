import ArgumentParser
import Foundation

/// Three nodes that all hold everyone: how late, how many bytes, how fast a node copies, how soon a dead one is stepped in for.
struct ClusterCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "cluster",
        abstract: "Three nodes on this machine, beside a Redis primary with two replicas.",
        discussion: """
            Servers and load generator share the machine: where a rate is not held, the table says which was. Every reply is checked; goals that are not \
            held are told, and the exit code is 0.
            """)

    @OptionGroup var own: OwnServer
    @Option(help: "The redis-server to measure beside it; by default the one on the search path.")
    var redis: String?
    @Option(help: "Who is measured beside it: redis, or none; by default redis if it is there.")
    var against: String?
    @OptionGroup var options: ClusterOptions
    @Option(help: "Parts, with commas between: \(ClusterPart.allCases.map(\.rawValue).joined(separator: ",")).")
    var parts = ClusterPart.allCases.map(\.rawValue).joined(separator: ",")

    func validate() throws {
        _ = try chosen()
        guard against == nil || against == "redis" || against == "none" && redis == nil else {
            throw ValidationError("--against knows redis, or none without --redis")
        }
    }

    func run() throws {
        let redis = against == "none" ? nil : redis ?? Program.find("redis-server")
        guard redis != nil || against != "redis" else {
            throw BenchError("redis is missing (Debian package redis-server)")
        }
        if redis == nil { Progress.say("cluster: no Redis is measured beside it") }
        for part in try chosen() {
            let load = MachineLoad()
            var table =
                switch part {
                case .lag: try LagPart(server: own.server, redis: redis, options: options).run()
                case .beats: try BeatsPart(server: own.server, options: options).run()
                case .heartbeat: try BeatCostPart(server: own.server, options: options).run()
                case .copy: try CopyPart(server: own.server, redis: redis, options: options).run()
                case .failover: try FailoverPart(server: own.server, options: options).run()
                }
            table.notes.append(load.text)
            // Each as soon as it is there: the parts take long.
            print(table.text)
            fflush(nil)
        }
    }

    private func chosen() throws -> [ClusterPart] {
        try parts.split(separator: ",").map { word in
            guard let part = ClusterPart(rawValue: word.trimmingCharacters(in: .whitespaces)) else {
                throw ValidationError("there is no part \(word)")
            }
            return part
        }
    }
}

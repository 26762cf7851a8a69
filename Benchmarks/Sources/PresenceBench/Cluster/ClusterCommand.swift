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

    @OptionGroup var servers: ServerOptions
    @OptionGroup var options: ClusterOptions
    @Option(help: "Parts, with commas between: \(ClusterPart.allCases.map(\.rawValue).joined(separator: ",")).")
    var parts = ClusterPart.allCases.map(\.rawValue).joined(separator: ",")

    func validate() throws { _ = try chosen() }

    func run() throws {
        let redis = servers.against == "none" ? nil : servers.redis ?? Program.find("redis-server")
        if redis == nil { Progress.say("cluster: no Redis is measured beside it") }
        for part in try chosen() {
            let load = MachineLoad()
            var table =
                switch part {
                case .lag: try LagPart(server: servers.server, redis: redis, options: options).run()
                case .beats: try BeatsPart(server: servers.server, options: options).run()
                case .heartbeat: try BeatCostPart(server: servers.server, options: options).run()
                case .copy: try CopyPart(server: servers.server, redis: redis, options: options).run()
                case .failover: try FailoverPart(server: servers.server, options: options).run()
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

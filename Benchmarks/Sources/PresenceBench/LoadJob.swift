/// A loop of commands that one process sends: its share of the whole.
struct LoadJob: Codable {
    var address: ServerAddress
    var way: LoadWay
    /// Users of the server, not only of this process.
    var users: Int
    /// Connections of this process.
    var connections: Int
    var pipeline: Int
    var seconds: Double
    /// Commands a second of this process; nil for a closed loop.
    var rate: Double?
    /// Which process this is, of how many.
    var part = 0
    var parts = 1

    /// Divides it among processes.
    func divided(by count: Int) -> [LoadJob] {
        (0..<count).map { part in
            var job = self
            job.connections = connections * (part + 1) / count - connections * part / count
            job.rate = rate.map { $0 * Double(job.connections) / Double(connections) }
            job.part = part
            job.parts = count
            return job
        }
    }
}

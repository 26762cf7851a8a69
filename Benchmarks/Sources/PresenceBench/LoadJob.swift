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
    /// Commands of the whole day, of all processes.
    var dayLength = 0
    /// How many connections other processes have, of lower numbers and in all with this one's.
    var firstConnection = 0
    var connectionsOfAll: Int

    init(
        address: ServerAddress, way: LoadWay, users: Int, connections: Int, pipeline: Int, seconds: Double,
        rate: Double? = nil
    ) {
        self.address = address
        self.way = way
        self.users = users
        self.connections = connections
        self.pipeline = pipeline
        self.seconds = seconds
        self.rate = rate
        connectionsOfAll = connections
        if case .mixed = way { dayLength = DayCourse.length(users: users, seconds: seconds, rate: rate) }
    }

    /// Divides it among processes.
    func divided(by count: Int) -> [LoadJob] {
        (0..<count).map { part in
            var job = self
            job.firstConnection = connections * part / count
            job.connections = connections * (part + 1) / count - job.firstConnection
            job.rate = rate.map { $0 * Double(job.connections) / Double(connections) }
            job.part = part
            job.parts = count
            return job
        }
    }
}

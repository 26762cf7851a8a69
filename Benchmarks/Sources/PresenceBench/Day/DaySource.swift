/// A day as it is sent: a lane for each connection, from the same place of the day to the same place.
final class DaySource: LoadSource {
    private let commands: DayCommands
    private var lanes: [DayLane]
    private var told = 0
    private var phases = DayCourse.Phase.allCases[...]

    /// This process's lanes.
    init(_ commands: DayCommands, _ job: LoadJob) {
        self.commands = commands
        lanes = (0..<job.connections).map { connection in
            DayLane(job.firstConnection + connection, of: job.connectionsOfAll, users: job.users, length: job.dayLength)
        }
    }

    var isEndless: Bool { false }
    var isOver: Bool { lanes.allSatisfy(\.isOver) }

    func takeChanges() -> Int {
        let changes = lanes.reduce(0) { $0 + $1.changes }
        defer { told = changes }
        return changes - told
    }

    func begin() {
        guard let phase = phases.popFirst() else { return }
        for place in lanes.indices { lanes[place].begin(phase) }
    }

    func next(for connection: Int) -> Int? { lanes[connection].next()?.place }

    subscript(place: Int) -> ArraySlice<UInt8> { commands[place] }

    func replyLength(_ place: Int, in bytes: UnsafeRawBufferPointer) throws -> Int? {
        try commands.replyLength(place, in: bytes)
    }
}

import Foundation

/// Sends batches over a few connections from the thread that calls it, each to the connection that has least to do.
struct BatchDriver {
    /// Batches on their way on a connection at most.
    private let depth: Int
    private let connections: [BatchConnection]
    private var waiting: SocketWait
    private(set) var inFlight = 0

    init(port: Int, connections count: Int, depth: Int) throws {
        self.depth = depth
        connections = try (0..<count).map { _ in try BatchConnection(port: port) }
        waiting = try SocketWait(connections.map(\.handle))
    }

    /// Whether there is a connection that takes a batch now.
    var hasRoom: Bool { inFlight < depth * connections.count }

    /// Sends a batch. There must be room.
    mutating func send(
        _ form: inout BatchForm, users: Int, lifetime: Int = 75_000, tag: Int, number: (Int) -> Int
    ) throws {
        let connection = freest
        let (reply, length) = (form.reply, form.replyCount(users))
        try form.encode(users, lifetime: lifetime, number: number) { bytes in
            try connection.send(bytes, reply: reply, length: length, tag: tag)
        }
        inFlight += 1
    }

    /// Sends a batch that is spelt already. There must be room.
    mutating func send(_ batches: SpeltBatches, _ batch: Int) throws {
        let connection = freest
        try batches.withBytes(batch) {
            try connection.send($0, reply: batches.reply, length: batches.reply.count, tag: 0)
        }
        inFlight += 1
    }

    /// The connection that has least on its way.
    private var freest: BatchConnection {
        var freest = connections[0]
        for other in connections where other.inFlight < freest.inFlight { freest = other }
        precondition(freest.inFlight < depth)
        return freest
    }

    /// Waits for replies, so long at most, and tells each batch that is answered.
    mutating func receive(nanoseconds: Int64, _ answered: (Int) throws -> Void) throws {
        waiting.wait(connections, nanoseconds: nanoseconds)
        for connection in connections {
            if connection.hasOutput { try connection.flush() }
            guard waiting.isReadable(connection.handle) else { continue }
            let before = connection.inFlight
            try connection.receive(answered)
            inFlight -= before - connection.inFlight
        }
    }

    /// Waits until everything is answered.
    mutating func drain(_ answered: (Int) throws -> Void) throws {
        let deadline = MonotonicClock.nanoseconds() + 30_000_000_000
        while inFlight > 0 {
            guard MonotonicClock.nanoseconds() < deadline else {
                throw BenchError("\(inFlight) batches were not answered in 30 s")
            }
            try receive(nanoseconds: 100_000_000, answered)
        }
    }
}

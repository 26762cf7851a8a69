import Foundation
import Synchronization

/// A few who listen to all changes while others do their work, each on a thread of its own: all of them must hear the same number.
final class Watchers: Sendable {
    static let count = 2

    private let heard = Mutex(Array(repeating: 0, count: Watchers.count))
    private let handles: [Int32]

    init(_ target: LoadTarget) throws {
        let connections = try (0..<Watchers.count).map { _ in
            let connection = try target.connect()
            try connection.subscribe(StatusChannel.name)
            return connection
        }
        handles = connections.map(\.handle)
        for (place, connection) in connections.enumerated() {
            let handover = Handover(connection: connection)
            Thread { [self] in listen(handover.connection, place) }.start()
        }
    }

    /// A connection that one thread gives to another, and only ends from then on.
    private struct Handover: @unchecked Sendable { let connection: Connection }

    private func listen(_ connection: Connection, _ place: Int) {
        while let bytes = try? connection.receive() {
            // Each event is one JSON object without others in it.
            let events = bytes.count { $0 == UInt8(ascii: "{") }
            heard.withLock { $0[place] += events }
        }
    }

    /// Holds what they heard against each other once it has all come, and ends them.
    func check() throws {
        let deadline = ContinuousClock.now + .seconds(10)
        defer { for handle in handles { shutdown(handle, Int32(SHUT_RDWR)) } }
        var counts: [Int] = []
        repeat {
            usleep(100_000)
            let before = counts
            counts = heard.withLock { $0 }
            if counts == before, Set(counts).count == 1, counts[0] > 0 { return }
        } while ContinuousClock.now < deadline
        throw BenchError("those who watch heard \(counts) changes: it must be as many for each, and more than none")
    }
}

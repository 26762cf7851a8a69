import Foundation
import Synchronization

/// A few who listen to all changes while others do their work, each on a thread of its own: all of them must hear the same number.
final class Watchers: Sendable {
    static let count = 2

    private let heard = Mutex(Array(repeating: 0, count: Watchers.count))
    private let handles: [Int32]

    init(_ target: LoadTarget) throws {
        let isPresenced = target.traits.isPresenced
        // Elsewhere who runs out is told by the server alone.
        if !isPresenced { try target.set([("notify-keyspace-events", "Ex")]) }
        let connections = try (0..<Watchers.count).map { _ in
            let connection = try target.connect()
            try connection.subscribe(StatusChannel.name)
            if !isPresenced {
                let channel = StatusChannel.expired
                try connection.command(
                    ["SUBSCRIBE", channel], expecting: .array([.bulk("subscribe"), .bulk(channel), .integer(2)]))
            }
            return connection
        }
        handles = connections.map(\.handle)
        for (place, connection) in connections.enumerated() {
            let handover = Handover(connection: connection)
            Thread { [self] in listen(handover.connection, place) }.start()
        }
        // What is still told of the work before is not of this one.
        var before: [Int]
        repeat {
            before = heard.withLock { $0 }
            usleep(200_000)
        } while heard.withLock({ $0 }) != before
        heard.withLock { $0 = Array(repeating: 0, count: Watchers.count) }
    }

    /// A connection that one thread gives to another, and only ends from then on.
    private struct Handover: @unchecked Sendable { let connection: Connection }

    private func listen(_ connection: Connection, _ place: Int) {
        while let bytes = try? connection.receive() {
            // Each message is one array, and nothing in it has an asterisk.
            let events = bytes.count { $0 == UInt8(ascii: "*") }
            heard.withLock { $0[place] += events }
        }
    }

    /// How long is waited for what has not come.
    private static let patience = Duration.seconds(30)

    /// Waits until each of them has heard of so many changes, and ends them.
    ///
    /// - Throws: if one hears of more, or of fewer for long.
    func check(hearing changes: Int) throws {
        let deadline = ContinuousClock.now + Watchers.patience
        defer { for handle in handles { shutdown(handle, Int32(SHUT_RDWR)) } }
        var counts: [Int] = []
        repeat {
            usleep(100_000)
            counts = heard.withLock { $0 }
        } while counts.contains { $0 < changes } && ContinuousClock.now < deadline
        guard counts.allSatisfy({ $0 == changes }) else {
            throw BenchError("those who watch heard \(counts) changes; there were \(changes)")
        }
    }
}

import Foundation

/// Messages to many subscribers, `batch` a write; the next are sent when all have got all of them. An operation is a delivery.
struct FanOutTurn: LoadTurn {
    private static let batch = LoadOptions.batch
    private let work: FanOutWork
    private let publisher: Connection
    private let seconds: Double
    private var subscribers: [FanOutSubscriber]
    private var sent = 0

    init(_ work: FanOutWork, _ target: LoadTarget, subscribers count: Int, seconds: Double) throws {
        self.work = work
        self.seconds = seconds
        publisher = try target.connect()
        try work.prepare(target, publisher)
        subscribers = try (0..<count).map { _ in try FanOutSubscriber(target.address, work) }
    }

    mutating func run() throws -> LoadOutcome {
        defer { for subscriber in subscribers { close(subscriber.handle) } }
        var outcome = LoadOutcome()
        var sockets = subscribers.map { pollfd(fd: $0.handle, events: Int16(POLLIN), revents: 0) }
        var buffer = [UInt8](repeating: 0, count: 65_536)
        let began = MonotonicClock.nanoseconds()
        let end = began + Int64(seconds * 1e9)
        while MonotonicClock.nanoseconds() < end {
            let start = MonotonicClock.nanoseconds()
            let replies = try publish()
            var open = subscribers.count
            while open > 0 {
                guard MonotonicClock.nanoseconds() < start + 10_000_000_000 else {
                    throw BenchError("\(open) of \(subscribers.count) subscribers did not get all messages within 10 s")
                }
                _ = poll(&sockets, nfds_t(sockets.count), 100)
                let now = MonotonicClock.nanoseconds()
                for place in sockets.indices where sockets[place].revents != 0 {
                    try subscribers[place].receive(into: &buffer)
                    guard subscribers[place].messages <= sent else {
                        throw BenchError("a message that nobody published")
                    }
                    guard subscribers[place].messages == sent else { continue }
                    open -= 1
                    for _ in 0..<FanOutTurn.batch { _ = outcome.latency.record(UInt64(max(1, now - start))) }
                }
            }
            for reply in replies {
                let answer = try publisher.reply()
                guard answer == reply else { throw BenchError("\(work.name) was answered \(answer)") }
            }
            outcome.operations += FanOutTurn.batch * subscribers.count
        }
        outcome.elapsed = Double(MonotonicClock.nanoseconds() - began) / 1e9
        return outcome
    }

    /// Sends the next batch; the replies that must come.
    private mutating func publish() throws -> [Reply] {
        var bytes: [UInt8] = []
        var replies: [Reply] = []
        for _ in 0..<FanOutTurn.batch {
            let (words, reply) = work.command(sent, subscribers: subscribers.count)
            bytes += Connection.encoded(words)
            replies.append(reply)
            sent += 1
        }
        try publisher.send(bytes)
        return replies
    }
}

import Foundation
import Synchronization

/// An event as it was heard.
struct Arrival: Sendable {
    var user: String
    /// The instant that the event names, in epoch milliseconds.
    var deadline: Int64
    /// When it was received.
    var at: Int64
}

/// The wall clock.
enum WallClock {
    /// Epoch milliseconds now.
    static func milliseconds() -> Int64 {
        var time = timespec()
        clock_gettime(CLOCK_REALTIME, &time)
        return Int64(time.tv_sec) * 1_000 + Int64(time.tv_nsec) / 1_000_000
    }
}

/// A subscriber of `user.status.changed`, on a thread of its own: it only reads and notes the time. What came is taken apart afterwards.
final class Listener: Sendable {
    private struct Heard {
        var chunks: [(at: Int64, bytes: [UInt8])] = []
        var events = 0
        var hasEnded = false
    }

    private let heard = Mutex(Heard())
    private let expected: Int

    /// Subscribes, and listens from then on until so many events of any kind were heard.
    init(_ server: RunningServer, expecting count: Int) throws {
        expected = count
        let connection = try server.connect()
        try connection.subscribe(StatusChannel.name)
        let port = Handover(connection)
        Thread { [self] in listen(port.connection) }.start()
    }

    /// A connection that one thread gives to another and does not use any more.
    private struct Handover: @unchecked Sendable {
        let connection: Connection
        init(_ connection: Connection) { self.connection = connection }
    }

    private func listen(_ connection: Connection) {
        // A message ends with the LF of its payload's line end; a JSON payload has none of its own.
        var isDone = false
        while !isDone {
            guard let bytes = try? connection.receive() else { break }
            let now = WallClock.milliseconds()
            isDone = heard.withLock { heard in
                heard.chunks.append((now, bytes))
                heard.events += bytes.count { $0 == UInt8(ascii: "{") }
                return heard.events >= expected
            }
        }
        heard.withLock { $0.hasEnded = true }
    }

    /// Waits for all events, at most until an instant; those that tell the end of a user's last session.
    func arrivals(until deadline: Int64) throws -> [Arrival] {
        while WallClock.milliseconds() < deadline, !heard.withLock({ $0.hasEnded }) { usleep(50_000) }
        var arrivals: [Arrival] = []
        var line: [UInt8] = []
        for (at, bytes) in heard.withLock({ $0.chunks }) {
            for byte in bytes {
                guard byte == 10 else {
                    line.append(byte)
                    continue
                }
                if line.first == UInt8(ascii: "{"), let arrival = try Listener.arrival(line, at) {
                    arrivals.append(arrival)
                }
                line.removeAll(keepingCapacity: true)
            }
        }
        return arrivals
    }

    private static func arrival(_ line: [UInt8], _ at: Int64) throws -> Arrival? {
        let text = String(decoding: line, as: UTF8.self)
        guard let user = field("userId", in: text), let instant = field("timestamp", in: text),
            let status = field("newStatus", in: text), let deadline = milliseconds(instant)
        else { throw BenchError("not an event: \(text)") }
        guard status == "offline" else { return nil }
        return Arrival(user: user, deadline: deadline, at: at)
    }

    private static func field(_ name: String, in text: String) -> String? {
        guard let key = text.range(of: "\"\(name)\":\""), let end = text[key.upperBound...].firstIndex(of: "\"") else {
            return nil
        }
        return String(text[key.upperBound..<end])
    }

    /// Epoch milliseconds of `2026-01-31T23:59:59.999Z`.
    private static func milliseconds(_ text: String) -> Int64? {
        let style = Date.ISO8601FormatStyle(includingFractionalSeconds: true)
        guard let date = try? style.parse(text) else { return nil }
        return Int64((date.timeIntervalSince1970 * 1_000).rounded())
    }
}

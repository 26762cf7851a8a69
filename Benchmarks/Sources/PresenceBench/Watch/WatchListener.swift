import Foundation

/// A connection that is subscribed to the channels of several viewers; reading gives what there is.
final class WatchListener {
    private let connection: Connection
    private var input = [UInt8](repeating: 0, count: 1 << 20)
    private var start = 0
    private var end = 0
    private(set) var frames = 0

    /// Subscribes to the channels of these viewers.
    init(_ connection: Connection, viewers: [String]) throws {
        self.connection = connection
        let channels = viewers.map { WatchMessage.channelPrefix + $0 }
        try connection.send(Connection.encoded(["SUBSCRIBE"] + channels))
        for (place, channel) in channels.enumerated() {
            let answer = try connection.reply()
            guard answer == .array([.bulk("subscribe"), .bulk(channel), .integer(place + 1)]) else {
                throw BenchError("SUBSCRIBE \(channel) was answered \(answer)")
            }
        }
    }

    var handle: Int32 { connection.handle }

    /// Reads what has come, and calls `row` with the viewer, the user and the status of each row, and when it was read.
    func receive(_ row: (Int, Int, UnsafeRawBufferPointer, Int64) throws -> Void) throws {
        let count = input.withUnsafeMutableBytes {
            recv(handle, $0.baseAddress.map { $0 + end }, $0.count - end, Int32(MSG_DONTWAIT))
        }
        guard count > 0 else {
            guard count < 0, errno == EAGAIN || errno == EINTR else {
                throw BenchError("the server closed the connection of a viewer")
            }
            return
        }
        let now = MonotonicClock.nanoseconds()
        end += count
        try input.withUnsafeBytes { bytes in
            while start < end {
                let rest = UnsafeRawBufferPointer(rebasing: bytes[start..<end])
                guard let length = try WatchMessage.read(rest, { try row($0, $1, $2, now) }) else { break }
                frames += 1
                start += length
            }
        }
        if start == end {
            (start, end) = (0, 0)
        } else if end > input.count / 2 {
            input.withUnsafeMutableBytes { bytes in
                guard let base = bytes.baseAddress else { return }
                memmove(base, base + start, end - start)
            }
            (start, end) = (0, end - start)
        }
        guard end < input.count else { throw BenchError("a frame is above \(grouped(input.count)) bytes") }
    }
}

/// Viewers who watch their friends, over a few connections.
struct WatchingViewers {
    let listeners: [WatchListener]
    private let crowd: WatchedCrowd
    private let control: Connection

    /// Subscribes to all channels first, then makes the lists: every change from there on is told.
    init(_ crowd: WatchedCrowd, _ address: ServerAddress, connections: Int) throws {
        self.crowd = crowd
        control = try Connection(address)
        listeners = try (0..<connections).map { part in
            let viewers = crowd.viewers * part / connections..<crowd.viewers * (part + 1) / connections
            return try WatchListener(Connection(address), viewers: viewers.map(crowd.viewerName))
        }
        for viewer in 0..<crowd.viewers {
            let friends = (0..<crowd.friends).map { crowd.key(crowd.friend($0, of: viewer)) }
            try control.send(Connection.encoded(["PRESENCE.WATCH", key(viewer)] + friends))
            guard case .array(let parts) = try control.reply(), parts.count == 3, parts[1] == .bulk("snapshot"),
                case .array(let rows) = parts[2], rows.count == friends.count
            else { throw BenchError("PRESENCE.WATCH \(key(viewer)) gave no snapshot of \(friends.count) users") }
        }
    }

    private func key(_ viewer: Int) -> String { Heartbeat.key(crowd.viewerName(viewer)) }

    /// Frames that came.
    var frames: Int { listeners.reduce(0) { $0 + $1.frames } }

    /// Gives the lists up.
    func unwatch() throws {
        try control.load(crowd.viewers, expecting: .integer(crowd.friends)) { ["PRESENCE.UNWATCH", key($0)] }
    }
}

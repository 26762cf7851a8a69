import Foundation

/// Waits for sockets, to the microsecond: `poll` knows only milliseconds, and whoever polls without waiting takes a core from the server.
struct SocketWait {
    private var readable = fd_set()
    private var writable = fd_set()
    private let limit: Int32

    /// - Parameter handles: sockets to be read.
    init(_ handles: [Int32]) throws {
        limit = (handles.max() ?? -1) + 1
        guard limit <= 1_024 else { throw BenchError("too many files are open: a socket has the number \(limit)") }
    }

    /// Waits until a socket can be read, or one that has output can be written, or so long.
    mutating func wait(_ connections: [BatchConnection], nanoseconds: Int64) {
        readable = fd_set()
        writable = fd_set()
        for connection in connections {
            SocketWait.insert(connection.handle, &readable)
            if connection.hasOutput { SocketWait.insert(connection.handle, &writable) }
        }
        go(nanoseconds)
    }

    /// Waits until a socket can be read, or so long.
    mutating func wait(_ handle: Int32, nanoseconds: Int64) { wait([handle], nanoseconds: nanoseconds) }

    /// Waits until one of these sockets can be read, or so long.
    mutating func wait(_ handles: [Int32], nanoseconds: Int64) {
        readable = fd_set()
        writable = fd_set()
        for handle in handles { SocketWait.insert(handle, &readable) }
        go(nanoseconds)
    }

    /// Whether the last wait found something to read.
    func isReadable(_ handle: Int32) -> Bool {
        withUnsafeBytes(of: readable) { $0[Int(handle) / 8] & 1 << UInt8(handle % 8) != 0 }
    }

    private mutating func go(_ nanoseconds: Int64) {
        let microseconds = max(0, nanoseconds) / 1_000
        var time = timeval(tv_sec: Int(microseconds / 1_000_000), tv_usec: Int(microseconds % 1_000_000))
        guard select(limit, &readable, &writable, nil, &time) >= 0 else {
            readable = fd_set()
            return
        }
    }

    /// The bits of a set lie in the order of memory on little-endian machines.
    private static func insert(_ handle: Int32, _ set: inout fd_set) {
        withUnsafeMutableBytes(of: &set) { $0[Int(handle) / 8] |= 1 << UInt8(handle % 8) }
    }
}

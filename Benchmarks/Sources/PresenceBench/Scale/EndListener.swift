import Foundation
import Synchronization

/// The end of a user's last session as a subscriber heard of it: 16 bytes, for there are many.
struct HeardEnd: Sendable {
    var user: UInt32
    /// Milliseconds from the instant that the event names to its arrival.
    var lateness: Int32
    /// The instant that the event names, in epoch milliseconds.
    var instant: Int64
}

/// A subscriber of `user.status.changed`, on a thread of its own, that keeps of each event what is checked afterwards.
final class EndListener: Sendable {
    struct Heard: Sendable {
        var ends: [HeardEnd] = []
        /// Events that are not of an end.
        var others = 0
        fileprivate var failure: (any Error)?
        fileprivate var isOver = false
    }

    /// Guards what was heard; taken alone, once a read.
    private let heard = Mutex(Heard())
    private let isStopping = Atomic(false)

    /// Subscribes, and listens from then on.
    init(port: Int, expecting count: Int) throws {
        let handle = try ServerAddress(port: port).openSocket()
        heard.withLock { $0.ends.reserveCapacity(count) }
        try EndListener.subscribe(handle)
        Thread { [self] in
            let failure = listen(handle)
            close(handle)
            heard.withLock {
                $0.failure = failure
                $0.isOver = true
            }
        }.start()
    }

    /// How many ends were heard of.
    var count: Int { heard.withLock { $0.ends.count } }

    /// Ends listening; what was heard.
    func stop() throws -> Heard {
        isStopping.store(true, ordering: .relaxed)
        while !heard.withLock({ $0.isOver }) { usleep(10_000) }
        let result = heard.withLock { $0 }
        if let failure = result.failure { throw failure }
        return result
    }

    private static func subscribe(_ handle: Int32) throws {
        let command = Connection.encoded(["SUBSCRIBE", StatusChannel.name])
        var bytes = [UInt8](repeating: 0, count: 256)
        let wanted = Array("*3\r\n$9\r\nsubscribe\r\n$19\r\nuser.status.changed\r\n:1\r\n".utf8)
        guard write(handle, command, command.count) == command.count, read(handle, &bytes, 256) == wanted.count,
            bytes.starts(with: wanted)
        else { throw WrongReply(String(decoding: bytes, as: UTF8.self)) }
    }

    /// Reads until it is stopped; returns why it could not go on.
    private func listen(_ handle: Int32) -> (any Error)? {
        var buffer = [UInt8](repeating: 0, count: 1 << 20)
        var end = 0
        do {
            var waiting = try SocketWait([handle])
            while !isStopping.load(ordering: .relaxed) {
                waiting.wait(handle, nanoseconds: 50_000_000)
                guard waiting.isReadable(handle) else { continue }
                let count = buffer.withUnsafeMutableBytes { read(handle, $0.baseAddress! + end, $0.count - end) }
                guard count > 0 else {
                    throw BenchError("the subscriber was closed: it could not read as fast as events came")
                }
                let now = WallClock.milliseconds()
                end += count
                let taken = try buffer.withUnsafeBytes {
                    try take(UnsafeRawBufferPointer(rebasing: $0[..<end]), at: now)
                }
                buffer.withUnsafeMutableBytes { bytes in
                    _ = memmove(bytes.baseAddress!, bytes.baseAddress! + taken, end - taken)
                }
                end -= taken
            }
            return nil
        } catch {
            return error
        }
    }

    /// Takes the messages that are whole; returns their bytes.
    private func take(_ bytes: UnsafeRawBufferPointer, at now: Int64) throws -> Int {
        try heard.withLock { heard in
            var start = 0
            while let (event, length) = try StatusEvent.read(UnsafeRawBufferPointer(rebasing: bytes[start...])) {
                start += length
                guard event.isOffline else {
                    heard.others += 1
                    continue
                }
                heard.ends.append(
                    HeardEnd(
                        user: UInt32(event.user), lateness: Int32(clamping: now - event.instant), instant: event.instant
                    ))
            }
            return start
        }
    }
}

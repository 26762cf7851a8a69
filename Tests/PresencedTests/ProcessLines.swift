import Foundation
import Glibc

/// The lines that come from a descriptor, such as a process's output, each waited for with a bound. Line ends are `\n` and `\r\n`.
final class ProcessLines {
    private let descriptor: Int32
    private var bytes: [UInt8] = []

    init(_ descriptor: Int32) { self.descriptor = descriptor }

    /// The next line; nil at the end, or if none comes in time.
    func next(withinSeconds seconds: Int) -> String? {
        let deadline = ContinuousClock.now + .seconds(seconds)
        while true {
            if let end = bytes.firstIndex(of: UInt8(ascii: "\n")) {
                defer { bytes.removeFirst(end + 1) }
                return String(decoding: bytes[..<end], as: UTF8.self).trimmingCharacters(in: .controlCharacters)
            }
            let left = (deadline - ContinuousClock.now) / .milliseconds(1)
            var waiting = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
            guard left > 0, poll(&waiting, 1, Int32(left) + 1) > 0 else { return nil }
            var piece = [UInt8](repeating: 0, count: 4_096)
            let count = read(descriptor, &piece, piece.count)
            guard count > 0 else { return nil }
            bytes += piece[..<count]
        }
    }

    /// The next line that begins so; nil if none comes in time.
    func next(beginning start: String, withinSeconds seconds: Int) -> String? {
        let deadline = ContinuousClock.now + .seconds(seconds)
        while ContinuousClock.now < deadline {
            guard let line = next(withinSeconds: seconds) else { return nil }
            if line.hasPrefix(start) { return line }
        }
        return nil
    }
}

import Presence

/// An event of `user.status.changed` about a numbered user, as far as these measurements need it.
struct StatusEvent {
    var user: Int
    var isOffline: Bool
    /// The instant that the event names, in epoch milliseconds.
    var instant: Int64

    private static let frame = Array(
        "*3\r\n$7\r\nmessage\r\n$\(StatusChannel.name.utf8.count)\r\n\(StatusChannel.name)\r\n$".utf8)
    private static let opening = Array("{\"userId\":\"".utf8)
    private static let status = Array("\",\"status\":\"".utf8)
    private static let offline = Array("offline\"".utf8)
    private static let timestamp = Array("\"timestamp\":\"".utf8)
    private static let timestampLength = 24

    /// Reads one message from the beginning of `bytes`; nil if it is not whole yet.
    ///
    /// The payload is read by the places of its fields, which the server always writes in the same order: the rest is not looked at.
    static func read(_ bytes: UnsafeRawBufferPointer) throws -> (event: StatusEvent, length: Int)? {
        guard bytes.count > frame.count else { return nil }
        guard bytes.prefix(frame.count).elementsEqual(frame) else { throw wrong(bytes) }
        var place = frame.count
        var count = 0
        while place < bytes.count, bytes[place] != 13 {
            guard (48...57).contains(bytes[place]) else { throw wrong(bytes) }
            count = count * 10 + Int(bytes[place]) - 48
            place += 1
        }
        let begin = place + 2
        guard begin + count + 2 <= bytes.count else { return nil }
        let payload = UnsafeRawBufferPointer(rebasing: bytes[begin..<begin + count])
        guard let event = StatusEvent(payload) else { throw wrong(payload) }
        return (event, begin + count + 2)
    }

    private static func wrong(_ bytes: UnsafeRawBufferPointer) -> WrongReply {
        WrongReply(String(decoding: bytes.prefix(200), as: UTF8.self))
    }

    private init?(_ payload: UnsafeRawBufferPointer) {
        let userPlace = StatusEvent.opening.count
        let statusPlace = userPlace + NumberedUser.userLength
        let wordPlace = statusPlace + StatusEvent.status.count
        guard payload.count > 200, payload.starts(with: StatusEvent.opening),
            payload[statusPlace...].starts(with: StatusEvent.status),
            let address = payload.baseAddress, let number = NumberedUser.number(at: address + userPlace),
            let stamp = StatusEvent.find(StatusEvent.timestamp, in: payload, from: wordPlace),
            stamp + StatusEvent.timestampLength <= payload.count
        else { return nil }
        let text = (0..<StatusEvent.timestampLength).map { payload[stamp + $0] }
        guard let instant = Timestamp(iso8601: text.span) else { return nil }
        user = number
        isOffline = payload[wordPlace...].starts(with: StatusEvent.offline)
        self.instant = instant.milliseconds
    }

    /// Where a text ends.
    private static func find(_ text: [UInt8], in bytes: UnsafeRawBufferPointer, from start: Int) -> Int? {
        var place = start
        while place + text.count <= bytes.count {
            if bytes[place] == text[0], bytes[place + 3] == text[3], bytes[place...].starts(with: text) {
                return place + text.count
            }
            place += 1
        }
        return nil
    }
}

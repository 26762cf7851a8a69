import Foundation

/// A frame of a viewer's list as a subscriber of its channel gets it, in RESP2.
enum WatchMessage {
    static let channelPrefix = "presence.watch:"
    private static let nameLength = 12
    private static let head = Array(
        "*3\r\n$7\r\nmessage\r\n$\(channelPrefix.utf8.count + nameLength)\r\n\(channelPrefix)".utf8)
    private static let opening = Array("{\"cursor\":\"".utf8)
    private static let rowsOpening = Array(",\"rows\":[".utf8)

    /// Reads one message from the begin of `bytes`, and calls `row` with the viewer, the user, both by number, and the bytes of the status of each row.
    ///
    /// The payload is read by the places of its fields, which the server always writes in the same order.
    ///
    /// - Returns: the bytes of the message; nil if it is not whole yet.
    static func read(
        _ bytes: UnsafeRawBufferPointer, _ row: (Int, Int, UnsafeRawBufferPointer) throws -> Void
    ) throws -> Int? {
        let nameEnd = head.count + nameLength
        guard bytes.count > nameEnd + 3 else { return nil }
        guard bytes.starts(with: head), let viewer = number(bytes, head.count), bytes[nameEnd + 2] == dollar else {
            throw wrong(bytes)
        }
        var place = nameEnd + 3
        var count = 0
        while place < bytes.count, bytes[place] != 13 {
            guard (48...57).contains(bytes[place]), count < 1 << 40 else { throw wrong(bytes) }
            count = count * 10 + Int(bytes[place]) - 48
            place += 1
        }
        let end = place + 2 + count + 2
        guard end <= bytes.count else { return nil }
        try readRows(UnsafeRawBufferPointer(rebasing: bytes[place + 2..<end - 2])) { try row(viewer, $0, $1) }
        return end
    }

    private static func readRows(
        _ payload: UnsafeRawBufferPointer, _ row: (Int, UnsafeRawBufferPointer) throws -> Void
    ) throws {
        guard payload.starts(with: opening), let cursorEnd = find(quote, payload, from: opening.count),
            payload[(cursorEnd + 1)...].starts(with: rowsOpening)
        else { throw wrong(payload) }
        var place = cursorEnd + 1 + rowsOpening.count
        while place < payload.count, payload[place] == UInt8(ascii: "[") {
            // ["<user>","<status>",...]
            let statusBegin = place + 2 + nameLength + 3
            guard statusBegin < payload.count, let user = number(payload, place + 2),
                let statusEnd = find(quote, payload, from: statusBegin),
                let end = find(UInt8(ascii: "]"), payload, from: statusEnd)
            else { throw wrong(payload) }
            try row(user, UnsafeRawBufferPointer(rebasing: payload[statusBegin..<statusEnd]))
            place = end + 1
            if place < payload.count, payload[place] == UInt8(ascii: ",") { place += 1 }
        }
        guard place + 2 == payload.count, payload[place] == UInt8(ascii: "]") else { throw wrong(payload) }
    }

    private static let dollar = UInt8(ascii: "$")
    private static let quote = UInt8(ascii: "\"")

    /// The number that a name of twelve digits is; nil if it is none.
    private static func number(_ bytes: UnsafeRawBufferPointer, _ begin: Int) -> Int? {
        guard begin + nameLength <= bytes.count else { return nil }
        var number = 0
        for place in begin..<begin + nameLength {
            guard (48...57).contains(bytes[place]) else { return nil }
            number = number * 10 + Int(bytes[place]) - 48
        }
        return number
    }

    private static func find(_ byte: UInt8, _ bytes: UnsafeRawBufferPointer, from begin: Int) -> Int? {
        var place = begin
        while place < bytes.count {
            if bytes[place] == byte { return place }
            place += 1
        }
        return nil
    }

    private static func wrong(_ bytes: UnsafeRawBufferPointer) -> BenchError {
        BenchError("not a frame: \(String(decoding: bytes.prefix(160), as: UTF8.self).debugDescription)")
    }
}

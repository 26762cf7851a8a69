import Presence
import PresenceRESP
import PresenceStore

/// Which keys are users: those with the prefix, and only those.
extension ServerLoop {
    /// Batches of at most so many keys keep their table for the next one.
    static let retainedRanges = 4096

    /// Whether `key` begins with the prefix of presences.
    @inline(__always)
    func isPresence(_ bytes: Span<UInt8>, _ key: Range<Int>) -> Bool {
        keyPrefix.begins(key, of: bytes)
    }

    /// The kind of `key` and the part of it that the store knows.
    @inline(__always)
    func locate(_ bytes: Span<UInt8>, _ key: Range<Int>) -> (kind: KeyKind, name: Range<Int>) {
        isPresence(bytes, key) ? (.presence, key.lowerBound &+ keyPrefix.count..<key.upperBound) : (.string, key)
    }

    /// The id of the user that `key` names, or nil and an error that tells what a key must begin with.
    @inline(__always)
    func user(_ bytes: Span<UInt8>, _ key: Range<Int>, _ reply: inout ReplyBuffer) -> Range<Int>? {
        guard isPresence(bytes, key) else {
            refuse(bytes, key, &reply)
            return nil
        }
        return key.lowerBound &+ keyPrefix.count..<key.upperBound
    }

    @inline(never)
    private func refuse(_ bytes: Span<UInt8>, _ key: Range<Int>, _ reply: inout ReplyBuffer) {
        let prefix = String(decoding: keyPrefix.bytes, as: UTF8.self)
        let shown = Text.string(bytes, key, limit: 64)
        reply.error("ERR a user is named by his full key: '\(shown)' does not begin with '\(prefix)' (key-prefix)")
    }
}

/// Lifetimes as commands give them: `EX` in seconds, `PX` in milliseconds, `EXAT` and `PXAT` as instants.
enum Lifetimes {
    /// How a number tells a lifetime.
    enum Unit {
        case seconds, milliseconds, unixSeconds, unixMilliseconds
    }

    /// The end of a lifetime above 0, or nil and Redis's error. It may have passed already if it was given as an instant.
    static func end(
        _ bytes: Span<UInt8>, _ range: Range<Int>, _ unit: Unit, after now: Timestamp, command: StaticString,
        _ reply: inout ReplyBuffer
    ) -> Timestamp? {
        let isSeconds = unit == .seconds || unit == .unixSeconds
        guard let number = milliseconds(bytes, range, isSeconds: isSeconds, command: command, &reply) else {
            return nil
        }
        if unit == .unixSeconds || unit == .unixMilliseconds { return instant(number) }
        guard number <= Int64.max - now.milliseconds else {
            reply.error("ERR invalid expire time in '\(command)' command")
            return nil
        }
        return instant(now.milliseconds + number)
    }

    /// The instant so many milliseconds after 1970. The last of all stands for no end; a key that is to end then ends a millisecond earlier.
    static func instant(_ milliseconds: Int64) -> Timestamp {
        min(Timestamp(milliseconds: milliseconds), Timestamp.distantFuture.advanced(byMilliseconds: -1))
    }

    /// The milliseconds of a lifetime above 0, or nil and Redis's error.
    static func milliseconds(
        _ bytes: Span<UInt8>, _ range: Range<Int>, isSeconds: Bool, command: StaticString, _ reply: inout ReplyBuffer
    ) -> Int64? {
        guard let number = Numbers.integer(bytes, range) else {
            reply.error("ERR value is not an integer or out of range")
            return nil
        }
        guard number > 0, !isSeconds || number <= Int64.max / 1000 else {
            reply.error("ERR invalid expire time in '\(command)' command")
            return nil
        }
        return isSeconds ? number * 1000 : number
    }
}

import Presence
import PresenceRESP
import PresenceStore

/// What the options of `SET` and `GETEX` ask for.
struct StringOptions {
    /// Whose options they are: `SET` knows conditions, `GETEX` knows PERSIST.
    enum Command {
        case set, getEX
    }

    var condition = StringSetOptions.Condition.always
    var returnsOld = false
    var keepsTTL = false
    var persists = false
    /// Whether what is there decides what is written, or is answered.
    var readsFirst: Bool { returnsOld || condition != .always }
    /// The number that tells the lifetime, not read yet, and what it counts.
    var lifetime: (number: Range<Int>, unit: Lifetimes.Unit)?
    /// The first instant at which the value is gone; nil without a lifetime. ``takeEnd(_:after:_:_:)`` finds it.
    var end: Timestamp?

    /// Reads the options from argument `first` on; false, and the error written, if they are not Redis's.
    mutating func parse(
        _ command: Command, from first: Int, _ request: borrowing RequestReader, _ bytes: Span<UInt8>,
        _ reply: inout ReplyBuffer
    ) -> Bool {
        var index = first
        while index < request.argumentCount {
            let option = Word(bytes, request.argument(index))
            if let unit = StringOptions.unit(option), index + 1 < request.argumentCount, admits(unit) {
                lifetime = (request.argument(index + 1), unit)
                index += 2
                continue
            }
            switch option {
            case "NX" where command == .set && condition != .ifPresent: condition = .ifAbsent
            case "XX" where command == .set && condition != .ifAbsent: condition = .ifPresent
            case "GET" where command == .set: returnsOld = true
            case "KEEPTTL" where command == .set && lifetime == nil: keepsTTL = true
            case "PERSIST" where command == .getEX && lifetime == nil: persists = true
            default:
                reply.error("ERR syntax error")
                return false
            }
            index += 1
        }
        return true
    }

    /// What the number behind this option counts; nil if it is no lifetime.
    private static func unit(_ option: Word) -> Lifetimes.Unit? {
        switch option {
        case "EX": .seconds
        case "PX": .milliseconds
        case "EXAT": .unixSeconds
        case "PXAT": .unixMilliseconds
        default: nil
        }
    }

    /// Whether a lifetime of this unit may stand here. As in Redis, of two of the same unit the last one counts.
    private func admits(_ unit: Lifetimes.Unit) -> Bool {
        !keepsTTL && !persists && (lifetime == nil || lifetime?.unit == unit)
    }

    /// Reads the number of the lifetime, if there is one; false, and the error written, if it is none that Redis takes.
    mutating func takeEnd(
        _ command: StaticString, after now: Timestamp, _ bytes: Span<UInt8>, _ reply: inout ReplyBuffer
    ) -> Bool {
        guard let lifetime else { return true }
        end = Lifetimes.end(bytes, lifetime.number, lifetime.unit, after: now, command: command, &reply)
        return end != nil
    }
}

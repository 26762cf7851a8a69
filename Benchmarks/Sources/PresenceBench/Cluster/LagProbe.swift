import Foundation

/// From a write at one server to the moment when another one shows it, one write at a time.
///
/// ```
///  write sent     acknowledged                seen elsewhere
///      |---------------|---------------------------|
///      |   the other one is asked again and again  |
/// ```
struct LagProbe {
    /// A write, and what the other server answers once it has it.
    struct Question {
        var write: [String]
        var written: Reply
        var read: [String]
        var shown: Reply
    }

    /// Milliseconds.
    struct Outcome: Sendable {
        /// From the sending of a write until another server shows it.
        var lag = Sample()
        /// From its sending to its answer.
        var own = Sample()
    }

    /// Milliseconds between two writes on average; and how long one may take to be seen.
    private static let pause = 4.0
    private static let patience = 20.0
    /// Microseconds between an answer that shows the old and the next question.
    private static let rest: UInt32 = 20

    let writer: Connection
    let reader: Connection

    /// Probes for so many seconds; throws if a write is not seen within 20 s.
    func run(seconds: Double, _ question: (Int) -> Question) throws -> Outcome {
        var outcome = Outcome()
        var waiting = try SocketWait([writer.handle, reader.handle])
        let end = MonotonicClock.nanoseconds() + Int64(seconds * 1e9)
        var number = 0
        while MonotonicClock.nanoseconds() < end {
            try ask(question(number), &waiting, &outcome)
            number += 1
            // Not in step with what comes at intervals.
            usleep(UInt32(Double.random(in: 0.5...1.5) * LagProbe.pause * 1_000))
        }
        return outcome
    }

    private func ask(_ question: Question, _ waiting: inout SocketWait, _ outcome: inout Outcome) throws {
        let write = Connection.encoded(question.write)
        let read = Connection.encoded(question.read)
        let began = MonotonicClock.nanoseconds()
        let passed = { Double(MonotonicClock.nanoseconds() - began) / 1e6 }
        try writer.send(write)
        try reader.send(read)
        var isSeen = false
        var isWritten = false
        while !(isSeen && isWritten) {
            waiting.wait(
                (isWritten ? [] : [writer.handle]) + (isSeen ? [] : [reader.handle]), nanoseconds: 1_000_000_000)
            if !isWritten, waiting.isReadable(writer.handle) {
                outcome.own.add(passed())
                isWritten = true
                let answer = try writer.reply()
                guard answer == question.written else { throw BenchError("\(question.write) answered \(answer)") }
            }
            if !isSeen, waiting.isReadable(reader.handle) {
                if try reader.reply() == question.shown {
                    outcome.lag.add(passed())
                    isSeen = true
                } else {
                    usleep(LagProbe.rest)
                    try reader.send(read)
                }
            }
            guard passed() < LagProbe.patience * 1_000 else {
                throw BenchError("\(question.write.joined(separator: " ")) was not seen elsewhere in 20 s")
            }
        }
    }
}

extension LagProbe {
    static let user = "presence:user:probe"

    /// A status, alternately.
    static func status(_ number: Int) -> Question {
        let status = number.isMultiple(of: 2) ? "dnd" : "away"
        return Question(
            write: ["PRESENCE.SET", user, "STATUS", status], written: .simple("OK"), read: ["PRESENCE.MGET", user],
            shown: .array([.bulk(status)]))
    }

    /// A string, each time another one.
    static func string(_ number: Int) -> Question {
        Question(
            write: ["SET", "probe", "value \(number)"], written: .simple("OK"), read: ["GET", "probe"],
            shown: .bulk("value \(number)"))
    }
}

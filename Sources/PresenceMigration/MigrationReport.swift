import Presence

/// The words for how far a migration is, and for what it did.
struct MigrationReport: Sendable {
    /// What is being done.
    enum Phase: Sendable {
        case copying
        case following
    }

    /// Keys in the source's database, as it said when copying began: other keys too.
    var total = 0
    private var last: (at: Timestamp, written: Int)?
    private var perSecond = 0

    init() {}

    /// One line that says how far it is.
    mutating func progress(_ phase: Phase, _ counts: MigrationCounts, scanned: Int, waiting: Int, at now: Timestamp)
        -> String
    {
        measure(counts.written, at: now)
        let others = counts.bad + counts.refused + counts.offline + counts.otherKinds.values.reduce(0, +)
        switch phase {
        case .copying:
            return "copying: \(scanned) keys looked at (\(total) in the database), \(counts.written) written, "
                + "\(others) not to be written, \(perSecond) a second"
        case .following:
            return "following: \(counts.changes) changes heard of, \(waiting) waiting, \(counts.written) written, "
                + "\(counts.ended) ended, \(perSecond) a second"
        }
    }

    /// What was done, for the end.
    static func summary(_ counts: MigrationCounts, wasFollowing: Bool) -> [String] {
        var lines = [
            "\(counts.written) records written (\(counts.json) JSON, \(counts.hashes) hashes, \(counts.words) bare words), "
                + "\(counts.keys) keys looked at"
        ]
        func line(_ count: Int, _ text: String) {
            if count > 0 { lines.append("\(count) \(text)") }
        }
        if wasFollowing { lines.append("\(counts.changes) changes heard of, \(counts.ended) sessions ended") }
        line(
            counts.withoutTTL,
            "had no TTL: they got the target's session-ttl, and end with it unless they are written again")
        line(counts.shortened, "had a TTL above the target's heartbeat-hard-limit: they got that")
        line(counts.offline, "say offline: there is no session to copy")
        line(counts.gone, "were gone when they were read")
        line(counts.droppedFields, "fields are none that a record keeps: they were dropped")
        for (kind, count) in counts.otherKinds.sorted(by: { $0.key < $1.key }) {
            line(
                count,
                "keys are of type \(kind), which holds no presence record: docs/porting.md has what replaces them")
        }
        line(counts.bad, "keys hold no presence record:")
        lines += counts.badExamples.map { "    \(spell($0.key)): \($0.why)" }
        line(counts.refused, "records were refused by the target:")
        lines += counts.refusedExamples.map { "    \(spell($0.key)): \($0.why)" }
        line(counts.losses, "times a connection was lost, and everything was read again")
        line(counts.overflows, "times more keys changed than can wait, and everything was read again")
        return lines
    }

    /// A key for people: what cannot be shown, and what would confuse a terminal, as `\x00`.
    static func spell(_ key: [UInt8]) -> String {
        let shown = key.prefix(80)
        var text = ""
        for byte in shown {
            if (0x21...0x7E).contains(byte), byte != UInt8(ascii: "\\") {
                text.unicodeScalars.append(Unicode.Scalar(byte))
            } else {
                let digits = String(byte, radix: 16)
                text += "\\x" + (digits.count == 1 ? "0" : "") + digits
            }
        }
        return text + (shown.count < key.count ? "..." : "")
    }

    /// Keys a second over the last while.
    private mutating func measure(_ written: Int, at now: Timestamp) {
        guard let before = last else {
            last = (now, written)
            return
        }
        let passed = now.milliseconds(since: before.at)
        guard passed >= 1_000 else { return }
        perSecond = Int(Int64(written - before.written) * 1_000 / passed)
        last = (now, written)
    }
}

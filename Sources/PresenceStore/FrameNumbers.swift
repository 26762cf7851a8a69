/// The numbers of one list's frames, which its rows and its cursors keep.
///
/// A cursor is a number. Whoever holds it knows of those for whom he was given it what they were in all rows with no greater number; so a row that changes
/// gets one that is greater than that of every cursor which was, or is being, given to somebody who saw it before. Replies and frames are made in parts, and
/// two at once: each takes a number of its own, and another one once somebody else began or took one in between.
struct FrameNumbers: Sendable {
    /// What one reply or frame took so far.
    struct Turn: Sendable {
        /// The newest number when it began.
        fileprivate(set) var base: UInt32
        /// The last number that it took.
        fileprivate(set) var own: UInt32?
        /// Whether nobody else took a number since it began.
        fileprivate var isAlone = true
        fileprivate var count: UInt64
        fileprivate(set) var series: UInt64
    }

    /// Names the list, and the run of its numbers, in cursors.
    private(set) var series: UInt64
    /// What cursors of the series begin with: every frame has one.
    private var prefix: String
    /// The newest number; 0 if none was given yet.
    private(set) var newest: UInt32
    /// Replies that began, and numbers that were taken.
    private var count: UInt64 = 0

    init(newest: UInt32 = 0) {
        self.newest = newest
        series = .random(in: 1 ... .max)
        prefix = FrameNumbers.prefix(of: series)
    }

    private static func prefix(of series: UInt64) -> String { String(series, radix: 16) + "-" }

    /// Begins a reply.
    mutating func begin() -> Turn {
        count += 1
        return beginFrame()
    }

    /// Begins a frame. It is none before it takes a number: who looks in vain at those who are hidden leaves no trace in the cursors of replies. What these tell meanwhile it
    /// owes (`WatchRows.owe`), and its cursor does not speak of that.
    func beginFrame() -> Turn { Turn(base: newest, own: nil, count: count, series: series) }

    /// The number of a row that changes. Nil if there are no more: then ``renew()`` must be called first.
    mutating func number(_ turn: inout Turn) -> UInt32? {
        if turn.count == count, let own = turn.own { return own }
        guard newest < .max else { return nil }
        if turn.count != count { turn.isAlone = false }
        newest += 1
        count += 1
        turn.count = count
        turn.own = newest
        return newest
    }

    /// The number up to which a reply knows its rows: if others took some meanwhile, what it told last is told once more after it.
    func covered(by turn: Turn) -> UInt32 {
        turn.isAlone && turn.count == count ? turn.own ?? turn.base : turn.base
    }

    /// Begins numbers anew: all rows must get the first one, which is returned. Cursors of before are of no use any more.
    mutating func renew() -> UInt32 {
        series = .random(in: 1 ... .max)
        prefix = FrameNumbers.prefix(of: series)
        newest = 1
        count += 1
        return newest
    }

    // MARK: Cursors

    /// What a client gives back to go on from a number.
    func cursor(_ number: UInt32, of series: UInt64) -> String {
        (series == self.series ? prefix : FrameNumbers.prefix(of: series)) + String(number)
    }

    /// The number that a cursor of this list names; nil if it is none of this list's.
    func number(_ cursor: Span<UInt8>) -> UInt32? {
        // No number has more digits than the newest.
        guard cursor.count <= self.cursor(newest, of: series).utf8.count else { return nil }
        var text = ""
        for index in cursor.indices { text.unicodeScalars.append(Unicode.Scalar(cursor[index])) }
        let parts = text.split(separator: "-", omittingEmptySubsequences: false)
        guard parts.count == 2, let number = UInt32(parts[1]), number <= newest,
            self.cursor(number, of: series) == text
        else { return nil }
        return number
    }
}

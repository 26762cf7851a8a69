/// When each batch of users beat last: times are kept by batch, not by user.
struct BeatLedger {
    /// From before a batch was sent to after it was answered, in epoch milliseconds: the server took it in between.
    struct Moment: Sendable {
        var sent: Int64
        var answered: Int64
    }

    static let batchSize = 500

    /// The users in the order in which they beat.
    let order: Shuffle?
    let users: Int
    private(set) var moments: [Moment]
    /// How many users of each batch, the first ones, do not beat any more.
    private var gone: [UInt16]
    /// The last heartbeat of those who do not.
    private(set) var leavers: [UInt32: Moment] = [:]
    /// The longest time between two beats of a batch, in milliseconds.
    var longestGap: Int64 = 0

    /// - Parameter order: nil for that of the numbers.
    init(users: Int, order: Shuffle?, lastBeat: Moment) {
        self.users = users
        self.order = order
        let batches = (users + BeatLedger.batchSize - 1) / BeatLedger.batchSize
        moments = Array(repeating: lastBeat, count: batches)
        gone = Array(repeating: 0, count: batches)
    }

    var batches: Int { moments.count }

    /// The users of a batch who beat: the first place and how many.
    func places(of batch: Int) -> (first: Int, count: Int) {
        let first = batch * BeatLedger.batchSize
        let end = min(users, first + BeatLedger.batchSize)
        let begin = first + Int(gone[batch])
        return (begin, end - begin)
    }

    @inline(__always)
    func user(at place: Int) -> Int { order.map { $0[place] } ?? place }

    /// Some users of a batch will not beat any more; at least one stays. Returns how many do not.
    mutating func leave(_ count: Int, of batch: Int) -> Int {
        let (first, beating) = places(of: batch)
        let leaving = min(count, beating - 1)
        for place in first..<first + leaving { leavers[UInt32(user(at: place))] = moments[batch] }
        gone[batch] += UInt16(leaving)
        return leaving
    }

    mutating func send(_ batch: Int, at now: Int64) {
        longestGap = max(longestGap, now - moments[batch].sent)
        moments[batch].sent = now
        moments[batch].answered = .max
    }

    mutating func answer(_ batch: Int, at now: Int64) { moments[batch].answered = now }
}

/// Holds what was heard and what was read against when everybody beat last.
struct HeldCheck {
    private let leavers: [UInt32: BeatLedger.Moment]
    private let ttl: Int64
    /// Announced offline, though he went on beating.
    private(set) var falseEnds: [Int] = []
    /// Announced more than once, or with an instant that no heartbeat of his explains.
    private(set) var strangeEnds: [Int] = []
    /// Who stopped and was not announced.
    private(set) var missing = 0
    private(set) var announced = 0
    /// Milliseconds from the instant of the end to its arrival.
    private(set) var lateness = Sample()
    /// Statuses on friends lists that were wrong when they were read.
    private(set) var wrongStatuses = 0

    init(_ leavers: [UInt32: BeatLedger.Moment], ttl: Int, _ heard: EndListener.Heard) {
        self.leavers = leavers
        self.ttl = Int64(ttl) * 1_000
        var waiting = leavers
        for end in heard.ends {
            lateness.add(Double(end.lateness))
            guard let last = leavers[end.user] else {
                falseEnds.append(Int(end.user))
                continue
            }
            let beat = end.instant - self.ttl
            let isKnown = waiting.removeValue(forKey: end.user) != nil
            // Each side reads a clock of whole milliseconds.
            if !isKnown || beat < last.sent - 1 || beat > last.answered + 1 { strangeEnds.append(Int(end.user)) }
        }
        missing = waiting.count
        announced = leavers.count - missing
    }

    /// Who stopped is online until his session ends, and offline from then on; all others are online.
    mutating func check(_ answers: [Probe.Answer], of lists: FriendsLists) {
        for (index, answer) in answers.enumerated() {
            let offline = Set(answer.offline.map(Int.init))
            for place in 0..<FriendsLists.length {
                let user = lists.user(index, place)
                guard let last = leavers[UInt32(user)] else {
                    if offline.contains(place) { wrongStatuses += 1 }
                    continue
                }
                let isTooEarly = answer.receivedAt < last.sent + ttl - 1
                let isTooLate = answer.sentAt > last.answered + ttl + 1
                if offline.contains(place) ? isTooEarly : isTooLate { wrongStatuses += 1 }
            }
        }
    }

    /// What must not have happened, if it did.
    var failure: BenchError? {
        if !falseEnds.isEmpty {
            let names = falseEnds.prefix(3).map(NumberedUser.user).joined(separator: ", ")
            return BenchError("\(falseEnds.count) were announced offline though they beat: \(names)")
        }
        guard wrongStatuses + strangeEnds.count > 0 else { return nil }
        return BenchError(
            "\(wrongStatuses) wrong statuses on lists, \(strangeEnds.count) events twice or at a wrong instant")
    }
}

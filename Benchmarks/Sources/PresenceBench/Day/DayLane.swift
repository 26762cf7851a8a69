import PresenceTesting

/// What one connection sends in a day: the lives of the users whom it alone speaks of, so that every reply of theirs is known beforehand.
///
/// The same operations in every run and on every server. About 9 bytes a user; an operation costs the same however many there are.
struct DayLane {
    /// Its users are `first`, `first + step` and so on.
    private let first: Int
    private let step: Int
    private let count: Int
    /// Commands of this lane's day.
    private let length: Int
    private var done = 0
    private var end = 0
    private var random: SeededRandom
    /// Places (0..<count) of those who are there, and of those who may come. Who was lost is in neither.
    private var online: [UInt32] = []
    private var offline: [UInt32]
    private var statuses: [DayOperation.Status]
    /// How many of its operations are announced to those who watch.
    private(set) var changes = 0

    /// - Parameters:
    ///   - number: which lane it is of how many (`lanes`): each has a part of all users.
    ///   - length: commands of the whole day, of all lanes.
    init(_ number: Int, of lanes: Int, users: Int, length: Int) {
        first = number
        step = lanes
        count = (users - number + lanes - 1) / lanes
        self.length = length * count / users
        random = SeededRandom(seed: UInt64(number + 1))
        offline = (0..<UInt32(count)).shuffled(using: &random)
        statuses = Array(repeating: .online, count: count)
    }

    /// How many of its users are there.
    var onlineCount: Int { online.count }

    /// The next phase begins; the one before must be over.
    mutating func begin(_ phase: DayCourse.Phase) { end = Int(phase.end * Double(length)) }

    /// Whether all of the phase has been sent; at the end of the day everybody has gone.
    var isOver: Bool { done >= end && (end < length || online.isEmpty) }

    /// The next command; nil if the phase is over.
    mutating func next() -> DayOperation? {
        guard !isOver else { return nil }
        let fraction = min(1, Double(done) / Double(length))
        done += 1
        let wanted = Int((DayCourse.online(at: fraction) * Double(count)).rounded())
        let operation = next(wanted, DayCourse.shares(at: fraction))
        if operation.kind.isAnnounced { changes += 1 }
        return operation
    }

    private mutating func next(_ wanted: Int, _ shares: DayCourse.Shares) -> DayOperation {
        if online.count > wanted { return leave() }
        if online.count < wanted, let place = offline.popLast() {
            online.append(place)
            return operation(.connect, place)
        }
        var dice = Int.random(in: 0..<DayCourse.Shares.whole, using: &random)
        func falls(_ share: Int) -> Bool {
            dice -= share
            return dice < 0
        }
        guard !online.isEmpty, !falls(shares.lists) else {
            return operation(.list, UInt32.random(in: 0..<UInt32(count), using: &random))
        }
        if falls(shares.ends) { return leave() }
        let place = online[Int.random(in: 0..<online.count, using: &random)]
        if falls(shares.beats) { return operation(.beat, place) }
        if falls(shares.active) { return operation(.active, place) }
        if falls(shares.records) { return operation(.record, place) }
        statuses[Int(place)] = statuses[Int(place)].next
        return operation(.change, place)
    }

    /// Somebody says goodbye, or is lost.
    private mutating func leave() -> DayOperation {
        let index = Int.random(in: 0..<online.count, using: &random)
        online.swapAt(index, online.count - 1)
        let place = online.removeLast()
        guard Int.random(in: 0..<DayCourse.endsALoss, using: &random) > 0 else { return operation(.loss, place) }
        // Not the one who comes next: anyone.
        offline.append(place)
        offline.swapAt(Int.random(in: 0..<offline.count, using: &random), offline.count - 1)
        return operation(.goodbye, place)
    }

    private func operation(_ kind: DayOperation.Kind, _ place: UInt32) -> DayOperation {
        DayOperation(kind, first + Int(place) * step, statuses[Int(place)])
    }
}

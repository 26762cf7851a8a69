import Presence

/// One viewer's list of users, and what he was told of each last.
///
/// A watch is a level: its rows hold what was sent, its mailbox which of them must be looked at again. Whoever drains it asks what the viewer may see
/// now and sends what differs, so order, coalescing and privacy follow, and a slow reader loses nothing but states in between.
public final class Watch: Sendable {
    /// The viewer's id.
    public let viewer: [UInt8]
    let viewerHash: UInt64
    /// Its number among all lists that there are now; a later one may get it once this one is given up.
    public let number: UInt32
    /// Called on any thread when the first row must be looked at again since the last drain. Must return at once.
    private let wake: @Sendable (Watch) -> Void
    let state = Lock(WatchRows())

    init(viewer: [UInt8], viewerHash: UInt64, number: UInt32, wake: @escaping @Sendable (Watch) -> Void) {
        self.viewer = viewer
        self.viewerHash = viewerHash
        self.number = number
        self.wake = wake
    }

    /// How many users it lists.
    public var count: Int { state.withLock { $0.count } }

    /// The bytes of its rows and of what finds them.
    public var byteCount: Int { state.withLock { $0.byteCount } }

    /// Whether the list was given up.
    package var hasEnded: Bool { state.withLock { $0.isEnded } }

    /// Its marks are left where they are, since nobody would hear of them: the next one wakes it all the same, also one of a row that has one.
    package func rest() { state.withLock { $0.isResting = true } }

    /// There is something to take a frame of.
    func wakeUp() { wake(self) }

    /// The row must be looked at again.
    func mark(row: UInt32) {
        if state.withLock({ $0.mark(row) }) { wake(self) }
    }

    /// The row of a user must be looked at again, if he is listed.
    func mark(userHash: UInt64) {
        let isFirst = state.withLock { rows in
            guard let row = rows.row(of: userHash) else { return false }
            return rows.mark(row)
        }
        if isFirst { wake(self) }
    }
}

/// The rows of a watch. A row keeps its number while it lives, since the lists of watchers name it.
struct WatchRows: Sendable {
    /// 24 bytes a user: whom it is about, and what was sent of him last.
    struct Row: Sendable {
        var userHash: UInt64
        /// His watcher's node in the shard; 0 for a row that is free, whose `frame` is the next free one.
        var node: UInt32
        /// The frame in which he was sent last.
        var frame: UInt32
        /// The text that was sent.
        var text = WatchText.none
        var status: Status
        /// Whether he is marked, and whether a reply told of a change that those who listen have not heard yet.
        private var marks: UInt8 = 0

        init(userHash: UInt64, node: UInt32) {
            self.userHash = userHash
            self.node = node
            frame = 0
            status = .offline
        }

        var isMarked: Bool {
            get { marks & 1 != 0 }
            set { marks = newValue ? marks | 1 : marks & ~1 }
        }

        var isOwed: Bool {
            get { marks & 2 != 0 }
            set { marks = newValue ? marks | 2 : marks & ~2 }
        }
    }

    private static let none = UInt32.max

    private(set) var rows: [Row] = []
    /// Rows by hash, open addressed, at most three quarters full.
    private var index: [UInt32] = []
    /// Whether the viewer ever took a user off the list: who listens may have been told something of one who is put on it again.
    var hasRemoved = false
    private var firstFree = WatchRows.none
    private(set) var count = 0
    /// Rows to be looked at, and how many of them were taken.
    private var marked: [UInt32] = []
    private var taken = 0
    /// Whether those that were not taken lie in ascending order.
    private var isInOrder = true
    /// The numbers of its frames.
    var frames = FrameNumbers()
    /// Rows of whom replies told and frames did not yet, and the lowest number that one of them may have.
    private(set) var debts = 0
    private var oldestDebt = UInt32.max
    /// Whether marks wait though nobody was told of them: the next one wakes.
    var isResting = false
    /// Whether the list is given up: nothing may be added any more.
    var isEnded = false
    /// Whether a call that asked for it was answered. A list of which none was is given up with the last of them.
    var isAnswered = false
    /// Calls that add users now, and all that ever did.
    private var (fills, fillNumber): (Int, UInt64) = (0, 0)
    /// Users that were asked for while several calls were adding some, by which of them; 0 is by several. If one of these fails, it takes back only what was its own.
    private var claims: [UInt64: UInt64] = [:]

    var byteCount: Int { rows.capacity * MemoryLayout<Row>.stride + index.capacity * 4 + marked.capacity * 4 }

    var hasMarks: Bool { taken < marked.count }

    // MARK: Calls that add users

    /// A call begins to add users. Returns its number.
    mutating func beginFill() -> UInt64 {
        fills += 1
        fillNumber += 1
        return fillNumber
    }

    /// It is done. Returns whether the list is to be given up, since nobody was told of it.
    mutating func endFill() -> Bool {
        fills -= 1
        if fills == 0 { claims = [:] }
        return fills == 0 && !isAnswered && !isEnded
    }

    /// Whether another call adds users, too.
    var isFilledByOthers: Bool { fills > 1 }

    /// A call has asked for a user.
    mutating func claim(_ userHash: UInt64, byFill number: UInt64) {
        claims[userHash] = claims[userHash, default: number] == number ? number : 0
    }

    /// Whether another call has asked for a user while this one was under way.
    func isClaimed(_ userHash: UInt64, byOtherThan number: UInt64) -> Bool {
        claims[userHash].map { $0 != number } ?? false
    }

    // MARK: Rows

    /// Marks a row; whether it is the first since all marks were taken, or left.
    mutating func mark(_ row: UInt32) -> Bool {
        // A mark may come late, for a row that is gone or is somebody else's now: he is looked at for nothing.
        guard row < rows.count, rows[Int(row)].node != 0 else { return false }
        let wasResting = isResting
        isResting = false
        guard !rows[Int(row)].isMarked else { return wasResting }
        rows[Int(row)].isMarked = true
        if let last = marked.last, row < last { isInOrder = false }
        marked.append(row)
        return wasResting || marked.count - taken == 1
    }

    /// Takes up to `limit` of the marked rows, in the order of the list.
    ///
    /// The order of the marks would tell what somebody did while he was hidden: he has his mark since then, once he shows himself.
    mutating func takeMarked(_ limit: Int) -> [UInt32] {
        isResting = false
        if !isInOrder {
            marked[taken...].sort()
            isInOrder = true
        }
        let end = min(taken + limit, marked.count)
        for row in marked[taken..<end] { rows[Int(row)].isMarked = false }
        let found = marked[taken..<end].filter { rows[Int($0)].node != 0 }
        taken = end
        if taken == marked.count {
            marked = []
            taken = 0
        } else if taken > marked.count / 2 {
            marked.removeFirst(taken)
            taken = 0
        }
        return found
    }

    func row(of userHash: UInt64) -> UInt32? {
        guard !index.isEmpty else { return nil }
        var place = slot(userHash)
        while index[place] != WatchRows.none {
            if rows[Int(index[place])].userHash == userHash { return index[place] }
            place = (place + 1) & (index.count - 1)
        }
        return nil
    }

    /// The number that the next row will have.
    var nextRow: UInt32 { firstFree == WatchRows.none ? UInt32(rows.count) : firstFree }

    /// Adds a user whose watcher has that node.
    mutating func add(_ userHash: UInt64, node: UInt32) -> UInt32 {
        if (count + 1) * 4 > index.count * 3 { growIndex() }
        let row = nextRow
        var fresh = Row(userHash: userHash, node: node)
        if Int(row) == rows.count {
            if rows.count == rows.capacity { rows.reserveCapacity(rows.count + max(4, rows.count / 8)) }
            rows.append(fresh)
        } else {
            firstFree = rows[Int(row)].frame
            // A mark of him who had the row waits still: one is enough.
            fresh.isMarked = rows[Int(row)].isMarked
            rows[Int(row)] = fresh
        }
        count += 1
        insert(row)
        return row
    }

    /// Takes a row away. The index is made anew without it.
    mutating func remove(_ row: UInt32) {
        removeFromIndex(row)
        rows[Int(row)].node = 0
        rows[Int(row)].frame = firstFree
        _ = settleDebt(row)
        firstFree = row
        count -= 1
    }

    /// Keeps what is seen of a row's user. Returns whether it differs from what was sent last.
    mutating func update(
        _ row: UInt32, _ status: Status, _ text: WatchText, _ turn: inout FrameNumbers.Turn
    ) -> Bool {
        guard rows[Int(row)].status != status || rows[Int(row)].text != text else { return false }
        rows[Int(row)].status = status
        rows[Int(row)].text = text
        stamp(row, &turn)
        return true
    }

    /// That the row changes, or is new.
    mutating func stamp(_ row: UInt32, _ turn: inout FrameNumbers.Turn) {
        if let number = frames.number(&turn) {
            rows[Int(row)].frame = number
        } else {
            renewFrames()
            stamp(row, &turn)
        }
    }

    /// Once in 2^32 frames.
    private mutating func renewFrames() {
        let first = frames.renew()
        for row in rows.indices where rows[row].node != 0 { rows[row].frame = first }
        if debts > 0 { oldestDebt = first }
    }

    /// A reply told of a change: those who listen are to hear of it, too. Whether it is the first mark since all were taken, or left.
    mutating func owe(_ row: UInt32) -> Bool {
        if !rows[Int(row)].isOwed {
            rows[Int(row)].isOwed = true
            debts += 1
            // An older debt of the same row has a lower number, and keeps it here.
            oldestDebt = min(oldestDebt, rows[Int(row)].frame)
        }
        return mark(row)
    }

    /// Whether a frame owes a row, which it does once.
    mutating func settleDebt(_ row: UInt32) -> Bool {
        guard rows[Int(row)].isOwed else { return false }
        rows[Int(row)].isOwed = false
        debts -= 1
        if debts == 0 { oldestDebt = .max }
        return true
    }

    /// The same of a user who is on the list.
    mutating func settleDebt(ofUser userHash: UInt64) {
        if let row = row(of: userHash) { _ = settleDebt(row) }
    }

    /// The cursor of a frame: it does not speak of what only replies told.
    func cursor(ofFrame turn: FrameNumbers.Turn) -> String {
        frames.cursor(min(turn.own ?? turn.base, oldestDebt - 1), of: frames.series)
    }

    // MARK: Index

    private func slot(_ userHash: UInt64) -> Int { Int(truncatingIfNeeded: userHash &>> 16) & (index.count - 1) }

    private mutating func insert(_ row: UInt32) {
        var place = slot(rows[Int(row)].userHash)
        while index[place] != WatchRows.none { place = (place + 1) & (index.count - 1) }
        index[place] = row
    }

    private mutating func growIndex() {
        index = Array(repeating: WatchRows.none, count: max(8, index.count * 2))
        for row in rows.indices where rows[row].node != 0 { insert(UInt32(row)) }
    }

    /// Closes the gap: those behind it move up to where they would have been put.
    private mutating func removeFromIndex(_ row: UInt32) {
        let mask = index.count - 1
        var gap = slot(rows[Int(row)].userHash)
        while index[gap] != row { gap = (gap + 1) & mask }
        var place = (gap + 1) & mask
        while index[place] != WatchRows.none {
            let home = slot(rows[Int(index[place])].userHash)
            if (place - home) & mask >= (place - gap) & mask {
                index[gap] = index[place]
                gap = place
            }
            place = (place + 1) & mask
        }
        index[gap] = WatchRows.none
    }
}

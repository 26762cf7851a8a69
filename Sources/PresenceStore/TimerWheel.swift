import Presence

/// How long a tick of a store's wheel is: what is due is announced when the tick begins that is not before it.
package enum WheelTick: Sendable {
    /// Where time goes on by itself.
    case tenMilliseconds
    /// Where somebody moves the clock, and expects each end at its own millisecond. All spans of the wheel are a tenth then.
    case millisecond

    @inline(__always)
    var milliseconds: Int64 { self == .millisecond ? 1 : 10 }
}

/// When which record has to be looked at again: a wheel of two levels whose buckets are chunked arrays of record numbers.
///
/// ```
///  window (640 ms)  w+1   w+2   ...                         w+511
///                 +-----+-----+-----+-----+---------------+-----+
///   coarse        |     |     |     |     |      ...      |     |   numbers due within that window
///                 +-----+-----+-----+-----+---------------+-----+
///                    |  when window w+1 begins, its numbers are looked at: most have beaten since and go far again,
///                    v  the others go to the tick at which they are due
///                 +--+--+--+--+--+--+- - - - - -+--+
///   fine          |  |  |  |  |  |  |    64     |  |                 numbers due at that tick of 10 ms
///                 +--+--+--+--+--+--+- - - - - -+--+
/// ```
/// The wheel knows no rules: it hands out numbers, and its user looks at the record and arms it again. A heartbeat therefore never touches it.
/// What lies beyond the 327 s of the coarse level is armed at its end and looked at there.
///
/// **Kept true.** A record's `armedTick` names the earliest entry of its number; entries at other ticks are stale and dropped when they come up. An
/// entry is added only for an earlier window or tick than that, so a number has at most 575 of them, and one as a rule. Freed numbers keep theirs.
///
/// **Cost.** Arming is O(1); a tick with nothing due reads one occupancy word; a number costs 4.6 bytes and, when it comes up, a seventh of a node's
/// cache miss. Nodes are never given back, only reused.
struct TimerWheel: ~Copyable {
    /// A window's length at most: of ticks of 10 ms.
    static let windowMilliseconds: Int64 = 640
    private static let fineBits: UInt64 = 6
    private static let fineCount: UInt64 = 64
    private static let coarseCount: UInt64 = 512

    /// A node of a bucket: 28 bits of link to the next node, 4 bits of count, then seven numbers: 32 bytes.
    private static let nodeBytes = 32
    private static let numbersPerNode = 7
    private static let nodesPerPage = 512

    private let length: WheelTick
    /// Shards shift their ticks against each other, so that their windows do not all begin at one instant.
    private let phase: UInt64
    /// The last tick that is done. All its numbers have been handed out.
    private var currentTick: UInt64
    /// Whether the numbers of the coarse bucket of the tick to come have all been handed out.
    private var isWindowOpen = true
    /// After a leap: what comes up before this tick is due, whatever its record says.
    private var leapTarget: UInt64 = 0
    /// The tick that was done when it leapt.
    private var leapOrigin: UInt64 = 0
    /// The same of the first leap, if it leapt again before it was through: what was armed before the first may still be there.
    private var firstLeapOrigin: UInt64 = 0
    private var fineOccupancy: UInt64 = 0
    private let fine: UnsafeMutablePointer<UInt32>
    private let coarse: UnsafeMutablePointer<UInt32>
    private var pages: UnsafeMutablePointer<UnsafeMutableRawPointer>
    private(set) var pageCount = 0
    private var pageCapacity = 0
    /// Node 0 is none, so the first page's first node stays unused.
    private var firstFreeNode: UInt32 = 0
    private var freshNode: UInt32 = 1
    /// Entries, stale ones among them.
    private(set) var entryCount = 0

    /// A wheel that has done everything up to `now`.
    init(at now: Timestamp, phase: Int, ticks length: WheelTick = .tenMilliseconds) {
        self.length = length
        self.phase = UInt64(phase) % TimerWheel.fineCount
        currentTick = TimerWheel.tick(now, length) &+ self.phase
        fine = .allocate(capacity: Int(TimerWheel.fineCount))
        fine.initialize(repeating: 0, count: Int(TimerWheel.fineCount))
        coarse = .allocate(capacity: Int(TimerWheel.coarseCount))
        coarse.initialize(repeating: 0, count: Int(TimerWheel.coarseCount))
        pages = .allocate(capacity: 0)
    }

    deinit {
        for page in 0..<pageCount { pages[page].deallocate() }
        pages.deallocate()
        fine.deallocate()
        coarse.deallocate()
    }

    var capacityBytes: Int {
        pageCount * TimerWheel.nodesPerPage * TimerWheel.nodeBytes
            + pageCapacity * MemoryLayout<UnsafeMutableRawPointer>.stride
            + Int(TimerWheel.fineCount + TimerWheel.coarseCount) * MemoryLayout<UInt32>.stride
    }

    // MARK: Arming

    /// Sees to it that the record at `header` is looked at by `deadline`, or at the horizon if that is nearer.
    @inline(__always)
    mutating func arm(_ number: UInt32, _ header: RecordHeader, by deadline: Timestamp) {
        guard deadline < .distantFuture else { return }
        var tick = tickDue(at: deadline)
        if tick <= currentTick { tick = currentTick + 1 }
        let window = tick >> TimerWheel.fineBits
        let openWindow = (currentTick + 1) >> TimerWheel.fineBits
        let horizon = openWindow + TimerWheel.coarseCount - 1
        if window > horizon { tick = horizon << TimerWheel.fineBits }
        let armed = header.armedTick
        if armed != 0 {
            let distance = Int32(bitPattern: TimerWheel.short(tick) &- armed)
            if distance >= 0 { return }
            // An entry of the same coarse bucket does for this one too: the bucket is handed out when its window begins.
            if window > openWindow && window == (tick &- UInt64(bitPattern: Int64(distance))) >> TimerWheel.fineBits {
                header.armedTick = TimerWheel.short(tick)
                return
            }
        }
        header.armedTick = TimerWheel.short(tick)
        if tick >> TimerWheel.fineBits == openWindow {
            push(number, to: fine + Int(tick % TimerWheel.fineCount))
            fineOccupancy |= 1 << (tick % TimerWheel.fineCount)
        } else {
            push(number, to: coarse + Int(tick >> TimerWheel.fineBits % TimerWheel.coarseCount))
        }
    }

    // MARK: Coming up

    /// Takes up to seven numbers that have come up by `now` and are not handed out yet. 0 says that all is done up to `now`.
    ///
    /// The caller looks at each: `isDue` tells stale entries apart.
    mutating func takeDue(at now: Timestamp, into numbers: UnsafeMutablePointer<UInt32>) -> Int {
        let target = tickBegun(at: now)
        leapIfFarBehind(target)
        while currentTick < target {
            let next = currentTick + 1
            if !isWindowOpen {
                let taken = pop(coarse + Int(next >> TimerWheel.fineBits % TimerWheel.coarseCount), into: numbers)
                if taken > 0 { return taken }
                isWindowOpen = true
            }
            let place = next % TimerWheel.fineCount
            // The ticks of this window that have nothing, at once.
            let ahead = fineOccupancy >> place
            let empty = ahead == 0 ? TimerWheel.fineCount - place : UInt64(ahead.trailingZeroBitCount)
            if empty > 0 {
                let done = min(currentTick + empty, target)
                if done % TimerWheel.fineCount == TimerWheel.fineCount - 1 { isWindowOpen = false }
                currentTick = done
                if entryCount == 0 { skip(to: target) }
                continue
            }
            let taken = pop(fine + Int(place), into: numbers)
            if taken > 0 { return taken }
            fineOccupancy &= ~(1 << place)
            currentTick = next
            if place == TimerWheel.fineCount - 1 { isWindowOpen = false }
        }
        return 0
    }

    /// Whether the entry that came up is the one its record knows of; if so the record has no entry any more.
    @inline(__always)
    func isDue(_ header: RecordHeader) -> Bool {
        let armed = header.armedTick
        guard armed != 0 else { return false }
        guard currentTick >= leapTarget else {
            header.armedTick = 0
            return true
        }
        let end = (currentTick + 1) | (TimerWheel.fineCount - 1)
        // Nothing is armed further ahead than the horizon: what seems to be is long past, as after a leap.
        let ahead = Int32(bitPattern: armed &- TimerWheel.short(end))
        let isLater = ahead > 0 && ahead <= Int32(TimerWheel.coarseCount * TimerWheel.fineCount)
        if !isLater { header.armedTick = 0 }
        return !isLater
    }

    /// After a pause longer than the wheel (a suspended machine, a test's clock) everything in it is due: one round over the buckets finds it all.
    private mutating func leapIfFarBehind(_ target: UInt64) {
        guard target > currentTick + TimerWheel.coarseCount << TimerWheel.fineBits else { return }
        let window = target >> TimerWheel.fineBits - (TimerWheel.coarseCount - 1)
        if currentTick >= leapTarget { firstLeapOrigin = currentTick }
        leapOrigin = currentTick
        leapTarget = target
        currentTick = window << TimerWheel.fineBits - 1
        isWindowOpen = false
    }

    /// The instant up to which nothing was left to announce when a record was armed at `armed`, the header's tick: `distantFuture` if it is not
    /// armed, `distantPast` if that cannot be told.
    func settledUntil(_ armed: UInt32) -> Timestamp {
        guard armed != 0 else { return .distantFuture }
        // After 497 days a tick looks like another one: of those that it may be the earliest is meant, up to which all was surely told.
        var origin = currentTick
        if currentTick < leapTarget {
            if isNear(armed, leapOrigin) { origin = leapOrigin }
            if isNear(armed, firstLeapOrigin) { origin = firstLeapOrigin }
        }
        guard isNear(armed, origin) else { return .distantPast }
        let distance = Int32(bitPattern: armed &- TimerWheel.short(origin))
        // What looks like the first tick after a wrap may be the one before it.
        let tick = Int64(origin) + Int64(distance) - (armed == 1 ? 2 : 1) - Int64(phase)
        return Timestamp(milliseconds: max(0, tick) * length.milliseconds)
    }

    /// Whether an armed tick is one that can have been given while `tick` was the current one.
    private func isNear(_ armed: UInt32, _ tick: UInt64) -> Bool {
        let distance = Int32(bitPattern: armed &- TimerWheel.short(tick))
        return distance > -Int32(TimerWheel.fineCount)
            && distance <= Int32((TimerWheel.coarseCount + 1) << TimerWheel.fineBits)
    }

    /// Whether the record has an entry that has come up by `now`, handed out or not: if not, time has changed nothing since it was armed.
    func mayHaveComeUp(_ header: RecordHeader, by now: Timestamp) -> Bool {
        let armed = header.armedTick
        guard armed != 0 else { return false }
        let tick = tickDue(at: now)
        if tick > currentTick + TimerWheel.coarseCount << TimerWheel.fineBits { return true }
        return Int32(bitPattern: TimerWheel.short(tick) &- armed) >= 0
    }

    /// When the window behind that of a tick begins, at which a record was armed; nil if the tick is over by `now`, or that cannot be told.
    func windowBehind(_ armed: UInt32, at now: Timestamp) -> Timestamp? {
        guard armed != 0, currentTick >= leapTarget, isNear(armed, currentTick) else { return nil }
        let distance = Int32(bitPattern: armed &- TimerWheel.short(currentTick))
        let tick = currentTick &+ UInt64(bitPattern: Int64(distance))
        guard tick >= tickBegun(at: now) else { return nil }
        let next = (tick >> TimerWheel.fineBits + 1) << TimerWheel.fineBits
        return Timestamp(milliseconds: Int64(next - phase) * length.milliseconds)
    }

    /// With no entries there is nothing to do in between.
    private mutating func skip(to target: UInt64) {
        guard currentTick < target else { return }
        currentTick = target
        fineOccupancy = 0
        isWindowOpen = target % TimerWheel.fineCount != TimerWheel.fineCount - 1
    }

    // MARK: Ticks

    /// A tick in the 32 bits of a header; 0 is none there. They wrap after 497 days, comparison is by distance.
    @inline(__always)
    private static func short(_ tick: UInt64) -> UInt32 {
        let short = UInt32(truncatingIfNeeded: tick)
        return short == 0 ? 1 : short
    }

    /// The tick that has begun at `time`. Times before 1970 count as 1970.
    @inline(__always)
    private func tickBegun(at time: Timestamp) -> UInt64 { TimerWheel.tick(time, length) &+ phase }

    /// The first tick that begins at `time` or later.
    @inline(__always)
    private func tickDue(at time: Timestamp) -> UInt64 {
        TimerWheel.tick(Timestamp(milliseconds: time.milliseconds &+ (length.milliseconds - 1)), length) &+ phase
    }

    /// The same of a shard that does not shift its ticks. Both divisions are by a constant.
    @inline(__always)
    private static func tick(_ time: Timestamp, _ length: WheelTick) -> UInt64 {
        let milliseconds = UInt64(max(0, time.milliseconds))
        return length == .millisecond ? milliseconds : milliseconds / 10
    }

    // MARK: Nodes

    @inline(__always)
    private func node(_ index: UInt32) -> UnsafeMutablePointer<UInt32> {
        let page = pages[Int(index) / TimerWheel.nodesPerPage]
        return (page + Int(index) % TimerWheel.nodesPerPage * TimerWheel.nodeBytes)
            .assumingMemoryBound(to: UInt32.self)
    }

    @inline(__always)
    private mutating func push(_ number: UInt32, to bucket: UnsafeMutablePointer<UInt32>) {
        let head = bucket.pointee
        if head != 0 {
            let words = node(head)
            let count = Int(words[0] >> 28)
            if count < TimerWheel.numbersPerNode {
                words[1 + count] = number
                words[0] &+= 1 << 28
                entryCount += 1
                return
            }
        }
        let index = takeNode()
        let words = node(index)
        words[0] = 1 << 28 | head
        words[1] = number
        bucket.pointee = index
        entryCount += 1
    }

    private mutating func pop(
        _ bucket: UnsafeMutablePointer<UInt32>, into numbers: UnsafeMutablePointer<UInt32>
    ) -> Int {
        let head = bucket.pointee
        guard head != 0 else { return 0 }
        let words = node(head)
        let count = Int(words[0] >> 28)
        numbers.update(from: words + 1, count: count)
        bucket.pointee = words[0] & 0x0fff_ffff
        words[0] = firstFreeNode
        firstFreeNode = head
        entryCount -= count
        return count
    }

    private mutating func takeNode() -> UInt32 {
        if firstFreeNode != 0 {
            let index = firstFreeNode
            firstFreeNode = node(index)[0]
            return index
        }
        if Int(freshNode) / TimerWheel.nodesPerPage >= pageCount { addPage() }
        precondition(freshNode < 1 << 28, "a shard's wheel is full")
        freshNode += 1
        return freshNode - 1
    }

    private mutating func addPage() {
        if pageCount == pageCapacity {
            let capacity = max(4, pageCapacity * 2)
            let grown = UnsafeMutablePointer<UnsafeMutableRawPointer>.allocate(capacity: capacity)
            grown.moveInitialize(from: pages, count: pageCount)
            pages.deallocate()
            pages = grown
            pageCapacity = capacity
        }
        let bytes = TimerWheel.nodesPerPage * TimerWheel.nodeBytes
        (pages + pageCount).initialize(to: .allocate(byteCount: bytes, alignment: 64))
        pageCount += 1
    }
}

import Presence

/// What changed in one shard, in order, in a bounded ring of bytes.
///
/// An entry is complete in itself: it carries ids and words, since by the time it is read its record may have changed or gone.
/// ```
///  0        4      5          6        7       8        16        24          32      40        44
/// +--------+------+----------+--------+-------+--------+---------+-----------+-------+---------+----------------+
/// | length | kind | old, new | reason | flags | number | version | timestamp | since | record  | 5 lengths, ids |
/// +--------+------+----------+--------+-------+--------+---------+-----------+-------+---------+----------------+
/// ```
/// Of a text's entry `since` is the place of the user's last status entry before it. Lengths are multiples of eight; an entry that does not fit before the
/// end of the ring is written at its start, behind a filler.
///
/// **Kept true.** Numbers rise by one an entry and never repeat. An entry is overwritten only by newer ones; a reader whose place was overwritten is
/// told how many entries it missed.
///
/// **Cost.** Appending copies about 80 bytes. Memory is the capacity, whatever readers do: a slow one costs nothing.
struct ChangeRing: ~Copyable {
    private static let fixedBytes = 52
    private static let alignment = 8
    /// In an entry's flags: its user was forgotten, and it was his newest.
    private static let forgotten: UInt8 = 8

    /// Where a reader stands: the offset of the next entry, counted from the beginning of time, and its number.
    struct Cursor: Sendable {
        fileprivate(set) var offset: UInt64 = 0
        fileprivate(set) var number: UInt64 = 0
    }

    enum Kind: UInt8 {
        case filler = 0
        case status
        case keyspace
        case activity
        case storm
    }

    private let base: UnsafeMutableRawPointer
    let capacity: Int
    private var head: UInt64 = 0
    private var tail: UInt64 = 0
    /// Where the newest entry begins.
    private var newest: UInt64 = 0
    private(set) var nextNumber: UInt64 = 0
    private var oldestNumber: UInt64 = 0
    /// Entries that were too large to be kept at all.
    private(set) var oversizedCount = 0

    /// A ring of `capacity` bytes, rounded up to a power of two and at least 16 KiB. All of it is resident from then on: on the first lap the kernel
    /// would have to find a page for every fifty changes, while the shard is locked.
    init(capacity: Int) {
        var size = 16_384
        while size < capacity { size *= 2 }
        self.capacity = size
        base = .allocate(byteCount: size, alignment: ChangeRing.pageBytes)
        for page in stride(from: 0, to: size, by: ChangeRing.pageBytes) {
            base.storeBytes(of: 0, toByteOffset: page, as: UInt8.self)
        }
    }

    private static let pageBytes = 4096

    deinit { base.deallocate() }

    /// The place behind the newest entry.
    var end: Cursor { Cursor(offset: head, number: nextNumber) }

    /// The place of the oldest entry.
    var begin: Cursor { Cursor(offset: tail, number: oldestNumber) }

    /// The place of a reader who stood at an offset that the ring gave out; nil if what lay there was overwritten.
    func cursor(atOffset offset: UInt64) -> Cursor? {
        guard offset >= tail, offset <= head else { return nil }
        var offset = offset
        while offset < head {
            let address = base + Int(offset & UInt64(capacity - 1))
            if address.load(fromByteOffset: 4, as: UInt8.self) != Kind.filler.rawValue {
                return Cursor(offset: offset, number: address.load(fromByteOffset: 8, as: UInt64.self))
            }
            offset += UInt64(address.load(as: UInt32.self))
        }
        return end
    }

    /// An entry about a user, for readers of states.
    struct UserEntry {
        /// What his record says of its newest entry.
        var place: UInt32
        var user: [UInt8]
        /// The stamp of the status that he had then.
        var version: Stamp
        /// Whether he was forgotten after it.
        var isForgotten: Bool
    }

    /// Up to `limit` entries about users from a cursor on; nil if entries were overwritten since.
    func userEntries(from cursor: inout Cursor, limit: Int) -> [UserEntry]? {
        guard cursor.offset >= tail else { return nil }
        var found: [UserEntry] = []
        while found.count < limit, cursor.number < nextNumber {
            let address = base + Int(cursor.offset & UInt64(capacity - 1))
            let place = ChangeRing.place(cursor.offset)
            cursor.offset += UInt64(address.load(as: UInt32.self))
            let kind = Kind(rawValue: address.load(fromByteOffset: 4, as: UInt8.self))
            guard kind != .filler else { continue }
            if kind == .status || kind == .activity {
                let flags = address.load(fromByteOffset: 7, as: UInt8.self)
                found.append(
                    UserEntry(
                        place: place, user: ChangeRing.user(at: address),
                        version: Stamp(rawValue: address.load(fromByteOffset: 16, as: UInt64.self)),
                        isForgotten: flags & ChangeRing.forgotten != 0))
            }
            cursor.number += 1
        }
        return found
    }

    /// Where an entry lies, in units of eight bytes and in 32 bits: those of a ring differ up to a capacity of 32 GiB. 0 is none.
    private static func place(_ offset: UInt64) -> UInt32 { UInt32(truncatingIfNeeded: offset >> 3 &+ 1) }

    /// A user was forgotten whose newest entry has that place: it stands for what he is from now on.
    ///
    /// - Complexity: O(1).
    mutating func noteForgotten(_ user: Piece, at place: UInt32) {
        guard let address = newestEntry(of: user, at: place) else { return }
        let flags = address.load(fromByteOffset: 7, as: UInt8.self)
        address.storeBytes(of: flags | ChangeRing.forgotten, toByteOffset: 7, as: UInt8.self)
    }

    /// The last change of a user's status, by the place of his newest entry; nil if it was overwritten.
    ///
    /// - Complexity: O(1).
    func newestChange(of user: Piece, at place: UInt32) -> StatusChange? {
        guard let address = newestEntry(of: user, at: newestStatus(of: user, at: place)),
            ChangeRing.isStatus(address)
        else { return nil }
        return ChangeRing.statusChange(at: address)
    }

    /// The place of a user's newest entry that tells of his status, by that of his newest one; 0 if there is none. The entry of a text has it.
    private func newestStatus(of user: Piece, at place: UInt32) -> UInt32 {
        guard let address = newestEntry(of: user, at: place) else { return 0 }
        return ChangeRing.isStatus(address) ? place : address.load(fromByteOffset: 32, as: UInt32.self)
    }

    private static func isStatus(_ address: UnsafeMutableRawPointer) -> Bool {
        address.load(fromByteOffset: 4, as: UInt8.self) == Kind.status.rawValue
    }

    private func newestEntry(of user: Piece, at place: UInt32) -> UnsafeMutableRawPointer? {
        let back = UInt64(ChangeRing.place(head) &- place) << 3
        guard place != 0, back <= head - tail else { return nil }
        let start = Int((head - back) & UInt64(capacity - 1))
        // Where 32 GiB were written since, something else lies there.
        guard back > 0, capacity - start >= ChangeRing.fixedBytes + user.bytes.count else { return nil }
        let address = base + start
        let kind = Kind(rawValue: address.load(fromByteOffset: 4, as: UInt8.self))
        let number = address.load(fromByteOffset: 8, as: UInt64.self)
        let flags = address.load(fromByteOffset: 7, as: UInt8.self)
        guard kind == .status || kind == .activity, number >= oldestNumber, number < nextNumber,
            (flags & 1 != 0) == user.isPacked,
            address.load(fromByteOffset: 44, as: UInt8.self) == user.bytes.count,
            user.bytes.elementsEqual(
                UnsafeRawBufferPointer(start: address + ChangeRing.fixedBytes, count: user.bytes.count))
        else { return nil }
        return address
    }

    func hasEntries(after cursor: Cursor) -> Bool { cursor.number < nextNumber }

    /// Whether what was written after a cursor takes more than half of the ring.
    func isHalfUnread(_ cursor: Cursor) -> Bool {
        hasEntries(after: cursor) && head - cursor.offset > UInt64(capacity / 2)
    }

    // MARK: Appending

    /// What a status entry says, but for ids and words.
    struct StatusEntry {
        var record: UInt32
        var old: Status
        var new: Status
        var reason: Reason
        var version: Stamp
        var timestamp: Timestamp
        var since: Timestamp?
    }

    /// Bytes to be copied into an entry. A packed one is the sixteen bytes of a UUID.
    struct Piece {
        var bytes = UnsafeRawBufferPointer(start: nil, count: 0)
        var isPacked = false
    }

    /// Appends that the activity text changed, to none if it is empty. Returns the entry's place.
    mutating func append(activityChange entry: StatusEntry, user: Piece, activity: Piece, behind place: UInt32)
        -> UInt32
    {
        let status = newestStatus(of: user, at: place)
        let newPlace = append(
            entry, .activity, user: user, session: Piece(), device: Piece(), server: Piece(), activity: activity)
        (base + Int(newest & UInt64(capacity - 1))).storeBytes(of: status, toByteOffset: 32, as: UInt32.self)
        return newPlace
    }

    /// Appends a change of status and returns its place.
    mutating func append(
        _ entry: StatusEntry, _ kind: Kind = .status, user: Piece, session: Piece, device: Piece, server: Piece,
        activity: Piece
    ) -> UInt32 {
        let count =
            user.bytes.count + session.bytes.count + device.bytes.count + server.bytes.count + activity.bytes.count
        let address = reserve(ChangeRing.fixedBytes + count)
        address.storeBytes(of: kind.rawValue, toByteOffset: 4, as: UInt8.self)
        address.storeBytes(of: entry.old.rawValue | entry.new.rawValue << 4, toByteOffset: 5, as: UInt8.self)
        address.storeBytes(of: entry.reason.rawValue, toByteOffset: 6, as: UInt8.self)
        let flags: UInt8 = (user.isPacked ? 1 : 0) | (session.isPacked ? 2 : 0) | (entry.since != nil ? 4 : 0)
        address.storeBytes(of: flags, toByteOffset: 7, as: UInt8.self)
        address.storeBytes(of: entry.version.rawValue, toByteOffset: 16, as: UInt64.self)
        address.storeBytes(of: entry.timestamp.milliseconds, toByteOffset: 24, as: Int64.self)
        address.storeBytes(of: entry.since?.milliseconds ?? 0, toByteOffset: 32, as: Int64.self)
        address.storeBytes(of: entry.record, toByteOffset: 40, as: UInt32.self)
        var place = ChangeRing.fixedBytes
        var lengths = 44
        let pieces: InlineArray<5, Piece> = [user, session, device, server, activity]
        for index in pieces.indices {
            let piece = pieces[index]
            address.storeBytes(of: UInt8(piece.bytes.count), toByteOffset: lengths, as: UInt8.self)
            lengths += 1
            guard piece.bytes.count > 0 else { continue }
            (address + place).copyMemory(from: piece.bytes.baseAddress!, byteCount: piece.bytes.count)
            place += piece.bytes.count
        }
        return ChangeRing.place(newest)
    }

    /// Appends that something happened to a key. Keys longer than a quarter of the ring are counted and left out.
    mutating func append(_ event: KeyEvent, _ kind: KeyKind, key: Piece) {
        guard key.bytes.count <= capacity / 4 else {
            oversizedCount += 1
            return
        }
        let address = reserve(ChangeRing.fixedBytes + key.bytes.count)
        address.storeBytes(of: Kind.keyspace.rawValue, toByteOffset: 4, as: UInt8.self)
        address.storeBytes(of: kind == .presence ? 1 : 0, toByteOffset: 5, as: UInt8.self)
        address.storeBytes(of: key.isPacked ? 1 : 0, toByteOffset: 7, as: UInt8.self)
        address.storeBytes(of: event.rawValue, toByteOffset: 6, as: UInt8.self)
        address.storeBytes(of: UInt64(key.bytes.count), toByteOffset: 24, as: UInt64.self)
        if key.bytes.count > 0 {
            (address + ChangeRing.fixedBytes).copyMemory(from: key.bytes.baseAddress!, byteCount: key.bytes.count)
        }
    }

    /// Appends that a storm began or is over.
    mutating func append(_ report: StormReport) {
        let address = reserve(ChangeRing.fixedBytes)
        address.storeBytes(of: Kind.storm.rawValue, toByteOffset: 4, as: UInt8.self)
        address.storeBytes(of: report.isOver ? 1 : 0, toByteOffset: 5, as: UInt8.self)
        address.storeBytes(of: UInt64(report.lost), toByteOffset: 16, as: UInt64.self)
        address.storeBytes(of: report.began.milliseconds, toByteOffset: 24, as: Int64.self)
        address.storeBytes(of: report.heldUntil.milliseconds, toByteOffset: 32, as: Int64.self)
        address.storeBytes(of: UInt64(report.sessions), toByteOffset: 40, as: UInt64.self)
    }

    private static func stormReport(at address: UnsafeMutableRawPointer) -> StormReport {
        StormReport(
            isOver: address.load(fromByteOffset: 5, as: UInt8.self) == 1,
            began: Timestamp(milliseconds: address.load(fromByteOffset: 24, as: Int64.self)),
            heldUntil: Timestamp(milliseconds: address.load(fromByteOffset: 32, as: Int64.self)),
            lost: Int(address.load(fromByteOffset: 16, as: UInt64.self)),
            sessions: Int(address.load(fromByteOffset: 40, as: UInt64.self)))
    }

    /// Makes room at the head, over the oldest entries.
    private mutating func reserve(_ count: Int) -> UnsafeMutableRawPointer {
        let length = (count + ChangeRing.alignment - 1) & ~(ChangeRing.alignment - 1)
        let rest = capacity - Int(head & UInt64(capacity - 1))
        if rest < length {
            dropOldest(for: rest)
            let filler = base + Int(head & UInt64(capacity - 1))
            filler.storeBytes(of: UInt32(rest), as: UInt32.self)
            filler.storeBytes(of: Kind.filler.rawValue, toByteOffset: 4, as: UInt8.self)
            head += UInt64(rest)
        }
        dropOldest(for: length)
        let address = base + Int(head & UInt64(capacity - 1))
        address.storeBytes(of: UInt32(length), as: UInt32.self)
        address.storeBytes(of: nextNumber, toByteOffset: 8, as: UInt64.self)
        newest = head
        head += UInt64(length)
        nextNumber += 1
        return address
    }

    private mutating func dropOldest(for count: Int) {
        while head + UInt64(count) - tail > UInt64(capacity) {
            let address = base + Int(tail & UInt64(capacity - 1))
            if address.load(fromByteOffset: 4, as: UInt8.self) != Kind.filler.rawValue { oldestNumber += 1 }
            tail += UInt64(address.load(as: UInt32.self))
        }
    }

    // MARK: Reading

    /// Decodes up to `limit` entries from `cursor` on; the first event is `missed` if the reader fell out of the ring.
    func read(_ cursor: inout Cursor, limit: Int, into events: inout [StoreEvent]) {
        if cursor.offset < tail {
            // A filler alone may have been overwritten: then no entry is missing.
            if cursor.number < oldestNumber { events.append(.missed(Int(oldestNumber - cursor.number))) }
            cursor = Cursor(offset: tail, number: oldestNumber)
        }
        var left = limit
        while left > 0 && cursor.number < nextNumber {
            let address = base + Int(cursor.offset & UInt64(capacity - 1))
            cursor.offset += UInt64(address.load(as: UInt32.self))
            switch Kind(rawValue: address.load(fromByteOffset: 4, as: UInt8.self)) {
            case .status: events.append(.status(ChangeRing.statusChange(at: address)))
            case .activity:
                let change = ChangeRing.statusChange(at: address)
                events.append(
                    .activity(
                        ActivityChange(
                            userID: change.userID, activity: change.activity, status: change.new,
                            reason: change.reason, timestamp: change.timestamp, version: change.version)))
            case .storm: events.append(.storm(ChangeRing.stormReport(at: address)))
            case .keyspace: events.append(ChangeRing.keyspaceEvent(at: address))
            default: continue
            }
            cursor.number += 1
            left -= 1
        }
    }

    private static func user(at address: UnsafeMutableRawPointer) -> [UInt8] {
        let count = Int(address.load(fromByteOffset: 44, as: UInt8.self))
        let isPacked = address.load(fromByteOffset: 7, as: UInt8.self) & 1 != 0
        let bytes = UnsafeRawBufferPointer(start: address + fixedBytes, count: count)
        return BytesText.expand(bytes, isPacked: isPacked)
    }

    private static func statusChange(at address: UnsafeMutableRawPointer) -> StatusChange {
        let statuses = address.load(fromByteOffset: 5, as: UInt8.self)
        let flags = address.load(fromByteOffset: 7, as: UInt8.self)
        let since = Timestamp(milliseconds: address.load(fromByteOffset: 32, as: Int64.self))
        var place = fixedBytes + Int(address.load(fromByteOffset: 44, as: UInt8.self))
        func piece(_ index: Int, isPacked: Bool) -> [UInt8]? {
            let count = Int(address.load(fromByteOffset: 44 + index, as: UInt8.self))
            defer { place += count }
            guard count > 0 else { return nil }
            return BytesText.expand(UnsafeRawBufferPointer(start: address + place, count: count), isPacked: isPacked)
        }
        let session = piece(1, isPacked: flags & 2 != 0)
        let device = piece(2, isPacked: false)
        let server = piece(3, isPacked: false)
        let activity = piece(4, isPacked: false)
        return StatusChange(
            userID: user(at: address),
            old: Status(rawValue: statuses & 15) ?? .offline,
            new: Status(rawValue: statuses >> 4) ?? .offline,
            reason: Reason(rawValue: address.load(fromByteOffset: 6, as: UInt8.self)) ?? .merged,
            timestamp: Timestamp(milliseconds: address.load(fromByteOffset: 24, as: Int64.self)),
            since: flags & 4 != 0 ? since : nil,
            version: Stamp(rawValue: address.load(fromByteOffset: 16, as: UInt64.self)),
            activity: activity, device: device, connection: session, server: server)
    }

    private static func keyspaceEvent(at address: UnsafeMutableRawPointer) -> StoreEvent {
        let count = Int(address.load(fromByteOffset: 24, as: UInt64.self))
        let isPacked = address.load(fromByteOffset: 7, as: UInt8.self) & 1 != 0
        let bytes = UnsafeRawBufferPointer(start: address + fixedBytes, count: count)
        return .keyspace(
            KeyEvent(rawValue: address.load(fromByteOffset: 6, as: UInt8.self)) ?? .deleted,
            address.load(fromByteOffset: 5, as: UInt8.self) == 1 ? .presence : .string,
            key: BytesText.expand(bytes, isPacked: isPacked))
    }
}

import Presence

/// A user who changed, as services see him now.
public struct ChangedUser: Sendable, Hashable {
    /// His id.
    public var id: [UInt8]
    /// His public status.
    public var status: Status
    /// When he was last seen.
    public var lastSeen: Timestamp?
    /// The activity text in force.
    public var activity: [UInt8]?
    /// The stamp of the last change of his public status.
    public var version: Stamp
}

/// Changes for who asks from time to time, in place of listening: states, not events.
///
/// The change rings are read from a cursor on. Of a user who changed several times only the newest entry counts, and what is handed out is his state at
/// the moment of reading: offline if he was forgotten for memory. Who was forgotten, came back and was forgotten again may come twice.
extension ShardedStore {
    /// What a cursor of changes may say.
    public enum ChangeCursor: Sendable, Hashable {
        /// The oldest entries that the rings keep.
        case oldest
        /// From now on.
        case newest
        /// Where an earlier call left off: its text.
        case text([UInt8])
    }

    /// Users whose public status or activity text changed since a cursor.
    ///
    /// - Parameters:
    ///   - cursor: where to begin.
    ///   - limit: the most users, 1 or more.
    ///   - now: the instant of the users' states.
    /// - Returns: where the next call goes on, and the users, each shard's in the order of their changes.
    /// - Throws: `cursorInvalid` for what no call of this store gave, `cursorLost` if the rings have gone on too far since.
    /// - Complexity: O(shards + entries read).
    public func changes(
        since cursor: ChangeCursor, limit: Int = 100, at now: Timestamp
    ) throws(StoreError) -> (cursor: String, users: [ChangedUser]) {
        var (next, places) = try self.places(cursor)
        var users: [ChangedUser] = []
        // A share for each shard first, and the next call goes on behind the last that had one, so that a busy one does not starve the others.
        let share = max(1, limit / shardCount)
        let begin = next
        for quota in [share, limit] where users.count < limit {
            for step in 0..<shardCount where users.count < limit {
                let shard = (begin + step) % shardCount
                if quota == share { next = (shard + 1) % shardCount }
                let most = min(quota, limit - users.count)
                let isKept = withShard(shard, isLong: true, at: now) {
                    $0.changes(from: &places[shard], limit: most, at: $1, into: &users)
                }
                guard isKept else { throw .cursorLost }
            }
        }
        return (changeCursors.text(of: [UInt64(next)] + places.map(\.offset)), users)
    }

    /// The shard to begin with, and where in the ring of each.
    private func places(_ cursor: ChangeCursor) throws(StoreError) -> (next: Int, [ChangeRing.Cursor]) {
        var offsets: [UInt64]?
        var next = 0
        if case .text(let text) = cursor {
            offsets = changeCursors.numbers(of: text, count: shardCount + 1)
            guard let first = offsets?.removeFirst() else { throw .cursorInvalid }
            next = Int(first) % shardCount
        }
        var places: [ChangeRing.Cursor] = []
        for shard in 0..<shardCount {
            let place = withShard(shard) { state -> ChangeRing.Cursor? in
                if let offsets { return state.ring.cursor(atOffset: offsets[shard]) }
                return cursor == .oldest ? state.ring.begin : state.ring.end
            }
            guard let place else { throw .cursorLost }
            places.append(place)
        }
        return (next, places)
    }

    /// Sees to it that listeners are woken by what comes next in any shard, though nobody reads the rings.
    public func awaitNews() {
        for shard in 0..<shardCount { withShard(shard) { $0.idleReaders.formUnion(.ofNews) } }
    }
}

extension ShardState {
    /// Appends up to `limit` users who changed since the cursor. False if the ring has gone on too far.
    mutating func changes(
        from cursor: inout ChangeRing.Cursor, limit: Int, at now: Timestamp, into users: inout [ChangedUser]
    ) -> Bool {
        let end = users.count + limit
        while users.count < end, ring.hasEntries(after: cursor) {
            guard let entries = ring.userEntries(from: &cursor, limit: min(end - users.count, 64)) else {
                return false
            }
            for entry in entries {
                entry.user.withUnsafeBytes { bytes in
                    let key = BytesKey(bytes)
                    let found = find(key, hash(key, .user))
                    guard found != 0 else {
                        // Only who is offline, with nothing set, is forgotten.
                        guard entry.isForgotten else { return }
                        users.append(
                            ChangedUser(
                                id: entry.user, status: .offline, lastSeen: nil, activity: nil, version: entry.version))
                        return
                    }
                    // One who is known anew has no entry of his own until he changes.
                    let place = record(found).header.changePlace
                    guard place == entry.place || place == 0 && entry.isForgotten else { return }
                    _ = settle(found, at: now)
                    let record = record(found)
                    users.append(
                        ChangedUser(
                            id: entry.user, status: record.announced, lastSeen: record.lastSeen(near: now),
                            activity: record.text(at: now).map { [UInt8]($0) },
                            version: place == 0 ? entry.version : record.version))
                }
            }
        }
        return true
    }
}

/// Cursors of changes as texts: with which shard to begin, where the reader stands in the ring of each, of which store, and a keyed hash over all, since a place
/// that nobody gave out could lie anywhere in a ring.
struct ChangeCursors: Sendable {
    private let hash: BytesHash
    private let run = UInt64.random(in: .min ... .max)
    private static let digits = Array("0123456789abcdef".utf8)

    init(_ hash: BytesHash) { self.hash = hash }

    func text(of numbers: [UInt64]) -> String {
        var bytes: [UInt8] = []
        var last: UInt64 = 0
        for number in numbers {
            // Rings of one store are about as far on: differences are short.
            ChangeCursors.append(number ^ last, to: &bytes)
            last = number
        }
        ChangeCursors.append(check(numbers), to: &bytes)
        var text: [UInt8] = []
        for byte in bytes {
            text.append(ChangeCursors.digits[Int(byte >> 4)])
            text.append(ChangeCursors.digits[Int(byte & 15)])
        }
        return String(decoding: text, as: UTF8.self)
    }

    /// Nil for a text that `text(of:)` did not make.
    func numbers(of text: [UInt8], count: Int) -> [UInt64]? {
        guard text.count % 2 == 0, text.count <= (count + 1) * 20 else { return nil }
        var bytes: [UInt8] = []
        for place in stride(from: 0, to: text.count, by: 2) {
            guard let high = ChangeCursors.digits.firstIndex(of: text[place]),
                let low = ChangeCursors.digits.firstIndex(of: text[place + 1])
            else { return nil }
            bytes.append(UInt8(high << 4 | low))
        }
        var place = 0
        var numbers: [UInt64] = []
        var last: UInt64 = 0
        for _ in 0..<count {
            guard let difference = ChangeCursors.take(bytes, &place) else { return nil }
            last ^= difference
            numbers.append(last)
        }
        guard let check = ChangeCursors.take(bytes, &place), place == bytes.count, check == self.check(numbers) else {
            return nil
        }
        return numbers
    }

    private func check(_ numbers: [UInt64]) -> UInt64 {
        ([run] + numbers).withUnsafeBytes { hash.bytes($0, .free) }
    }

    /// LEB128: seven bits a byte, the lowest first.
    private static func append(_ number: UInt64, to bytes: inout [UInt8]) {
        var rest = number
        while rest >= 0x80 {
            bytes.append(UInt8(rest & 0x7F) | 0x80)
            rest >>= 7
        }
        bytes.append(UInt8(rest))
    }

    private static func take(_ bytes: [UInt8], _ place: inout Int) -> UInt64? {
        var number: UInt64 = 0
        for shift in stride(from: UInt64(0), to: 70, by: 7) {
            guard place < bytes.count else { return nil }
            let byte = bytes[place]
            place += 1
            number |= UInt64(byte & 0x7F) << shift
            if byte < 0x80 { return number }
        }
        return nil
    }
}

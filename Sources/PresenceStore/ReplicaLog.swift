import Presence

/// What other nodes are to be told of one shard: the hashes of the keys that changed, in order, in a bounded ring.
///
/// An entry says that something is to be told, not what: whoever reads it makes an image of the record as it is then. So a record that changed twice
/// is told once, and a reader who is far behind costs nothing but his place.
/// ```
///  hashes: 8 bytes an entry   | user or string | ... |        position = entries ever noted
///  kinds:  1 byte an entry    | all, beats     | ... |        kept: the last `capacity` of them
/// ```
/// **Kept true.** Positions rise by one an entry and never repeat. A reader whose place was overwritten is told so, and copies the shard.
struct ReplicaLog: ~Copyable {
    enum Kind: UInt8 {
        /// The record changed: others need an image of it.
        case record
        /// A heartbeat that others must know of before the deadline that they know.
        case beat
    }

    struct Entry {
        var hash: UInt64
        var kind: Kind
    }

    /// Entries that are kept; 0 if there is nobody to be told.
    let capacity: Int
    private let hashes: UnsafeMutablePointer<UInt64>
    private let kinds: UnsafeMutablePointer<UInt8>
    /// The position behind the newest entry.
    private(set) var end: UInt64 = 0
    /// The position behind the newest entry of a record.
    private(set) var recordEnd: UInt64 = 0

    /// A log of `capacity` entries, rounded up to a power of two; 0 makes one that keeps nothing.
    init(capacity: Int) {
        var size = capacity == 0 ? 0 : 64
        while size < capacity { size *= 2 }
        self.capacity = size
        hears = size > 0
        hashes = .allocate(capacity: size)
        kinds = .allocate(capacity: size)
        hashes.initialize(repeating: 0, count: size)
        kinds.initialize(repeating: 0, count: size)
    }

    deinit {
        hashes.deallocate()
        kinds.deallocate()
    }

    var capacityBytes: Int { capacity * 9 }

    /// The position of the oldest entry that is kept.
    var begin: UInt64 { end > UInt64(capacity) ? end - UInt64(capacity) : 0 }

    /// Whether anybody is to be told.
    @inline(__always)
    var isKept: Bool { capacity > 0 }

    /// Whether what changes is noted. Without it others find it only by comparing what they have: for tests of that.
    var isHeard: Bool {
        get { hears }
        set { hears = newValue && capacity > 0 }
    }
    private var hears: Bool

    @inline(__always)
    mutating func note(_ hash: UInt64, _ kind: Kind) {
        guard hears else { return }
        // One entry that nobody has read, or begun to, tells both.
        if end > closedEnd {
            let last = Int(truncatingIfNeeded: end &- 1) & (capacity &- 1)
            if hashes[last] == hash {
                if kind == .record {
                    kinds[last] = Kind.record.rawValue
                    recordEnd = end
                }
                return
            }
        }
        let place = Int(truncatingIfNeeded: end) & (capacity &- 1)
        hashes[place] = hash
        kinds[place] = kind.rawValue
        end &+= 1
        if kind == .record { recordEnd = end }
    }

    /// The farthest position up to which somebody began to read: an entry before it may be told already, and cannot stand for a newer change.
    private var closedEnd: UInt64 = 0

    /// Whoever reads all before a position begins, or takes it for one from which to go on: what changes from now on has entries of its own.
    mutating func close(upTo position: UInt64) { closedEnd = max(closedEnd, position) }

    /// The entry at a position that is kept.
    func entry(at position: UInt64) -> Entry {
        let place = Int(truncatingIfNeeded: position) & (capacity &- 1)
        return Entry(hash: hashes[place], kind: kinds[place] == 0 ? .record : .beat)
    }
}

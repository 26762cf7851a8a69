/// What a record is. Strings and users have one keyspace, one index, one wheel.
enum RecordKind: UInt8 {
    case free = 0
    case user = 1
    case string = 2
    /// What is left of a string that is gone, for stores that exchange what they know.
    case tombstone = 3
}

/// The first twelve bytes of every slot of the slabs, whatever lives there.
/// ```
///  0      1       2              4               8              12
/// +------+-------+--------------+---------------+--------------+
/// | kind | flags | per kind; in | armed tick    | change place |
/// |      |       | a free slot: | (TimerWheel); | (ChangeRing) |
/// |      |       | next free    | 0: none       | 0: none      |
/// +------+-------+--------------+---------------+--------------+
/// ```
struct RecordHeader {
    static let byteCount = 12

    let address: UnsafeMutableRawPointer

    @inline(__always)
    init(_ address: UnsafeMutableRawPointer) { self.address = address }

    @inline(__always)
    var kind: RecordKind {
        get { RecordKind(rawValue: address.load(as: UInt8.self)).unsafelyUnwrapped }
        nonmutating set { address.storeBytes(of: newValue.rawValue, as: UInt8.self) }
    }

    var nextFree: UInt16 {
        get { address.load(fromByteOffset: 2, as: UInt16.self) }
        nonmutating set { address.storeBytes(of: newValue, toByteOffset: 2, as: UInt16.self) }
    }

    /// The wheel's tick at which this number will be looked at; 0 while it has no entry there.
    @inline(__always)
    var armedTick: UInt32 {
        get { address.load(fromByteOffset: 4, as: UInt32.self) }
        nonmutating set { address.storeBytes(of: newValue, toByteOffset: 4, as: UInt32.self) }
    }

    /// The place of the newest ring entry about this record: an older entry is stale for readers of states. 0 if there is none.
    var changePlace: UInt32 {
        get { address.load(fromByteOffset: 8, as: UInt32.self) }
        nonmutating set { address.storeBytes(of: newValue, toByteOffset: 8, as: UInt32.self) }
    }

    /// A slot that was never used: free, no timer.
    func clear() {
        address.storeBytes(of: 0, as: UInt64.self)
        address.storeBytes(of: 0, toByteOffset: 8, as: UInt32.self)
    }
}

import Presence

/// That a string is gone since a write, or since its end came: what keeps an older write of another node from bringing it back.
struct Tombstone: Hashable {
    /// The write that deleted it; of one that ran out, the write that had given it its end.
    var stamp: Stamp
    /// When it was deleted, or its end. The same at every node, and so is the end of the tombstone.
    var since: Timestamp
    /// Whether time ended it.
    var hasRunOut: Bool
}

/// A tombstone in its slot. It has the hash of the key and not the key: as long as it lives, nobody asks for its name.
/// ```
///  0      1       2          4            12     20      28      36      40      44
/// +------+-------+----------+------------+------+-------+-------+-------+-------+
/// | kind | flags | unused   | rest of    | hash | stamp | since | older | newer |
/// |      |       |          | the header | 8 B  | 8 B   | 8 B   | 4 B   | 4 B   |
/// +------+-------+----------+------------+------+-------+-------+-------+-------+
/// ```
/// Flag 1: it ran out. Older and newer are the numbers of its neighbours in the order in which they came; 0 is none.
struct TombstoneRecord {
    static let byteCount = 44
    private static let hasRunOut: UInt8 = 1

    let address: UnsafeMutableRawPointer

    @inline(__always)
    init(_ address: UnsafeMutableRawPointer) { self.address = address }

    /// Writes a tombstone without neighbours. The armed tick of the slot stays: a look at a tombstone does nothing.
    func initialize(_ tombstone: Tombstone, hash: UInt64) {
        let header = RecordHeader(address)
        header.kind = .tombstone
        header.changePlace = 0
        address.storeBytes(
            of: tombstone.hasRunOut ? TombstoneRecord.hasRunOut : 0, toByteOffset: 1, as: UInt8.self)
        address.storeBytes(of: hash, toByteOffset: 12, as: UInt64.self)
        address.storeBytes(of: tombstone.stamp.rawValue, toByteOffset: 20, as: UInt64.self)
        address.storeBytes(of: tombstone.since.milliseconds, toByteOffset: 28, as: Int64.self)
        older = 0
        newer = 0
    }

    var hash: UInt64 { address.loadUnaligned(fromByteOffset: 12, as: UInt64.self) }

    var tombstone: Tombstone {
        Tombstone(
            stamp: Stamp(rawValue: address.loadUnaligned(fromByteOffset: 20, as: UInt64.self)),
            since: Timestamp(milliseconds: address.loadUnaligned(fromByteOffset: 28, as: Int64.self)),
            hasRunOut: address.load(fromByteOffset: 1, as: UInt8.self) & TombstoneRecord.hasRunOut != 0)
    }

    /// The one that came before it.
    var older: UInt32 {
        get { address.load(fromByteOffset: 36, as: UInt32.self) }
        nonmutating set { address.storeBytes(of: newValue, toByteOffset: 36, as: UInt32.self) }
    }

    /// The one that came after it.
    var newer: UInt32 {
        get { address.load(fromByteOffset: 40, as: UInt32.self) }
        nonmutating set { address.storeBytes(of: newValue, toByteOffset: 40, as: UInt32.self) }
    }
}

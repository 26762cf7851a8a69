import Presence

/// A plain string in its slot: a key, a value, an end.
/// ```
///  0      1       12         16           20       28       36
/// +------+-------+----------+------------+--------+--------+--------------------------------------+
/// | kind | flags | key size | value size | expiry | stamp  | key and value; or (flag 1) the       |
/// |      |       |          |            | 8 B    | 8 B    | address of a block, 8 B, its size 4 B|
/// +------+-------+----------+------------+--------+--------+--------------------------------------+
/// ```
/// Flag 2: the last write changed the end alone. Other nodes are told with it, so that they announce what happened here.
///
/// Key and value of more than `inlineLimit` bytes together have a block of their own outside the slabs. It may be larger than both: what is
/// appended to has room to grow.
struct StringRecord {
    static let fixedBytes = 36
    static let inlineLimit = 2_012
    /// Bytes in the slot of a string that has a block.
    private static let slotBytesOutside = fixedBytes + 12
    private static let capacityOffset = fixedBytes + 8
    /// The most bytes of key and value together: sizes have 32 bits.
    static let maximumByteCount = Int(UInt32.max)
    private static let isOutside: UInt8 = 1
    private static let isEndAlone: UInt8 = 2

    let address: UnsafeMutableRawPointer

    @inline(__always)
    init(_ address: UnsafeMutableRawPointer) { self.address = address }

    var header: RecordHeader { RecordHeader(address) }

    /// Bytes of the slot for a key and a value.
    static func byteCount(key: Int, value: Int) -> Int {
        key + value <= inlineLimit ? fixedBytes + key + value : slotBytesOutside
    }

    /// Bytes outside the slabs for a key and a value.
    static func blockBytes(key: Int, value: Int) -> Int { key + value <= inlineLimit ? 0 : key + value }

    /// Writes the record with room for the key and `room` bytes of value. The armed tick of the slot stays.
    func initialize(
        key: UnsafeRawBufferPointer, value: UnsafeRawBufferPointer, room: Int, expiry: Timestamp, stamp: Stamp
    ) {
        header.kind = .string
        header.changePlace = 0
        address.storeBytes(of: UInt32(key.count), toByteOffset: 12, as: UInt32.self)
        self.expiry = expiry
        let bytes: UnsafeMutableRawPointer
        if key.count + room <= StringRecord.inlineLimit {
            flags = 0
            bytes = address + StringRecord.fixedBytes
        } else {
            flags = StringRecord.isOutside
            bytes = .allocate(byteCount: key.count + room, alignment: 16)
            address.storeBytes(of: UInt(bitPattern: bytes), toByteOffset: StringRecord.fixedBytes, as: UInt.self)
            address.storeBytes(
                of: UInt32(key.count + room), toByteOffset: StringRecord.capacityOffset, as: UInt32.self)
        }
        if key.count > 0 { bytes.copyMemory(from: key.baseAddress!, byteCount: key.count) }
        store(value: value, stamp: stamp)
    }

    /// Writes another value of a size for which the slot has room and which is inside as the old one was.
    func store(value: UnsafeRawBufferPointer, stamp: Stamp) {
        address.storeBytes(of: UInt32(value.count), toByteOffset: 16, as: UInt32.self)
        flags &= ~StringRecord.isEndAlone
        self.stamp = stamp
        guard value.count > 0 else { return }
        (bytes + keyCount).copyMemory(from: value.baseAddress!, byteCount: value.count)
    }

    /// Writes more behind the value, for which there must be room.
    func append(_ more: UnsafeRawBufferPointer, stamp: Stamp) {
        let count = valueCount
        address.storeBytes(of: UInt32(count + more.count), toByteOffset: 16, as: UInt32.self)
        flags &= ~StringRecord.isEndAlone
        self.stamp = stamp
        guard more.count > 0 else { return }
        (bytes + keyCount + count).copyMemory(from: more.baseAddress!, byteCount: more.count)
    }

    /// Gives the block back, if there is one. The slot is the caller's to free.
    func destroy() {
        if isOutside { bytes.deallocate() }
    }

    @inline(__always)
    var isOutside: Bool { flags & StringRecord.isOutside != 0 }

    /// Bytes of its block; 0 if it has none.
    var outsideBytes: Int {
        isOutside ? Int(address.load(fromByteOffset: StringRecord.capacityOffset, as: UInt32.self)) : 0
    }

    @inline(__always)
    private var bytes: UnsafeMutableRawPointer {
        guard isOutside else { return address + StringRecord.fixedBytes }
        let bits = address.loadUnaligned(fromByteOffset: StringRecord.fixedBytes, as: UInt.self)
        return UnsafeMutableRawPointer(bitPattern: bits).unsafelyUnwrapped
    }

    @inline(__always)
    var keyCount: Int { Int(address.load(fromByteOffset: 12, as: UInt32.self)) }
    @inline(__always)
    var valueCount: Int { Int(address.load(fromByteOffset: 16, as: UInt32.self)) }
    var key: UnsafeRawBufferPointer { UnsafeRawBufferPointer(start: bytes, count: keyCount) }
    @inline(__always)
    var value: UnsafeRawBufferPointer { UnsafeRawBufferPointer(start: bytes + keyCount, count: valueCount) }

    /// The write that made it: what replicas compare, and what a flush spares if it is newer.
    @inline(__always)
    private(set) var stamp: Stamp {
        get { Stamp(rawValue: address.loadUnaligned(fromByteOffset: 28, as: UInt64.self)) }
        nonmutating set { address.storeBytes(of: newValue.rawValue, toByteOffset: 28, as: UInt64.self) }
    }

    /// Whether the last write changed the end and nothing else: `EXPIRE`, `PERSIST`.
    var hasNewEndAlone: Bool { flags & StringRecord.isEndAlone != 0 }

    /// Makes the change of its end a write of its own.
    func noteNewEnd(_ stamp: Stamp) {
        self.stamp = stamp
        flags |= StringRecord.isEndAlone
    }

    @inline(__always)
    private var flags: UInt8 {
        get { address.load(fromByteOffset: 1, as: UInt8.self) }
        nonmutating set { address.storeBytes(of: newValue, toByteOffset: 1, as: UInt8.self) }
    }

    /// The first instant at which it is gone; `distantFuture` if it stays.
    @inline(__always)
    var expiry: Timestamp {
        get { Timestamp(milliseconds: address.loadUnaligned(fromByteOffset: 20, as: Int64.self)) }
        nonmutating set { address.storeBytes(of: newValue.milliseconds, toByteOffset: 20, as: Int64.self) }
    }

    @inline(__always)
    func isNamed(_ key: BytesKey) -> Bool {
        keyCount == key.bytes.count && BytesKey.equal(bytes, key.bytes.baseAddress, key.bytes.count)
    }

    func hasValue(_ other: UnsafeRawBufferPointer) -> Bool {
        valueCount == other.count && BytesKey.equal(bytes + keyCount, other.baseAddress, other.count)
    }

    func hash(_ hash: BytesHash) -> UInt64 { hash.bytes(key, .string) }
}

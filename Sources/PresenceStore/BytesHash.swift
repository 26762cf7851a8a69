/// The keyed hash of record names: folded 64 x 64 to 128 bit multiplications over a secret, sixteen bytes a step.
///
/// The construction is that of the "mum" family (Vladimir Makarov, 2016; Wang Yi's wyhash). It is not a cryptographic function: the secret keeps
/// those who choose names from choosing collisions, at a fifth of SipHash's cost (`docs/decisions/0003-hash.md`). Every node of a cluster has the
/// same secret, since positions in hash order are exchanged.
///
/// What the 64 bits are for:
/// ```
///  63          59 58                              12 11       4 3      0
/// +--------------+----------------------------------+-----------+--------+
/// | shard (of 32)| segment of the index, as needed  | tag       | group  |
/// +--------------+----------------------------------+-----------+--------+
/// ```
struct BytesHash {
    private let secret: (UInt64, UInt64)

    /// A hash of a secret, which is stirred first: multiplication by what is 0 or small would lose most of a name.
    init(secret: (UInt64, UInt64)) {
        self.secret = (BytesHash.stir(secret.0, 0x9e37_79b9_7f4a_7c15), BytesHash.stir(secret.1, 0x3c6e_f372_fe94_f82a))
    }

    /// The finalizer of SplitMix64 (Guy Steele, Doug Lea, Christine Flood, 2014) over a word and its place.
    private static func stir(_ word: UInt64, _ place: UInt64) -> UInt64 {
        var word = word &+ place
        word = (word ^ word >> 30) &* 0xbf58_476d_1ce4_e5b9
        word = (word ^ word >> 27) &* 0x94d0_49bb_1331_11eb
        return word ^ word >> 31
    }

    /// Strings and users share the index; their kind is part of what is hashed.
    @inline(__always)
    func callAsFunction(_ key: BytesKey, _ kind: RecordKind) -> UInt64 {
        if key.isPacked { return packed(key.first, key.second, kind) }
        return bytes(key.bytes, kind)
    }

    @inline(__always)
    func packed(_ first: UInt64, _ second: UInt64, _ kind: RecordKind) -> UInt64 {
        let folded = fold(first ^ secret.0, second ^ secret.1)
        return fold(folded ^ UInt64(kind.rawValue), secret.1 ^ 0x9e37_79b9_7f4a_7c15)
    }

    func bytes(_ bytes: UnsafeRawBufferPointer, _ kind: RecordKind) -> UInt64 {
        let count = bytes.count
        var state = secret.0 ^ fold(UInt64(count) ^ secret.1, 0xd6e8_feb8_6659_fd93 ^ UInt64(kind.rawValue))
        guard count > 0, let base = UnsafeRawPointer(bytes.baseAddress) else { return fold(state, secret.1 | 1) }
        var offset = 0
        while count &- offset > 16 {
            let a = base.loadUnaligned(fromByteOffset: offset, as: UInt64.self)
            let b = base.loadUnaligned(fromByteOffset: offset &+ 8, as: UInt64.self)
            state = fold(a ^ state, b ^ secret.1)
            offset &+= 16
        }
        let (a, b) = BytesHash.tail(base + offset, count &- offset)
        state = fold(a ^ state, b ^ secret.1)
        return fold(state ^ secret.0, 0x9e37_79b9_7f4a_7c15 ^ secret.1)
    }

    /// The hash of what names no record.
    func text(_ text: [UInt8]) -> UInt64 { text.withUnsafeBytes { bytes($0, .free) } }

    /// 1 to 16 bytes as two words; loads overlap instead of running past the end.
    @inline(__always)
    private static func tail(_ base: UnsafeRawPointer, _ count: Int) -> (UInt64, UInt64) {
        if count >= 8 {
            return (
                base.loadUnaligned(as: UInt64.self), base.loadUnaligned(fromByteOffset: count &- 8, as: UInt64.self)
            )
        }
        if count >= 4 {
            return (
                UInt64(base.loadUnaligned(as: UInt32.self)),
                UInt64(base.loadUnaligned(fromByteOffset: count &- 4, as: UInt32.self))
            )
        }
        let first = UInt64(base.load(as: UInt8.self))
        let middle = UInt64(base.load(fromByteOffset: count >> 1, as: UInt8.self))
        let last = UInt64(base.load(fromByteOffset: count &- 1, as: UInt8.self))
        return (first << 16 | middle << 8 | last, 0)
    }

    @inline(__always)
    private func fold(_ a: UInt64, _ b: UInt64) -> UInt64 {
        let product = a.multipliedFullWidth(by: b)
        return product.high ^ product.low
    }
}

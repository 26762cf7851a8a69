import Presence

/// Strings between stores: their images and digests, and what another node knows of one.
///
/// A string is one register: of two writes the one with the newer stamp holds whole, with value and end. Equal stamps are the same write. So images may
/// come in any order, late, and more than once.
extension ShardState {
    /// Appends the image of a string or a tombstone for other nodes; false if there is nothing to tell of it: a newer flush tells it, or its time is over.
    func appendStringImage(of number: UInt32, at now: Timestamp, to output: inout [UInt8]) -> Bool {
        let address = slabs.address(number)
        switch RecordHeader(address).kind {
        case .user, .free: return false
        case .tombstone:
            let record = TombstoneRecord(address)
            return append(record.tombstone, record.hash, at: now, to: &output)
        case .string:
            let string = StringRecord(address)
            guard string.expiry > now else {
                let tombstone = Tombstone(stamp: string.stamp, since: string.expiry, hasRunOut: true)
                return append(tombstone, string.hash(hash), at: now, to: &output)
            }
            guard string.stamp > flushStamp else { return false }
            StringImage.appendHeader(
                stamp: string.stamp, end: string.expiry, isEndAlone: string.hasNewEndAlone, keyCount: string.keyCount,
                to: &output)
            output.append(contentsOf: string.key)
            output.append(contentsOf: string.value)
            return true
        }
    }

    private func append(
        _ tombstone: Tombstone, _ keyHash: UInt64, at now: Timestamp, to output: inout [UInt8]
    ) -> Bool {
        guard tombstone.stamp > flushStamp, !isOld(tombstone, at: now) else { return false }
        StringImage.append(tombstone, hash: keyHash, to: &output)
        return true
    }

    /// What a string adds to a digest; nil if nothing. Tombstones add nothing: whoever lacks one misses nothing until an older write comes, and that one
    /// shows.
    func stringDigest(_ number: UInt32, at now: Timestamp) -> UInt64? {
        let address = slabs.address(number)
        guard RecordHeader(address).kind == .string else { return nil }
        let string = StringRecord(address)
        guard string.expiry > now, string.stamp > flushStamp else { return nil }
        var print = Fingerprint()
        print.add(string.hash(hash))
        print.add(string.stamp.rawValue)
        print.add(string.expiry)
        print.add(UInt64(string.valueCount))
        return print.value
    }

    // MARK: Merging

    /// The string or the tombstone of a key; 0 if it has neither.
    private func findRegister(_ keyHash: UInt64) -> UInt32 {
        index.find(keyHash) { number in
            RecordHeader(slabs.address(number)).kind != .user && hash(of: number) == keyHash
        }
    }

    /// The register of a key, once a string whose time is over has made way for its tombstone: its number, its stamp, and whether it is a string.
    private mutating func register(
        of keyHash: UInt64, at now: Timestamp
    ) -> (number: UInt32, stamp: Stamp, isString: Bool) {
        var number = findRegister(keyHash)
        if number != 0, RecordHeader(slabs.address(number)).kind == .string, string(number).expiry <= now {
            expireString(number, keyHash, at: now, isTimer: false)
            number = findRegister(keyHash)
        }
        guard number != 0 else { return (0, .zero, false) }
        let address = slabs.address(number)
        guard RecordHeader(address).kind == .string else {
            return (number, TombstoneRecord(address).tombstone.stamp, false)
        }
        return (number, StringRecord(address).stamp, true)
    }

    /// Takes another node's write of a string, if it is newer than what is known. Whether anything is known now that was not.
    mutating func mergeString(
        _ key: BytesKey, _ keyHash: UInt64, _ value: UnsafeRawBufferPointer, end: Timestamp, isEndAlone: Bool,
        stamp: Stamp, at now: Timestamp
    ) throws(StoreError) -> Bool {
        guard end > now else {
            return mergeTombstone(Tombstone(stamp: stamp, since: end, hasRunOut: true), keyHash, at: now)
        }
        guard stamp > flushStamp else { return false }
        stamps.observe(stamp)
        let known = register(of: keyHash, at: now)
        guard stamp > known.stamp else { return false }
        let keepsValue = isEndAlone && known.isString && string(known.number).hasValue(value)
        let number = try put(
            known.isString ? known.number : 0, key, keyHash, value, expiry: end, stamp: stamp, at: now)
        if isEndAlone { string(number).noteNewEnd(stamp) }
        if keepsValue {
            tell(end == .distantFuture ? .persist : .expire, ofString: key)
        } else {
            if !known.isString { tell(.new, ofString: key) }
            tell(.set, ofString: key)
            if end != .distantFuture { tell(.expire, ofString: key) }
        }
        return true
    }

    /// Takes another node's deletion, or the end of a string that it saw run out.
    mutating func mergeTombstone(_ tombstone: Tombstone, _ keyHash: UInt64, at now: Timestamp) -> Bool {
        guard tombstone.stamp > flushStamp else { return false }
        stamps.observe(tombstone.stamp)
        let known = register(of: keyHash, at: now)
        guard tombstone.stamp > known.stamp else { return false }
        guard known.isString else { return replaceTombstone(of: keyHash, with: tombstone, at: now) }
        if tombstone.hasRunOut { counters.expiredStrings += 1 }
        removeString(
            known.number, keyHash, event: tombstone.hasRunOut ? .expired : .deleted, leaving: tombstone, at: now)
        return true
    }
}

extension ShardedStore {
    /// Joins an image whose form is none of a user's.
    func mergeString(_ image: Span<UInt8>, at now: Timestamp) throws(MergeError) -> Bool {
        let read = try StringImage(image)
        let ahead = read.latestInstant.milliseconds(since: now)
        guard ahead <= maxClockOffset else { throw .fromTheFuture(milliseconds: ahead) }
        switch read.content {
        case .tombstone(let hash, let since, let hasRunOut):
            let tombstone = Tombstone(stamp: read.stamp, since: since, hasRunOut: hasRunOut)
            return withShard(shardIndex(hash), at: now) { $0.mergeTombstone(tombstone, hash, at: $1) }
        case .string(let end, let isEndAlone, let key, let value):
            do throws(StoreError) {
                return try image.withUnsafeBytes { bytes throws(StoreError) in
                    let value = UnsafeRawBufferPointer(rebasing: bytes[value])
                    let name = image.extracting(key)
                    return try withKey(.string, name, at: now) { state, key, hash, now throws(StoreError) in
                        try state.mergeString(
                            key, hash, value, end: end, isEndAlone: isEndAlone, stamp: read.stamp, at: now)
                    }
                }
            } catch {
                throw .outOfMemory
            }
        }
    }
}

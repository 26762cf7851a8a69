import Presence

/// Plain strings with an end.
extension ShardState {
    @inline(__always)
    func findString(_ key: BytesKey, _ keyHash: UInt64) -> UInt32 {
        index.find(keyHash) { number in
            let address = slabs.address(number)
            return RecordHeader(address).kind == .string && StringRecord(address).isNamed(key)
        }
    }

    func string(_ number: UInt32) -> StringRecord { StringRecord(slabs.address(number)) }

    /// As `findString`, but a string whose time is over is ended here and now.
    @inline(__always)
    mutating func findLiveString(_ key: BytesKey, _ keyHash: UInt64, at now: Timestamp) -> UInt32 {
        let number = findString(key, keyHash)
        guard number != 0, string(number).expiry <= now else { return number }
        expireString(number, keyHash, at: now, isTimer: false)
        return 0
    }

    mutating func setString(
        _ key: BytesKey, _ keyHash: UInt64, _ value: UnsafeRawBufferPointer, _ options: StringSetOptions,
        at now: Timestamp, _ previous: (Span<UInt8>) -> Void
    ) throws(StoreError) -> Bool {
        var number = findLiveString(key, keyHash, at: now)
        if number != 0 { previous(string(number).value.bindMemory(to: UInt8.self).span) }
        switch options.condition {
        case .always: break
        case .ifAbsent: if number != 0 { return false }
        case .ifPresent: if number == 0 { return false }
        }
        let expiry: Timestamp
        switch options.expiry {
        case .none: expiry = .distantFuture
        case .keep: expiry = number == 0 ? .distantFuture : string(number).expiry
        case .at(let instant): expiry = instant
        }
        if expiry <= now {
            // A key that is born dead: what was there is gone, as if it had been deleted.
            if number != 0 { removeString(number, keyHash, event: .deleted) }
            return true
        }
        let stamp = stamps.next(at: now)
        let size = StringRecord.byteCount(key: key.bytes.count, value: value.count)
        let block = StringRecord.blockBytes(key: key.bytes.count, value: value.count)
        if number != 0 {
            let string = string(number)
            if block == 0 && !string.isOutside && size <= slabs.slotSize(of: number)
                && Slabs.sizeClass(for: size) == Slabs.sizeClass(of: number)
            {
                string.store(value: value, stamp: stamp)
                string.expiry = expiry
                arm(number, string.header, by: expiry)
                return true
            }
        }
        let other = try allocate(size, blockBytes: block, sparing: number, at: now)
        // Making room may have moved other records, never this one.
        self.string(other).initialize(key: key.bytes, value: value, expiry: expiry, stamp: stamp)
        blockBytes += block
        if number != 0 {
            dropString(number)
            index.replace(keyHash, number, with: other)
        } else {
            enter(keyHash, other)
            counters.strings += 1
        }
        number = other
        arm(number, string(number).header, by: expiry)
        account()
        return true
    }

    /// Removes a string whose time is over, and says so.
    mutating func expireString(_ number: UInt32, _ keyHash: UInt64, at now: Timestamp, isTimer: Bool) {
        if isTimer { counters.lateness.record(now.milliseconds(since: string(number).expiry)) }
        counters.expiredStrings += 1
        removeString(number, keyHash, event: .expired)
    }

    /// Removes a string; an empty `event` tells nobody.
    mutating func removeString(_ number: UInt32, _ keyHash: UInt64, event: KeyspaceEvents) {
        if !event.isEmpty && settings.keyspaceInterest.contains(event) {
            ring.append(event, .string, key: .init(bytes: string(number).key))
        }
        index.remove(keyHash, number)
        counters.strings -= 1
        dropString(number)
        account()
    }

    private mutating func dropString(_ number: UInt32) {
        let string = string(number)
        blockBytes -= string.outsideBytes
        string.destroy()
        slabs.free(number)
    }
}

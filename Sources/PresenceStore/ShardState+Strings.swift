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

    @inline(__always)
    func string(_ number: UInt32) -> StringRecord { StringRecord(slabs.address(number)) }

    /// As `findString`, but a string whose time is over is ended here and now.
    @inline(__always)
    mutating func findLiveString(_ key: BytesKey, _ keyHash: UInt64, at now: Timestamp) -> UInt32 {
        let number = findString(key, keyHash)
        guard number != 0, string(number).expiry <= now else { return number }
        expireString(number, keyHash, at: now, isTimer: false)
        return 0
    }

    /// As `findLiveString`, for a command that reads the value: counts whether the key was there.
    @inline(__always)
    mutating func readString(_ key: BytesKey, _ keyHash: UInt64, at now: Timestamp) -> UInt32 {
        let number = findLiveString(key, keyHash, at: now)
        if number == 0 { counters.keyMisses += 1 } else { counters.keyHits += 1 }
        return number
    }

    /// The same as a record, for who needs no more than its value.
    @inline(__always)
    mutating func readStringRecord(_ key: BytesKey, _ keyHash: UInt64, at now: Timestamp) -> StringRecord? {
        var found: StringRecord?
        let number = index.find(keyHash) { number in
            let record = string(number)
            guard record.header.kind == .string, record.isNamed(key) else { return false }
            found = record
            return true
        }
        if let found, found.expiry > now {
            counters.keyHits += 1
            return found
        }
        if number != 0 { expireString(number, keyHash, at: now, isTimer: false) }
        counters.keyMisses += 1
        return nil
    }

    mutating func setString(
        _ key: BytesKey, _ keyHash: UInt64, _ value: UnsafeRawBufferPointer, _ options: StringSetOptions,
        at now: Timestamp, _ previous: (Span<UInt8>) -> Void
    ) throws(StoreError) -> Bool {
        let number = findLiveString(key, keyHash, at: now)
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
            setDeadString(number, key, keyHash, at: now)
            return true
        }
        try put(number, key, keyHash, value, expiry: expiry, at: now)
        if number == 0 { tell(.new, ofString: key) }
        tell(.set, ofString: key)
        if case .at = options.expiry { tell(.expire, ofString: key) }
        return true
    }

    /// A string whose end has passed when it is set: as in Redis it was there, and ran out.
    private mutating func setDeadString(
        _ number: UInt32, _ key: BytesKey, _ keyHash: UInt64, at now: Timestamp
    ) {
        if number == 0 { tell(.new, ofString: key) }
        tell(.set, ofString: key)
        tell(.expire, ofString: key)
        counters.expiredStrings += 1
        let tombstone = makeTombstone(of: keyHash, hasRunOut: true, at: now)
        if number == 0 {
            tell(.expired, ofString: key)
            // Other nodes may have the string that is not here.
            if let tombstone { replaceTombstone(of: keyHash, with: tombstone, at: now) }
        } else {
            removeString(number, keyHash, event: .expired, leaving: tombstone, at: now)
        }
    }

    /// Gives a string that exists another end; one that is not later than `now` deletes it.
    mutating func expireString(
        _ number: UInt32, _ key: BytesKey, _ keyHash: UInt64, at deadline: Timestamp, now: Timestamp
    ) {
        guard deadline > now else {
            deleteString(number, keyHash, at: now)
            return
        }
        let string = string(number)
        setExpiry(of: string, deadline)
        noteNewEnd(of: string, keyHash, at: now)
        arm(number, string.header, by: deadline)
        tell(.expire, ofString: key)
    }

    /// Takes the end of a string away; whether it had one.
    mutating func persist(_ number: UInt32, _ key: BytesKey, _ keyHash: UInt64, at now: Timestamp) -> Bool {
        guard string(number).expiry != .distantFuture else { return false }
        setExpiry(of: string(number), .distantFuture)
        noteNewEnd(of: string(number), keyHash, at: now)
        tell(.persist, ofString: key)
        return true
    }

    /// With other nodes another end is a write of its own. Without any the string keeps its stamp.
    private mutating func noteNewEnd(of string: StringRecord, _ keyHash: UInt64, at now: Timestamp) {
        if replicaLog.isKept { string.noteNewEnd(stampWrite(of: keyHash, at: now)) }
    }

    /// The stamp of a write of this node, of which others are to be told.
    @inline(__always)
    mutating func stampWrite(of keyHash: UInt64, at now: Timestamp) -> Stamp {
        replicaLog.note(keyHash, .record)
        return stamps.next(at: now)
    }

    /// The one way to another end, so that strings that have one are counted.
    @inline(__always)
    private mutating func setExpiry(of string: StringRecord, _ expiry: Timestamp) {
        counters.stringsWithEnd += (expiry == .distantFuture ? 0 : 1) - (string.expiry == .distantFuture ? 0 : 1)
        string.expiry = expiry
    }

    // MARK: Changing a value

    mutating func increment(
        _ key: BytesKey, _ keyHash: UInt64, by step: Int64, at now: Timestamp
    ) throws(StoreError) -> Int64 {
        let number = findLiveString(key, keyHash, at: now)
        var old: Int64 = 0
        var expiry = Timestamp.distantFuture
        if number != 0 {
            let text = string(number).value.bindMemory(to: UInt8.self)
            guard let value = DecimalText.parse(text.span) else { throw .notAnInteger }
            old = value
            expiry = string(number).expiry
        }
        let (sum, isTooLarge) = old.addingReportingOverflow(step)
        if isTooLarge { throw .overflow }
        _ = try DecimalText.withText(of: sum) { text throws(StoreError) in
            try text.withUnsafeBytes { text throws(StoreError) in
                try put(number, key, keyHash, text, expiry: expiry, at: now)
            }
        }
        if number == 0 { tell(.new, ofString: key) }
        tell(.incremented, ofString: key)
        return sum
    }

    mutating func append(
        _ key: BytesKey, _ keyHash: UInt64, _ more: UnsafeRawBufferPointer, maximumLength: Int, at now: Timestamp
    ) throws(StoreError) -> Int {
        let number = findLiveString(key, keyHash, at: now)
        let count = number == 0 ? 0 : string(number).valueCount
        let keyCount = key.bytes.count
        let total = count + more.count
        guard total <= maximumLength, keyCount + total <= StringRecord.maximumByteCount else { throw .stringTooLong }
        try checkReplicatedSize(keyCount + total)
        if number == 0 {
            try put(0, key, keyHash, more, expiry: .distantFuture, at: now)
            tell(.new, ofString: key)
        } else if hasRoom(number, for: keyCount + total) {
            string(number).append(more, stamp: stampWrite(of: keyHash, at: now))
        } else {
            // As Redis: room for as much again, so that appending byte by byte does not copy everything each time.
            let isOutside = StringRecord.blockBytes(key: keyCount, value: total) > 0
            let slack = isOutside ? min(total, 1 << 20, StringRecord.maximumByteCount - keyCount - total) : 0
            let other = try put(
                number, key, keyHash, string(number).value, room: total + slack, expiry: string(number).expiry, at: now)
            string(other).append(more, stamp: string(other).stamp)
        }
        tell(.appended, ofString: key)
        return total
    }

    /// Whether a string can hold `count` bytes of key and value where it is.
    private func hasRoom(_ number: UInt32, for count: Int) -> Bool {
        let string = string(number)
        if string.isOutside { return count <= string.outsideBytes }
        return count <= StringRecord.inlineLimit && StringRecord.fixedBytes + count <= slabs.slotSize(of: number)
    }

    /// Other nodes can be told of a string up to a bound.
    @inline(__always)
    private func checkReplicatedSize(_ byteCount: Int) throws(StoreError) {
        guard byteCount <= settings.maxReplicatedString else {
            throw .stringTooLongForOthers(limit: settings.maxReplicatedString)
        }
    }

    /// Writes the value of string `number`, of a new one if that is 0, with room for `room` bytes. Returns its number from now on.
    ///
    /// `value` may lie in the old record as long as `room` asks for more than the slot has. A write of another node brings its `stamp`; one of this
    /// node gets it here.
    @discardableResult
    mutating func put(
        _ number: UInt32, _ key: BytesKey, _ keyHash: UInt64, _ value: UnsafeRawBufferPointer, room: Int? = nil,
        expiry: Timestamp, stamp: Stamp? = nil, at now: Timestamp
    ) throws(StoreError) -> UInt32 {
        let room = room ?? value.count
        let keyCount = key.bytes.count
        if stamp == nil { try checkReplicatedSize(keyCount + value.count) }
        let size = StringRecord.byteCount(key: keyCount, value: room)
        let block = StringRecord.blockBytes(key: keyCount, value: room)
        if number != 0 {
            let string = string(number)
            if block == 0 && !string.isOutside && size <= slabs.slotSize(of: number)
                && Slabs.sizeClass(for: size) == Slabs.sizeClass(of: number)
            {
                string.store(value: value, stamp: stamp ?? stampWrite(of: keyHash, at: now))
                setExpiry(of: string, expiry)
                arm(number, string.header, by: expiry)
                return number
            }
        }
        let other = try allocate(size, blockBytes: block, sparing: number, at: now)
        // Making room may have moved other records, never this one.
        string(other).initialize(
            key: key.bytes, value: value, room: room, expiry: expiry,
            stamp: stamp ?? stampWrite(of: keyHash, at: now))
        if expiry != .distantFuture { counters.stringsWithEnd += 1 }
        blockBytes += block
        if number != 0 {
            dropString(number)
            index.replace(keyHash, number, with: other)
        } else {
            dropTombstone(of: keyHash)
            enter(keyHash, other)
            counters.strings += 1
        }
        arm(other, string(other).header, by: expiry)
        account()
        return other
    }

    // MARK: Ends

    /// Removes a string whose time is over, and says so. Nobody else is told: whoever has the string knows its end.
    mutating func expireString(_ number: UInt32, _ keyHash: UInt64, at now: Timestamp, isTimer: Bool) {
        let string = string(number)
        if isTimer { counters.lateness.record(now.milliseconds(since: string.expiry)) }
        counters.expiredStrings += 1
        let tombstone = Tombstone(stamp: string.stamp, since: string.expiry, hasRunOut: true)
        removeString(number, keyHash, event: .expired, leaving: tombstone, at: now)
    }

    /// Removes a string by a command of a client here.
    mutating func deleteString(_ number: UInt32, _ keyHash: UInt64, at now: Timestamp) {
        let tombstone = makeTombstone(of: keyHash, hasRunOut: false, at: now)
        removeString(number, keyHash, event: .deleted, leaving: tombstone, at: now)
    }

    /// Removes a string, and leaves a tombstone in its place if there are other nodes; without an event nobody is told.
    mutating func removeString(
        _ number: UInt32, _ keyHash: UInt64, event: KeyEvent?, leaving tombstone: Tombstone?, at now: Timestamp
    ) {
        if let event, settings.keyspaceInterest.contains(event.kind) {
            ring.append(event, .string, key: .init(bytes: string(number).key))
        }
        index.remove(keyHash, number)
        counters.strings -= 1
        dropString(number)
        if let tombstone { leave(tombstone, keyHash, at: now) }
        account()
    }

    private mutating func dropString(_ number: UInt32) {
        let string = string(number)
        if string.expiry != .distantFuture { counters.stringsWithEnd -= 1 }
        blockBytes -= string.outsideBytes
        string.destroy()
        slabs.free(number)
    }

    /// Tells those who listen for it what happened to a string.
    @inline(__always)
    mutating func tell(_ event: KeyEvent, ofString key: BytesKey) {
        guard settings.keyspaceInterest.contains(event.kind) else { return }
        ring.append(event, .string, key: .init(bytes: key.bytes))
    }
}

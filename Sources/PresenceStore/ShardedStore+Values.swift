import Presence

/// Plain strings: each operation is atomic.
extension ShardedStore {
    /// Sets a string.
    ///
    /// - Parameters:
    ///   - key: any bytes.
    ///   - value: any bytes.
    ///   - options: its end, and the condition of the write. One whose end is past is gone at once.
    ///   - now: when.
    ///   - previous: called with the value that the key had, if it existed, under the lock of its shard: copy it and return.
    /// - Returns: false, and nothing has changed, if the condition was not met.
    /// - Throws: `outOfMemory`; `stringTooLongForOthers` beyond `maxReplicatedString`.
    @discardableResult
    public func setString(
        _ key: Span<UInt8>, _ value: Span<UInt8>, _ options: StringSetOptions = StringSetOptions(), at now: Timestamp,
        previous: (Span<UInt8>) -> Void = { _ in }
    ) throws(StoreError) -> Bool {
        try value.withUnsafeBytes { bytes throws(StoreError) in
            try withKey(.string, key, at: now) { state, key, hash, now throws(StoreError) in
                try state.setString(key, hash, bytes, options, at: now, previous)
            }
        }
    }

    /// Hands the value of a string to `body`, under the lock of its shard: copy it and return.
    ///
    /// - Returns: false, and `body` is not called, if there is no such string.
    public func getString(_ key: Span<UInt8>, at now: Timestamp, _ body: (Span<UInt8>) -> Void) -> Bool {
        withKey(.string, key, at: now) { state, key, hash, now in
            guard let record = state.readStringRecord(key, hash, at: now) else { return false }
            body(record.value.bindMemory(to: UInt8.self).span)
            return true
        }
    }

    /// As `getString`, and changes the end of the string. One that is not later than `now` deletes it, after `body` has seen it.
    public func getString(
        _ key: Span<UInt8>, changing expiry: StringExpiryChange, at now: Timestamp, _ body: (Span<UInt8>) -> Void
    ) -> Bool {
        withKey(.string, key, at: now) { state, key, hash, now in
            let number = state.readString(key, hash, at: now)
            guard number != 0 else { return false }
            body(state.string(number).value.bindMemory(to: UInt8.self).span)
            switch expiry {
            case .keep: break
            case .persist: _ = state.persist(number, key, hash, at: now)
            case .at(let deadline): state.expireString(number, key, hash, at: deadline, now: now)
            }
            return true
        }
    }

    /// As `getString`, and deletes the string.
    public func takeString(_ key: Span<UInt8>, at now: Timestamp, _ body: (Span<UInt8>) -> Void) -> Bool {
        withKey(.string, key, at: now) { state, key, hash, now in
            let number = state.readString(key, hash, at: now)
            guard number != 0 else { return false }
            body(state.string(number).value.bindMemory(to: UInt8.self).span)
            state.deleteString(number, hash, at: now)
            return true
        }
    }

    /// How many bytes a string has; nil if there is none.
    public func stringLength(_ key: Span<UInt8>, at now: Timestamp) -> Int? {
        withKey(.string, key, at: now) { state, key, hash, now in
            let number = state.readString(key, hash, at: now)
            return number == 0 ? nil : state.string(number).valueCount
        }
    }

    /// Adds to a string that spells a number, 0 if there is none. Its end stays.
    ///
    /// - Returns: the sum.
    /// - Throws: `notAnInteger` unless the value is a decimal of 64 bits in its one spelling, `overflow`, `outOfMemory`; then nothing has changed.
    @discardableResult
    public func increment(_ key: Span<UInt8>, by step: Int64, at now: Timestamp) throws(StoreError) -> Int64 {
        try withKey(.string, key, at: now) { state, key, hash, now throws(StoreError) in
            try state.increment(key, hash, by: step, at: now)
        }
    }

    /// Adds bytes to the end of a string, of an empty one if there is none. Its end in time stays.
    ///
    /// - Parameters:
    ///   - key: any bytes.
    ///   - more: the bytes to add.
    ///   - maximumLength: the most bytes that the string may have then.
    ///   - now: when.
    /// - Returns: how many it has.
    /// - Throws: `stringTooLong`, `stringTooLongForOthers`, `outOfMemory`; then nothing has changed.
    /// - Complexity: O(`more`) as a rule: a string that grows is given room for as much again, at most 1 MiB.
    @discardableResult
    public func append(
        _ key: Span<UInt8>, _ more: Span<UInt8>, maximumLength: Int = .max, at now: Timestamp
    ) throws(StoreError) -> Int {
        try more.withUnsafeBytes { more throws(StoreError) in
            try withKey(.string, key, at: now) { state, key, hash, now throws(StoreError) in
                try state.append(key, hash, more, maximumLength: maximumLength, at: now)
            }
        }
    }

    /// Takes the end of a string away.
    ///
    /// - Returns: whether it had one. A presence always has an end.
    @discardableResult
    public func persistString(_ key: Span<UInt8>, at now: Timestamp) -> Bool {
        withKey(.string, key, at: now) { state, key, hash, now in
            let number = state.findLiveString(key, hash, at: now)
            return number != 0 && state.persist(number, key, hash, at: now)
        }
    }
}

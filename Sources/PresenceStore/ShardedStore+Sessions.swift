import Presence

/// Sessions: open, keep alive, end.
extension ShardedStore {
    /// Opens a session of a user, or opens it anew if it was there.
    ///
    /// - Parameters:
    ///   - user: the id, 1 to 255 bytes.
    ///   - session: the id of the connection, 1 to 255 bytes.
    ///   - device: what the session runs on, at most 128 bytes; empty for none.
    ///   - platform: the browser or the app, likewise.
    ///   - server: the gateway that holds the session, likewise.
    ///   - options: TTL, a status that it brings, whether it is passive.
    ///   - now: when.
    /// - Returns: the live sessions of the user now, passive ones too.
    /// - Throws: when an id, a word or the TTL is out of bounds, the user has too many sessions, or memory is out; then nothing has changed.
    /// - Complexity: O(sessions of the user).
    @discardableResult
    public func connect(
        _ user: Span<UInt8>, session: Span<UInt8>, device: Span<UInt8>, platform: Span<UInt8>, server: Span<UInt8>,
        _ options: ConnectOptions = ConnectOptions(), at now: Timestamp
    ) throws(StoreError) -> Int {
        try checkID(user)
        try checkID(session)
        try checkWords(device, platform, server)
        return try withWords(device, platform, server) { words throws(StoreError) in
            try session.withUnsafeBytes { bytes throws(StoreError) in
                let key = BytesKey(bytes)
                return try withUser(user, at: now) { state, user, hash, now throws(StoreError) in
                    let ttl = try state.settings.ttl(
                        options.ttlMilliseconds, atLeast: ShardSettings.minimumSessionTTL,
                        isPassive: options.isPassive)
                    let facts = Session(
                        incarnation: .zero, heartbeat: now, ttlMilliseconds: ttl, brought: options.brought,
                        isPassive: options.isPassive)
                    return try state.connect(user, hash, key, words, facts, reason: .connect, at: now)
                }
            }
        }
    }

    /// Alive, and if `isActive` a person acted there.
    ///
    /// - Returns: false if the session is unknown or over: connect again.
    /// - Complexity: one look-up; allocates nothing.
    @discardableResult
    public func beat(_ user: Span<UInt8>, session: Span<UInt8>, isActive: Bool = false, at now: Timestamp) -> Bool {
        session.withUnsafeBytes { bytes in
            let key = BytesKey(bytes)
            return withUser(user, at: now) { state, user, hash, now in
                state.beat(state.find(user, hash), key, isActive: isActive, at: now)
            }
        }
    }

    /// The end of a session: a goodbye, or a loss that was noticed (`Reason.isLoss`), which is announced once its grace is over. A goodbye that comes
    /// meanwhile, or while a storm holds the loss back, ends that.
    ///
    /// - Returns: whether the session was live, or its loss held back until this goodbye.
    @discardableResult
    public func disconnect(
        _ user: Span<UInt8>, session: Span<UInt8>, reason: Reason = .disconnect, at now: Timestamp
    ) -> Bool {
        session.withUnsafeBytes { bytes in
            let key = BytesKey(bytes)
            return withUser(user, at: now) { state, user, hash, now in
                state.disconnect(user, hash, key, reason: reason, at: now)
            }
        }
    }

    /// The end of all sessions of a user by a goodbye, and of what holds back that some were lost.
    ///
    /// - Returns: whether one was live, or a grace ran.
    @discardableResult
    public func disconnectAll(_ user: Span<UInt8>, reason: Reason = .disconnect, at now: Timestamp) -> Bool {
        withUser(user, at: now) { state, user, hash, now in
            let number = state.find(user, hash)
            guard number != 0 else { return false }
            return state.closeAll(number, reason: reason, leavesGrace: true, isClean: !reason.isLoss, at: now)
        }
    }

    /// Writes the seed's record: the session is opened, or beaten if it lives, with the status and activity that the record tells; one that says
    /// offline ends the session.
    ///
    /// - Parameters:
    ///   - user: the id, 1 to 255 bytes.
    ///   - session: the id of the connection, 1 to 255 bytes.
    ///   - device: what the session runs on, at most 128 bytes; empty for none.
    ///   - platform: the browser or the app, likewise.
    ///   - server: the gateway that holds the session, likewise.
    ///   - write: what the record says, and the condition of the write.
    ///   - now: when.
    ///   - previous: called with the record as `writeRecord` would have written it, if the key existed, under the lock of its shard: copy it and
    ///     return. Without it nothing is written out.
    /// - Returns: false, and nothing has changed, if the write's condition was not met.
    /// - Throws: as `connect`, and `activityTooOld`; a TTL may be shorter here, since existing Redis code chooses it freely: one that is over ends the key.
    @discardableResult
    public func write(
        _ user: Span<UInt8>, session: Span<UInt8>, device: Span<UInt8>, platform: Span<UInt8>, server: Span<UInt8>,
        _ write: RecordWrite, at now: Timestamp, previous: (Span<UInt8>) -> Void
    ) throws(StoreError) -> Bool {
        try self.write(user, session, device, platform, server, write, at: now) { state, user, hash in
            let room = ShardedStore.maximumRecordBytes
            var exists = false
            let record = [UInt8](room: room) { out in
                exists = state.writeRecord(user, hash, at: now, into: &out)
            }
            if exists { previous(record.span) }
        }
    }

    /// The same without a look at the record that was there.
    @discardableResult
    public func write(
        _ user: Span<UInt8>, session: Span<UInt8>, device: Span<UInt8>, platform: Span<UInt8>, server: Span<UInt8>,
        _ write: RecordWrite, at now: Timestamp
    ) throws(StoreError) -> Bool {
        try self.write(user, session, device, platform, server, write, at: now) { _, _, _ in }
    }

    private func write(
        _ user: Span<UInt8>, _ session: Span<UInt8>, _ device: Span<UInt8>, _ platform: Span<UInt8>,
        _ server: Span<UInt8>, _ write: RecordWrite, at now: Timestamp,
        first look: (inout ShardState, BytesKey, UInt64) -> Void
    ) throws(StoreError) -> Bool {
        try checkID(user)
        try checkID(session)
        try checkWords(device, platform, server)
        return try withWords(device, platform, server) { words throws(StoreError) in
            try session.withUnsafeBytes { bytes throws(StoreError) in
                let key = BytesKey(bytes)
                return try withUser(user, at: now) { state, user, hash, now throws(StoreError) in
                    look(&state, user, hash)
                    return try state.setRecord(user, hash, key, words, write, at: now)
                }
            }
        }
    }

    // MARK: Bounds

    /// Whether these bytes may be the id of a user, or of a session.
    @inline(__always)
    func checkID(_ id: Span<UInt8>) throws(StoreError) {
        let limit = BytesKey.maximumIDLength
        if id.count > limit { throw .idTooLong(limit: limit) }
        if id.isEmpty { throw .idEmpty }
    }

    private func checkWords(
        _ device: Span<UInt8>, _ platform: Span<UInt8>, _ server: Span<UInt8>
    ) throws(StoreError) {
        let limit = WordTable.maximumLength
        if device.count > limit || platform.count > limit || server.count > limit { throw .wordTooLong(limit: limit) }
    }

    private func withWords<Result>(
        _ device: Span<UInt8>, _ platform: Span<UInt8>, _ server: Span<UInt8>,
        _ body: (ShardState.Words) throws(StoreError) -> Result
    ) throws(StoreError) -> Result {
        try device.withUnsafeBytes { device throws(StoreError) in
            try platform.withUnsafeBytes { platform throws(StoreError) in
                try server.withUnsafeBytes { server throws(StoreError) in
                    try body(ShardState.Words(device: device, platform: platform, server: server))
                }
            }
        }
    }
}

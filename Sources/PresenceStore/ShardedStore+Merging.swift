import Presence

/// Facts of users between stores that hold the same users: what one knows as bytes, and joining such bytes with what another knows.
///
/// Merging is a join: images may come in any order, late, and more than once, and stores that have seen the same ones agree on every status, version and
/// view. All stores must have the secret of the hash in common (`hashSecret`), and each a `node` of its own, since edges name users by hash and stamps
/// name nodes. Instants in an image are the writer's clock's; `maxClockOffset` bounds how far ahead of this store's they may lie.
extension ShardedStore {
    /// All that is known of a user, in bytes that ``merge(_:at:)`` takes; nil if nothing is.
    ///
    /// A session that has run out is not in it. One that a lease keeps alive is told with a later heartbeat: leases are not merged.
    ///
    /// - Returns: about 90 bytes for a user with one session, and 27 more an edge; the same bytes for the same facts.
    /// - Complexity: O(sessions + edges), under one lock.
    public func image(of user: Span<UInt8>, at now: Timestamp) -> [UInt8]? {
        withUser(user, at: now) { state, key, hash, now -> [UInt8]? in
            let number = state.find(key, hash)
            guard number != 0 else { return nil }
            var image: [UInt8] = []
            state.appendUserImage(of: number, at: now, to: &image)
            return image
        }
    }

    /// The same by text, now.
    public func image(of user: String) -> [UInt8]? { image(of: user.utf8.span, at: clock.now()) }

    /// Joins an image with what is known here, now: see ``merge(_:at:)``.
    @discardableResult
    public func merge(_ image: [UInt8]) throws(MergeError) -> Bool { try merge(image.span, at: clock.now()) }

    /// Joins what another store knows of a user with what this one knows, and announces what comes of it: once, with the version that it has there.
    ///
    /// - Returns: whether anything is known now that was not.
    /// - Throws: why the image was not taken; nothing has changed then.
    /// - Complexity: O(sessions + edges), under one lock.
    @discardableResult
    public func merge(_ image: Span<UInt8>, at now: Timestamp) throws(MergeError) -> Bool {
        try merge(image, from: 0, at: now)
    }

    /// The same of an image that node `sender` made: its word on the sessions that were last beaten there ends the waiting for it.
    package func merge(_ image: Span<UInt8>, from sender: UInt8, at now: Timestamp) throws(MergeError) -> Bool {
        if image.count > 0, image[0] == StringImage.form { return try mergeString(image, at: now) }
        switch try take(image, from: sender, at: now) {
        case .known: return false
        case .taken: return true
        case .notPlain: return try mergeFacts(of: image, from: sender, at: now)
        }
    }

    /// When something was written last that an image tells of, signs of life aside; nil of one that cannot be read.
    package static func lastWrite(in image: Span<UInt8>) -> Timestamp? {
        if image.count > 0, image[0] == StringImage.form { return try? StringImage(image).latestInstant }
        return try? UserImage.facts(in: image).lastWrite
    }

    /// The hash of the key that an image tells of; nil of one that cannot be read.
    package func keyHash(in image: Span<UInt8>) -> UInt64? {
        guard image.count > 0, image[0] == StringImage.form else {
            return (try? UserImage.facts(in: image)).map { userHash($0.id.span) }
        }
        switch (try? StringImage(image))?.content {
        case .tombstone(let hash, _, _): return hash
        case .string(_, _, let key, _):
            return image.extracting(key).withUnsafeBytes { hash(BytesKey(verbatim: $0), .string) }
        case nil: return nil
        }
    }

    /// Merges an image by the facts in it, whatever it has.
    func mergeFacts(of image: Span<UInt8>, from sender: UInt8, at now: Timestamp) throws(MergeError) -> Bool {
        let facts = try UserImage.facts(in: image)
        let ahead = facts.latestInstant.milliseconds(since: now)
        guard ahead <= maxClockOffset else { throw .fromTheFuture(milliseconds: ahead) }
        guard facts.isWithinReach(of: now) else { throw .outOfReach }
        var outcome = ShardState.MergeOutcome()
        let user = userHash(facts.id.span)
        do throws(StoreError) {
            outcome = try withUser(facts.id.span, at: now) { state, key, hash, now throws(StoreError) in
                try state.merge(facts, from: sender, key, hash, at: now)
            }
        } catch {
            throw .outOfMemory
        }
        for other in outcome.changedEdges { relationChanged(user, other) }
        return outcome.hasChanged
    }

    /// Takes an image of the usual user the short way, if it is one.
    func take(
        _ image: Span<UInt8>, from sender: UInt8, at now: Timestamp
    ) throws(MergeError) -> ShardState.PlainOutcome {
        guard let plain = PlainImage(image), plain.isOfOurTime(now, maxClockOffset: maxClockOffset) else {
            return .notPlain
        }
        do throws(StoreError) {
            return try image.withUnsafeBytes { bytes throws(StoreError) in
                let id = UnsafeRawBufferPointer(rebasing: bytes[plain.id])
                let user = BytesKey(stored: id, isPacked: plain.isPacked)
                let hash = hash(user, .user)
                return try withShard(shardIndex(hash), at: now) { state, now throws(StoreError) in
                    try state.take(plain, bytes, from: sender, user, hash, at: now)
                }
            }
        } catch {
            throw .outOfMemory
        }
    }
}

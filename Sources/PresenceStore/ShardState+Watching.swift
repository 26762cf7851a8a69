import Presence

/// Who watches whom: lists of watchers on the records of those who are watched.
extension ShardState {
    /// What a watcher finds when he looks at one user.
    struct Sight {
        var view: View
        var activity: [UInt8]?
        /// The user's id; nil where nobody asked for it, and of one who is not known.
        var id: [UInt8]?
    }

    /// Hangs a watcher on the record of a user, who becomes known by it. Returns the watcher's node, and whether nothing was known of him before.
    ///
    /// A list of his own does not count: whoever may not see him would see by it whether there is room that he is on one.
    mutating func addWatcher(
        _ mark: ShardWatchers.Mark, _ user: BytesKey, _ userHash: UInt64, isHimself: Bool, at now: Timestamp
    ) throws(StoreError) -> (node: UInt32, isNew: Bool) {
        var number = find(user, userHash)
        let isNew = number == 0
        let list = isNew ? 0 : record(number).firstWatcher
        let others = watchers.length(of: list) - watchers.ownLength(of: list)
        guard isHimself || others < min(settings.maxWatchersPerUser, ShardWatchers.most - 3) else {
            throw .tooManyWatchers(limit: settings.maxWatchersPerUser)
        }
        if isNew { number = try known(user, userHash, at: now) }
        if !record(number).hasWatchers {
            let record: UserRecord
            do throws(StoreError) {
                record = try insertRoom(&number, self.record(number).watchersOffset, UserRecord.watchersBytes, at: now)
            } catch {
                if isNew { forgetUnsaid(ofHash: userHash, at: now) }
                throw error
            }
            record.firstWatcher = 0
            arm(number, evidence(of: record, at: now, near: now), at: now)
        }
        let record = record(number)
        let node = watchers.add(mark, to: record.firstWatcher, isHimself: isHimself)
        record.firstWatcher = node
        if isHimself { record.watchesHimself = true }
        account()
        return (node, isNew)
    }

    /// Takes a watcher off again.
    mutating func removeWatcher(_ node: UInt32, ofHash userHash: UInt64) {
        let number = find(userHash: userHash)
        guard number != 0, record(number).hasWatchers else { return }
        let record = record(number)
        record.firstWatcher = watchers.remove(node, from: record.firstWatcher)
        record.watchesHimself = watchers.ownLength(of: record.firstWatcher) > 0
        guard record.firstWatcher == 0 else { return }
        // The last is gone: the record gives his place back.
        let end = record.byteCount
        let offset = record.watchersOffset
        (record.address + offset).copyMemory(
            from: record.address + offset + UserRecord.watchersBytes,
            byteCount: end - offset - UserRecord.watchersBytes)
        record.clearWatchers()
        account()
    }

    /// What the watcher of that hash sees of the user of the other.
    mutating func sight(
        ofHash userHash: UInt64, for viewer: UInt64, _ side: ViewerSide, withID: Bool, at now: Timestamp
    ) -> Sight? {
        let number = find(userHash: userHash)
        guard number != 0 else { return nil }
        let view = view(number, for: viewer, isSelf: userHash == viewer, side, at: now)
        let record = record(number)
        return Sight(
            view: view, activity: activity(number, view, at: now),
            id: withID ? BytesText.expand(record.id, isPacked: record.isPacked) : nil)
    }

    /// Something of a user changed that his watchers may see.
    @inline(__always)
    mutating func noteForWatchers(_ record: UserRecord) {
        guard record.hasWatchers, !record.isToBeTold else { return }
        record.isToBeTold = true
        watchers.enqueue(record.hash(hash))
        account()
    }

    /// Of one who is, or was until now, invisible, only he himself can see what changes: nothing is announced then.
    @inline(__always)
    mutating func noteForHimself(_ record: UserRecord) {
        if record.watchesHimself, record.hasManual { noteForWatchers(record) }
    }

    /// The same by the hash of his name.
    mutating func noteForWatchers(ofHash userHash: UInt64) {
        let number = find(userHash: userHash)
        if number != 0 { noteForWatchers(record(number)) }
    }

    /// Hands out up to `limit` watchers that must look again. Returns whether there are more.
    mutating func takeMarks(_ limit: Int, into marks: inout [ShardWatchers.Mark]) -> Bool {
        while marks.count < limit {
            if watchers.next == 0 {
                guard let hash = watchers.dequeue() else { break }
                account()
                let number = find(userHash: hash)
                guard number != 0 else { continue }
                // What changes from here on is told once more.
                record(number).isToBeTold = false
                watchers.begin(record(number).firstWatcher)
            }
            watchers.take(limit - marks.count, into: &marks)
        }
        return watchers.hasWork
    }
}

/// Who has read all that there was in a shard and waits to be woken.
struct IdleReaders: OptionSet {
    let rawValue: UInt8

    /// Readers of the ring, and who pumps watches: woken by anything that is announced or noted.
    static let ofNews = IdleReaders(rawValue: 1)
    /// Links to other nodes: woken only by what those are to be told. What was merged from them is none of it.
    static let ofLog = IdleReaders(rawValue: 2)
    /// The same, where it is heartbeats alone: others wait a margin for those, so the next look at the time will do. Nobody is idle of this kind.
    static let ofBeats = IdleReaders(rawValue: 4)
}

extension ShardState {
    /// The log of changes was read to its end: whoever read it is woken by the next change.
    mutating func awaitChanges() {
        idleReaders.insert(.ofLog)
        idleLogEnd = replicaLog.end
    }

    /// Those who are to be woken since there is something new; they are idle no more, but for links that are told of heartbeats: the next change wakes them.
    @inline(never)
    mutating func takeIdleReaders() -> IdleReaders {
        var woken = idleReaders
        let hasBeats = woken.contains(.ofLog) && replicaLog.end > idleLogEnd
        if replicaLog.recordEnd <= idleLogEnd { woken.remove(.ofLog) }
        idleReaders.subtract(woken)
        if hasBeats, !woken.contains(.ofLog) {
            idleLogEnd = replicaLog.end
            // A change of the same key behind it has an entry of its own, which wakes.
            replicaLog.close(upTo: idleLogEnd)
            woken.insert(.ofBeats)
        }
        return woken
    }
}

import Presence
import PresenceStore
import PresenceTesting

/// A viewer at the end of a line: what he was told, and what he may still hold from an earlier time.
struct ModelViewer {
    /// What he knows of whom.
    struct Known: Equatable {
        var status: Status
        var activity: SlowModel.Name?
    }

    /// Whom he listed.
    var listed: Set<SlowModel.Name> = []
    var known: [SlowModel.Name: Known] = [:]
    /// Of whom a reply told: those who listen hear that once more.
    var replied: Set<SlowModel.Name> = []
    /// Whether somebody was ever taken off the list, and who was put on it since: those who listen are told of them.
    var hasRemoved = false
    var putOn: Set<SlowModel.Name> = []
    /// Knowledge that he went away with, by the cursor of then.
    var earlier: [(cursor: String, known: [SlowModel.Name: Known])] = []
}

/// Lists, frames and cursors against the model's sights: what is told is what may be seen at that instant, nothing is told twice, and after quiet
/// everybody knows everything that he may.
extension ModelRun {
    mutating func watch(_ viewer: Name) throws(Difference) {
        var asked: [Name] = []
        for _ in 0..<Int.random(in: 1...4, using: &random) { asked.append(random.pick(users)) }
        var line = viewers[viewer] ?? ModelViewer()
        // With the newest cursor, an old one, one of nobody's, or none.
        var cursor = ""
        var before = line.known
        var isOwn = false
        switch Int.random(in: 0..<4, using: &random) {
        case 0: cursor = random.pick(["0", "12-", "beef-1", "-"])
        case 1, 2:
            if !line.earlier.isEmpty {
                let place = random.pick(line.earlier)
                cursor = place.cursor
                before = place.known
                isOwn = true
            }
        default: break
        }
        note("watch \(viewer) \(asked) since \(cursor)")
        let (bytes, ranges) = ModelRun.joined(asked)
        let reply: WatchReply
        do throws(StoreError) {
            reply = try store.watch(
                viewer.bytes.span, since: Array(cursor.utf8).span, bytes.span, ranges.span, at: now
            ) { _ in }
        } catch {
            throw difference("\(error)")
        }
        known.formUnion(asked)
        try agree(reply.isResumed, isOwn, "resumed")
        if !reply.isResumed { try agree(reply.rows.map { Name($0.id) }, asked, "those in a snapshot") }
        for row in reply.rows {
            let user = Name(row.id)
            try check(row, viewer)
            let told = ModelViewer.Known(status: row.status, activity: row.activity.map { Name($0) })
            before[user] = told
            if line.known[user] != nil { line.replied.insert(user) }
            line.known[user] = told
        }
        if line.hasRemoved { line.putOn.formUnion(Set(asked).subtracting(line.listed)) }
        line.listed.formUnion(asked)
        for user in asked {
            let sight = model.sight(of: user, for: viewer)
            let expected = ModelViewer.Known(status: sight.status, activity: sight.activity)
            try agree(before[user], expected, "what \(viewer) knows of \(user) after \(reply)")
            // Who was on the list and did not change since is not told again, but known all the same.
            line.known[user] = expected
        }
        // What he knew of the others then is what he holds with this cursor.
        line.earlier.append((reply.cursor, line.known))
        if line.earlier.count > 4 { line.earlier.removeFirst() }
        viewers[viewer] = line
    }

    mutating func unwatch(_ viewer: Name) throws(Difference) {
        if random.chance(oneIn: 4), let watch = store.watch(of: viewer.bytes.span) {
            note("end of the watch of \(viewer)")
            try agree(store.endWatch(watch), viewers[viewer]?.listed.count ?? 0, "ended rows")
            viewers[viewer] = nil
            return
        }
        let asked = Set([random.pick(users), random.pick(users)])
        note("unwatch \(viewer) \(asked)")
        let (bytes, ranges) = ModelRun.joined(Array(asked))
        let expected = viewers[viewer]?.listed.intersection(asked).count ?? 0
        try agree(store.unwatch(viewer.bytes.span, bytes.span, ranges.span), expected, "rows taken off")
        if expected > 0 { viewers[viewer]?.hasRemoved = true }
        for user in asked {
            viewers[viewer]?.putOn.remove(user)
            viewers[viewer]?.listed.remove(user)
            viewers[viewer]?.known[user] = nil
        }
        // With an older cursor those who left the list are new on it.
        viewers[viewer]?.earlier = []
    }

    /// Takes all frames there are.
    mutating func takeFrames() throws(Difference) {
        for shard in 0..<plan.shards {
            while store.pumpWatches(shard: shard, limit: random.pick([1, 2, 256])) {}
        }
        for viewer in users {
            guard let watch = store.watch(of: viewer.bytes.span) else { continue }
            while true {
                let (frame, hasMore) = store.takeFrame(of: watch, at: now, limit: random.pick([1, 64, 1_000]))
                if let frame { try take(frame, viewer) }
                if !hasMore { break }
            }
        }
    }

    private mutating func take(_ frame: WatchFrame, _ viewer: Name) throws(Difference) {
        for row in frame.rows {
            let user = Name(row.id)
            try check(row, viewer)
            try agree(viewers[viewer]?.listed.contains(user), true, "\(user) is on the list of \(viewer)")
            let told = ModelViewer.Known(status: row.status, activity: row.activity.map { Name($0) })
            let isPutOn = viewers[viewer]?.putOn.remove(user) != nil
            let isRepeated = viewers[viewer]?.replied.remove(user) != nil || isPutOn
            if viewers[viewer]?.known[user] == told, !isRepeated { throw difference("\(viewer) is told again: \(row)") }
            viewers[viewer]?.known[user] = told
        }
        if let known = viewers[viewer]?.known, random.chance(oneIn: 3) {
            viewers[viewer]?.earlier.append((frame.cursor, known))
        }
    }

    private func check(_ row: ViewRow, _ viewer: Name) throws(Difference) {
        let sight = model.sight(of: Name(row.id), for: viewer)
        let told = SlowModel.Sight(
            status: row.status, lastSeen: row.lastSeen, activity: row.activity.map { Name($0) })
        try agree(told, sight, "what \(viewer) is told of \(Name(row.id))")
    }

    /// After quiet: what everybody knows is what he may see.
    func compareViewers() throws(Difference) {
        for (viewer, line) in viewers {
            try agree(line.putOn, [], "those put on the list of \(viewer) of whom nobody who listens was told")
            for user in line.listed {
                let sight = model.sight(of: user, for: viewer)
                let expected = ModelViewer.Known(status: sight.status, activity: sight.activity)
                try agree(line.known[user], expected, "what \(viewer) knows of \(user)")
            }
        }
    }
}

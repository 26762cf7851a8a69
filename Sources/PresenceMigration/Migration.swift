import Presence
import Synchronization

/// Copies the presences of a running Redis to a presenced, and follows their changes until it is told to stop.
///
/// ```
///  source --pmessage--> ChangeInbox --keys, each once--+
///  source --SCAN------> keys of one page --------------+--> CopyBatch: TYPE | GET HMGET PTTL | SET PX --> target
/// ```
/// The subscription stands before the first `SCAN`, so that no change is missed. What changes is read again, as it is then;
/// so no order of events can leave a wrong state behind. When a connection is lost, both are opened anew and everything is
/// read again: what changed meanwhile is copied, and who left meanwhile ends on the target by his TTL.
///
/// Memory: a page of keys, the keys that wait (bounded), and ``Mirror``. One task does everything, one exchange at a time.
package final class Migration: Sendable {
    let options: MigrationOptions
    let names: KeyNames
    let now: @Sendable () -> Timestamp
    let say: @Sendable (MigrationNotice) -> Void
    let dialer: MigrationDialer
    let inbox = ChangeInbox()
    private let isStopped = Atomic(false)

    /// - Parameters:
    ///   - now: reads the clock.
    ///   - say: takes what there is to say, from any thread.
    /// - Throws: ``MigrationError/badPattern(_:)``.
    package init(
        _ options: MigrationOptions, now: @escaping @Sendable () -> Timestamp,
        say: @escaping @Sendable (MigrationNotice) -> Void
    ) throws(MigrationError) {
        self.options = options
        self.now = now
        self.say = say
        dialer = MigrationDialer(tls: options.tls)
        names = try KeyNames(pattern: options.pattern, prefix: options.keyPrefix)
    }

    /// Ends ``run()`` in order, within the time that one exchange takes.
    package func stop() {
        isStopped.store(true, ordering: .releasing)
        inbox.bell.ring()
    }

    private var mustStop: Bool { isStopped.load(ordering: .acquiring) }

    /// Copies, and follows if it is to. Says the summary before it returns or throws, if anything was begun.
    package func run() async throws(MigrationError) {
        var work = Work(isFollowing: options.isFollowing, retries: options.retries, rate: options.rate)
        var failure: MigrationError?
        do throws(MigrationError) {
            try await attempts(&work)
        } catch {
            failure = error
        }
        await putBack(work)
        await dialer.stop()
        work.counts.changes = inbox.heard
        if work.hasBegun {
            say(.summary(MigrationReport.summary(work.counts, wasFollowing: options.isFollowing)))
        }
        if let failure { throw failure }
    }

    /// What the task knows.
    struct Work: Sendable {
        var counts = MigrationCounts()
        var mirror: Mirror
        var report = MigrationReport()
        var backoff: Backoff
        var pace: Pace
        var hasBegun = false
        /// `notify-keyspace-events` as it was, and as it was set.
        var notifications: (before: String, set: String)?
        var saidAt = Timestamp.distantPast
        var saidLine = ""

        init(isFollowing: Bool, retries: Int, rate: Int) {
            mirror = Mirror(isKept: isFollowing)
            backoff = Backoff(limit: retries)
            pace = Pace(rate: rate)
        }
    }

    /// The connections of one attempt, and what the target allows.
    struct Connections: Sendable {
        var source: RedisWire
        var target: RedisWire
        var subscriber: RedisWire?
        var names: KeyNames
        var hardLimitMilliseconds: Int64

        func close() async {
            await source.close()
            await target.close()
            await subscriber?.close()
        }
    }

    // MARK: - Attempts

    private func attempts(_ work: inout Work) async throws(MigrationError) {
        while !mustStop {
            do throws(MigrationError) {
                let connections = try await connect(&work)
                let outcome: MigrationError?
                do throws(MigrationError) {
                    try await copyAndFollow(connections, &work)
                    outcome = nil
                } catch {
                    outcome = error
                }
                await connections.close()
                guard let outcome else { return }
                throw outcome
            } catch {
                // What is wrong from the start is not tried again.
                guard error.isLoss, work.hasBegun, !mustStop else {
                    if mustStop, error.isLoss { return }
                    throw error
                }
                guard let pause = work.backoff.next() else {
                    throw .gaveUp(attempts: work.backoff.attempts, last: error.description)
                }
                if case .unreachable = error {} else { work.counts.losses += 1 }
                say(.event("\(error); connecting again in \(pause) ms"))
                await waitOut(pause)
            }
        }
    }

    /// Waits so long, or until told to stop.
    private func waitOut(_ milliseconds: Int64) async {
        let end = now().advanced(byMilliseconds: milliseconds)
        while !mustStop, case let rest = end.milliseconds(since: now()), rest > 0 {
            await dialer.wait(milliseconds: rest, inbox.bell)
        }
    }

    // MARK: - Copying

    private func copyAndFollow(_ connections: Connections, _ work: inout Work) async throws(MigrationError) {
        repeat {
            try await copyAll(connections, &work)
            work.backoff.succeed()
            if options.isFollowing, !mustStop {
                say(.event("everything was copied; following changes until told to stop (Ctrl-C)"))
            }
            try await follow(connections, &work)
        } while !mustStop && inbox.hasOverflowed
    }

    /// Reads every key once, and what changes meanwhile.
    private func copyAll(_ connections: Connections, _ work: inout Work) async throws(MigrationError) {
        if inbox.hasOverflowed { work.counts.overflows += 1 }
        inbox.forget()
        work.mirror.beginRound()
        var cursor = "0"
        var scanned = 0
        var seen: [[UInt8]] = []
        repeat {
            let page = try await scan(connections, from: cursor, count: work.pace.batch)
            cursor = page.cursor
            seen = page.keys
            while !seen.isEmpty, !mustStop {
                let keys = seen.suffix(work.pace.batch).map { ChangedKeys.Entry(key: $0, change: .written) }
                seen.removeLast(keys.count)
                scanned += keys.count
                try await copy(keys, connections, &work)
                try await copyChanges(connections, &work)
                tellProgress(.copying, &work, scanned: scanned)
            }
        } while cursor != "0" && !mustStop && !inbox.hasOverflowed
        // What waits by now, and no more: under steady change there would be no end. Keys that changed their kind while
        // they were read wait here too, even if nothing is followed.
        var rest = inbox.count
        while rest > 0, !mustStop {
            rest -= work.pace.batch
            try await copyChanges(connections, &work)
        }
        if !mustStop, !inbox.hasOverflowed { work.mirror.endRound() }
        tellProgress(.copying, &work, scanned: scanned, isLast: true)
    }

    private func scan(
        _ connections: Connections, from cursor: String, count: Int
    ) async throws(MigrationError) -> (cursor: String, keys: [[UInt8]]) {
        let requests = Requests("SCAN", cursor, "MATCH", connections.names.pattern, "COUNT", "\(count)")
        let reply = try await connections.source.exchange(requests)[0]
        if case .error(let text) = reply {
            throw text.hasPrefix("LOADING") ? .lost(.source, text) : .refused(.source, "SCAN", text)
        }
        guard reply.elements.count == 2, let next = reply.elements[0].string, case .array(let keys) = reply.elements[1]
        else {
            throw .refused(.source, "SCAN", "its reply is not a cursor and keys")
        }
        return (next, keys.compactMap { if case .bytes(let key) = $0 { key } else { nil } })
    }

    /// Waits for changes and copies them, until told to stop or too many wait.
    private func follow(_ connections: Connections, _ work: inout Work) async throws(MigrationError) {
        guard options.isFollowing, let subscriber = connections.subscriber else { return }
        var askedAt = now()
        while !mustStop, !inbox.hasOverflowed {
            if inbox.isLost { throw .lost(.source, "the subscription ended") }
            if inbox.count > 0 {
                try await copyChanges(connections, &work)
            } else {
                await dialer.wait(milliseconds: min(options.progressMilliseconds, 1_000), inbox.bell)
            }
            tellProgress(.following, &work, scanned: 0)
            if now().milliseconds(since: askedAt) >= Self.silenceMilliseconds {
                // Without changes nobody would notice that a server is gone.
                askedAt = now()
                for wire in [connections.source, connections.target, subscriber] {
                    _ = try await wire.exchange(Requests("PING"))
                }
            }
        }
    }

    /// After how long all connections are tried.
    private static let silenceMilliseconds: Int64 = 5_000

    private func copyChanges(_ connections: Connections, _ work: inout Work) async throws(MigrationError) {
        let entries = inbox.take(work.pace.batch)
        if !entries.isEmpty { try await copy(entries, connections, &work) }
    }

    private func copy(
        _ entries: [ChangedKeys.Entry], _ connections: Connections, _ work: inout Work
    ) async throws(MigrationError) {
        await waitOut(work.pace.wait(before: entries.count, at: now()))
        var batch = CopyBatch(
            entries, names: connections.names, hardLimitMilliseconds: connections.hardLimitMilliseconds)
        let kinds = try await connections.source.exchange(batch.kinds())
        let values = try await connections.source.exchange(batch.values(kinds, &work.counts))
        let commands = try batch.commands(values, &work.mirror, &work.counts) { inbox.add($0, .written) }
        let replies = try await connections.target.exchange(commands)
        try batch.finish(replies, &work.mirror, &work.counts)
    }

    private func tellProgress(
        _ phase: MigrationReport.Phase, _ work: inout Work, scanned: Int, isLast: Bool = false
    ) {
        let now = now()
        guard isLast || now.milliseconds(since: work.saidAt) >= options.progressMilliseconds else { return }
        work.saidAt = now
        work.counts.changes = inbox.heard
        let line = work.report.progress(phase, work.counts, scanned: scanned, waiting: inbox.count, at: now)
        // While nothing happens there is nothing to say.
        guard line != work.saidLine else { return }
        work.saidLine = line
        say(.progress(line))
    }
}

import Presence
import PresenceRESP
import PresenceStore

/// Who is there: what services read of users.
enum PresenceQueryCommands {
    static let table: [Command] = [
        Command(
            "presence.get", "key [AS viewerkey]", arity: -2, [.readOnly, .fast], [.presence], keys: .one,
            reach: .arguments, since: "0.1.0", group: "presence",
            "Status, last seen, activity and version of a user, or what a viewer may know of him", get),
        Command(
            "presence.mget", "key [key ...]", arity: -2, [.readOnly, .fast], [.presence], keys: .all, since: "0.1.0",
            group: "presence", complexity: "O(N) where N is the number of users", "The statuses of several users",
            getAll),
        Command(
            "presence.sessions", "key", arity: 2, [.readOnly], [.presence], keys: .one, since: "0.1.0",
            group: "presence",
            complexity: "O(N) where N is the number of sessions", "The live sessions of a user", sessions),
        Command(
            "presence.set",
            "key [STATUS auto | dnd | away | idle | invisible] [ACTIVITY text] "
                + "[VISIBILITY everyone | friends | nobody] [LASTSEEN everyone | friends | nobody | coarse] "
                + "[EX seconds | PX milliseconds]",
            arity: -4, [.write, .denyOutOfMemory, .fast], [.presence], keys: .one, keyUse: .readWrite, since: "0.1.0",
            group: "presence", "Sets a user's status and activity by hand, for good or for a time, and who may see him",
            set),
        Command(
            "presence.count", "[BY status | device | platform | server]", arity: -1, [.readOnly], [.presence],
            since: "0.1.0", group: "presence", complexity: "O(shards), O(words) BY a word",
            "How many users are in each status, or live sessions with each word", count),
        Command(
            "presence.help", "[command]", arity: -1, [.loading, .stale, .fast, .noAuth], [.presence], since: "0.1.0",
            group: "presence", "What presenced can do, or what one command does", help),
        Command(
            "presence.advance", "milliseconds", arity: 2, [.admin], [.presence, .admin, .dangerous], since: "0.1.0",
            group: "presence", "Moves the clock of a server for tests, and lets what is due happen", advance),
    ]

    // MARK: - One user

    @Sendable private static func get(
        _ loop: ServerLoop, _ client: Client, _ request: borrowing RequestReader, _ bytes: Span<UInt8>,
        _ reply: inout ReplyBuffer
    ) {
        guard let user = loop.user(bytes, request.argument(1), &reply) else { return }
        if request.argumentCount > 2 {
            guard request.argumentCount == 4, Word(bytes, request.argument(2)) == "AS" else {
                reply.error("ERR syntax error")
                return
            }
            guard let viewer = loop.user(bytes, request.argument(3), &reply) else { return }
            ViewCommands.write(
                loop.store.view(of: bytes.extracting(user), for: bytes.extracting(viewer), at: loop.now),
                at: loop.now, &reply)
            return
        }
        let description = loop.store.describe(bytes.extracting(user), at: loop.now)
        reply.map(6)
        reply.bulk("userId")
        reply.bulk(bytes.extracting(user))
        reply.bulk("status")
        reply.bulk((description?.status ?? .offline).word)
        reply.bulk("lastSeen")
        write(description?.lastSeen, &reply)
        reply.bulk("lastStatusChange")
        write(description?.lastStatusChange, &reply)
        reply.bulk("activity")
        write(description?.activity, &reply)
        reply.bulk("version")
        if let version = description?.version, version != .zero {
            // As text: it has 64 bits, and many clients keep 53 of a number.
            reply.bulk(String(version.rawValue))
        } else {
            reply.null()
        }
    }

    @Sendable private static func sessions(
        _ loop: ServerLoop, _ client: Client, _ request: borrowing RequestReader, _ bytes: Span<UInt8>,
        _ reply: inout ReplyBuffer
    ) {
        guard let user = loop.user(bytes, request.argument(1), &reply) else { return }
        let sessions = loop.store.sessions(of: bytes.extracting(user), at: loop.now)
        reply.array(sessions.count)
        for session in sessions {
            reply.map(9)
            reply.bulk("connectionId")
            reply.bulk(session.id)
            reply.bulk("status")
            reply.bulk(session.status.word)
            reply.bulk("deviceType")
            write(session.device, &reply)
            reply.bulk("platform")
            write(session.platform, &reply)
            reply.bulk("serverId")
            write(session.server, &reply)
            reply.bulk("lastHeartbeat")
            reply.integer(Int(session.lastHeartbeat.milliseconds))
            reply.bulk("lastActivity")
            write(session.lastActivity, &reply)
            reply.bulk("expiresAt")
            reply.integer(Int(session.expiresAt.milliseconds))
            reply.bulk("home")
            write(home(session.home, loop), &reply)
        }
    }

    /// The name of the node that a session was last beaten at; nil if no node has that number any more.
    private static func home(_ number: UInt8, _ loop: ServerLoop) -> [UInt8]? {
        guard let cluster = loop.configuration.cluster, cluster.nodes.count > 1 else {
            return Array(loop.configuration.nodeName.utf8)
        }
        return cluster.node(number).map { Array($0.name.utf8) }
    }

    private static func write(_ instant: Timestamp?, _ reply: inout ReplyBuffer) {
        if let instant { reply.integer(Int(instant.milliseconds)) } else { reply.null() }
    }

    private static func write(_ text: [UInt8]?, _ reply: inout ReplyBuffer) {
        if let text { reply.bulk(text) } else { reply.null() }
    }

    @Sendable private static func set(
        _ loop: ServerLoop, _ client: Client, _ request: borrowing RequestReader, _ bytes: Span<UInt8>,
        _ reply: inout ReplyBuffer
    ) {
        guard let user = loop.user(bytes, request.argument(1), &reply) else { return }
        var given = GivenOptions()
        var settings = UserSettings()
        for index in stride(from: 2, to: request.argumentCount, by: 2) {
            let option = Word(bytes, request.argument(index))
            guard index + 1 < request.argumentCount, given.isFirst(option) else {
                reply.error("ERR syntax error")
                return
            }
            let value = request.argument(index + 1)
            switch option {
            case "STATUS":
                if Word(bytes, value) == "AUTO" {
                    settings.status = .some(nil)
                } else if let status = ManualStatus(word: bytes.extracting(value)) {
                    settings.status = .some(status)
                } else {
                    reply.error("ERR STATUS is auto, dnd, away, idle or invisible")
                    return
                }
            case "VISIBILITY":
                guard let visibility = Visibility(word: bytes.extracting(value)) else {
                    reply.error("ERR VISIBILITY is everyone, friends or nobody")
                    return
                }
                settings.visibility = visibility
            case "LASTSEEN":
                guard let lastSeen = LastSeenVisibility(word: bytes.extracting(value)) else {
                    reply.error("ERR LASTSEEN is everyone, friends, nobody or coarse")
                    return
                }
                settings.lastSeen = lastSeen
            case "ACTIVITY":
                settings.activity = .some(Text.array(bytes, value))
            case "EX", "PX":
                let unit: Lifetimes.Unit = option == "EX" ? .seconds : .milliseconds
                guard
                    let end = Lifetimes.end(bytes, value, unit, after: loop.now, command: "presence.set", &reply)
                else { return }
                settings.until = end
            default:
                reply.error("ERR syntax error")
                return
            }
        }
        do throws(StoreError) {
            try loop.store.set(bytes.extracting(user), settings, at: loop.now)
            reply.simple("OK")
        } catch {
            reply.error(error.message)
        }
    }

    // MARK: - Many users

    @Sendable private static func getAll(
        _ loop: ServerLoop, _ client: Client, _ request: borrowing RequestReader, _ bytes: Span<UInt8>,
        _ reply: inout ReplyBuffer
    ) {
        loop.ranges.removeAll(keepingCapacity: loop.ranges.capacity <= ServerLoop.retainedRanges)
        for index in 1..<request.argumentCount {
            guard let user = loop.user(bytes, request.argument(index), &reply) else { return }
            loop.ranges.append(KeyRange(offset: user.lowerBound, length: user.count))
        }
        let ranges = loop.ranges
        reply.array(ranges.count)
        loop.withStore {
            $0.statuses(bytes, ranges.span, at: loop.now) { _, status in reply.bulk(status.word) }
        }
    }

    @Sendable private static func count(
        _ loop: ServerLoop, _ client: Client, _ request: borrowing RequestReader, _ bytes: Span<UInt8>,
        _ reply: inout ReplyBuffer
    ) {
        var by: Word = "STATUS"
        if request.argumentCount > 1 {
            guard request.argumentCount == 3, Word(bytes, request.argument(1)) == "BY" else {
                reply.error("ERR syntax error")
                return
            }
            by = Word(bytes, request.argument(2))
        }
        switch by {
        case "STATUS":
            let counts = loop.store.countByStatus()
            reply.map(counts.count)
            for (status, count) in counts.reversed() {
                reply.bulk(status.word)
                reply.integer(count)
            }
        case "DEVICE": WordCount.tell(.device, loop, client, &reply)
        case "PLATFORM": WordCount.tell(.platform, loop, client, &reply)
        case "SERVER": WordCount.tell(.server, loop, client, &reply)
        default: reply.error("ERR BY takes status, device, platform or server")
        }
    }

    // MARK: - Help and tests

    @Sendable private static func help(
        _ loop: ServerLoop, _ client: Client, _ request: borrowing RequestReader, _ bytes: Span<UInt8>,
        _ reply: inout ReplyBuffer
    ) {
        switch request.argumentCount {
        case 1:
            HelpText.writeOverview(&reply)
        case 2:
            let name = Text.string(bytes, request.argument(1), limit: 64)
            guard let command = HelpText.command(named: name) else {
                reply.error("ERR no command '\(name)' here; PRESENCE.HELP lists those of presence, COMMAND LIST all")
                return
            }
            HelpText.write(command, &reply)
        default:
            reply.error("ERR wrong number of arguments for 'presence.help' command")
        }
    }

    /// Moves the clock as time itself would, 10 ms at a step, so that what happens has the instants it would have had. By nothing: what is due now happens.
    @Sendable private static func advance(
        _ loop: ServerLoop, _ client: Client, _ request: borrowing RequestReader, _ bytes: Span<UInt8>,
        _ reply: inout ReplyBuffer
    ) {
        guard let clock = loop.server.manualClock, loop.configuration.debugCommands.admits(client) else {
            reply.error("ERR PRESENCE.ADVANCE needs the settings manual-clock yes and enable-debug-command yes")
            return
        }
        guard let milliseconds = Numbers.integer(bytes, request.argument(1)), milliseconds >= 0 else {
            reply.error("ERR value is not an integer or out of range")
            return
        }
        guard milliseconds <= maximumAdvance else {
            reply.error("ERR time goes on by at most \(maximumAdvance) milliseconds at once, which is ten years")
            return
        }
        var left = milliseconds
        let step = max(10, left / 20_000)
        repeat {
            clock.advance(byMilliseconds: min(step, left))
            left -= min(step, left)
            for shard in 0..<loop.store.shardCount {
                var isBehind = true
                while isBehind {
                    isBehind = loop.store.advance(shard: shard, to: clock.now(), budget: 128).isBehind
                    // What is told is read in between; but a transaction's replies come first.
                    guard !loop.isExecuting, loop.publisher.reader?.isFarBehind(shard: shard) == true else { continue }
                    loop.deliverEvents(current: client, &reply)
                }
            }
        } while left > 0
        loop.now = clock.now()
        // Otherwise looked for once a second of real time.
        loop.endIdleWatches()
        reply.simple("OK")
    }

    /// Ten years.
    private static let maximumAdvance: Int64 = 315_360_000_000
}

import Presence
import PresenceRESP
import PresenceStore

/// Who may know what of whom: users as another user sees them.
enum ViewCommands {
    static let table: [Command] = [
        Command(
            "presence.view", "viewerkey key [key ...]", arity: -3, [.readOnly, .fast], [.presence], keys: .one,
            reach: .arguments, since: "0.1.0", group: "presence", complexity: "O(N) where N is the number of users",
            "The statuses of several users as a viewer may see them", view),
        Command(
            "presence.explain", "key [AS viewerkey]", arity: -2, [.readOnly], [.presence], keys: .one,
            reach: .arguments, since: "0.1.0", group: "presence",
            complexity: "O(N) where N is the number of sessions, friends and blocked users",
            "Why a user is shown as he is, what comes next, and what a viewer sees", explain),
    ]

    @Sendable private static func explain(
        _ loop: ServerLoop, _ client: Client, _ request: borrowing RequestReader, _ bytes: Span<UInt8>,
        _ reply: inout ReplyBuffer
    ) {
        guard let user = loop.user(bytes, request.argument(1), &reply) else { return }
        let explanation: Explanation
        if request.argumentCount == 2 {
            explanation = loop.store.explain(bytes.extracting(user), for: nil, at: loop.now)
        } else {
            guard request.argumentCount == 4, Word(bytes, request.argument(2)) == "AS" else {
                reply.error("ERR syntax error")
                return
            }
            guard let viewer = loop.user(bytes, request.argument(3), &reply) else { return }
            // Within EXEC nothing is said of lists.
            if !loop.isExecuting { loop.endIfIdle(Text.array(bytes, viewer)) }
            explanation = loop.store.explain(bytes.extracting(user), for: bytes.extracting(viewer), at: loop.now)
        }
        let lines = explanation.lines
        reply.array(lines.count)
        for line in lines { reply.bulk(Array(line.utf8)) }
    }

    @Sendable private static func view(
        _ loop: ServerLoop, _ client: Client, _ request: borrowing RequestReader, _ bytes: Span<UInt8>,
        _ reply: inout ReplyBuffer
    ) {
        guard let viewer = loop.user(bytes, request.argument(1), &reply),
            loop.takeUsers(bytes, request, from: 2, &reply)
        else { return }
        let ranges = loop.ranges
        reply.array(ranges.count)
        loop.store.views(for: bytes.extracting(viewer), bytes, ranges.span, at: loop.now) { _, status in
            reply.bulk(status.word)
        }
    }

    /// What a viewer may know of one user, as a map. It tells no version: those count changes that he may not have seen.
    static func write(_ view: UserView, at now: Timestamp, _ reply: inout ReplyBuffer) {
        reply.map(5)
        reply.bulk("userId")
        reply.bulk(view.id)
        reply.bulk("status")
        reply.bulk(view.status.word)
        reply.bulk("lastSeen")
        write(view.lastSeen, at: now, &reply)
        reply.bulk("lastStatusChange")
        if let instant = view.lastStatusChange { reply.integer(Int(instant.milliseconds)) } else { reply.null() }
        reply.bulk("activity")
        if let activity = view.activity { reply.bulk(activity) } else { reply.null() }
    }

    /// An instant, a span of time such as `within a day`, or nothing.
    static func write(_ lastSeen: LastSeen, at now: Timestamp, _ reply: inout ReplyBuffer) {
        switch lastSeen {
        case .unknown: reply.null()
        case .exact(let instant): reply.integer(Int(instant.milliseconds))
        case .coarse: reply.bulk((lastSeen.span(at: now) ?? .longAgo).word)
        }
    }
}

extension ServerLoop {
    /// Takes the users that all arguments from `first` on name into `ranges`; false, and an error is written, if one names none.
    func takeUsers(
        _ bytes: Span<UInt8>, _ request: borrowing RequestReader, from first: Int, _ reply: inout ReplyBuffer
    ) -> Bool {
        ranges.removeAll(keepingCapacity: ranges.capacity <= ServerLoop.retainedRanges)
        for index in first..<request.argumentCount {
            guard let user = user(bytes, request.argument(index), &reply) else { return false }
            ranges.append(KeyRange(offset: user.lowerBound, length: user.count))
        }
        return true
    }
}

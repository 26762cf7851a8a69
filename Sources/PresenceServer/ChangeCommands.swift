import Presence
import PresenceRESP
import PresenceStore

/// Changes for services that ask in place of listening.
enum ChangeCommands {
    /// Rows of one answer at most, and as a rule.
    private static let maximumCount = 10_000
    private static let usualCount = 100

    static let table: [Command] = [
        Command(
            "presence.changes", "cursor [COUNT count] [BLOCK milliseconds]", arity: -2, [.readOnly], [.presence],
            since: "0.1.0", group: "presence", complexity: "O(shards), and the changes that are read",
            "Users who changed since a cursor, as they are now: 0 is the oldest kept, $ from now on", changes)
    ]

    /// What was asked for.
    struct Question {
        var cursor: ShardedStore.ChangeCursor
        var count = usualCount
        /// Milliseconds to wait for a change, 0 for ever; nil not at all.
        var block: Int64?
    }

    @Sendable private static func changes(
        _ loop: ServerLoop, _ client: Client, _ request: borrowing RequestReader, _ bytes: Span<UInt8>,
        _ reply: inout ReplyBuffer
    ) {
        guard var question = question(request, bytes, &reply) else { return }
        do throws(StoreError) {
            let found = try loop.store.changes(since: question.cursor, limit: question.count, at: loop.now)
            guard found.users.isEmpty, let block = question.block, !loop.isExecuting else {
                write(found, &reply)
                return
            }
            // What comes from here on is waited for, also if `$` was asked for.
            question.cursor = .text(Array(found.cursor.utf8))
            ChangeWait.begin(question, for: client, milliseconds: block, loop)
        } catch {
            reply.error(error.message)
        }
    }

    private static func question(
        _ request: borrowing RequestReader, _ bytes: Span<UInt8>, _ reply: inout ReplyBuffer
    ) -> Question? {
        let text = Text.array(bytes, request.argument(1))
        var question = Question(
            cursor: text == [UInt8(ascii: "0")] ? .oldest : text == [UInt8(ascii: "$")] ? .newest : .text(text))
        var given = GivenOptions()
        for index in stride(from: 2, to: request.argumentCount, by: 2) {
            let option = Word(bytes, request.argument(index))
            guard index + 1 < request.argumentCount, given.isFirst(option) else {
                reply.error("ERR syntax error")
                return nil
            }
            let number = Numbers.integer(bytes, request.argument(index + 1))
            switch option {
            case "COUNT":
                guard let number, number >= 1, number <= Int64(maximumCount) else {
                    reply.error("ERR COUNT is 1 to \(maximumCount)")
                    return nil
                }
                question.count = Int(number)
            case "BLOCK":
                guard let number, number >= 0 else {
                    reply.error("ERR timeout is not an integer or out of range")
                    return nil
                }
                question.block = number
            default:
                reply.error("ERR syntax error")
                return nil
            }
        }
        return question
    }

    static func write(_ found: (cursor: String, users: [ChangedUser]), _ reply: inout ReplyBuffer) {
        reply.array(2)
        reply.bulk(found.cursor)
        reply.array(found.users.count)
        for user in found.users {
            reply.array(5)
            reply.bulk(user.id)
            reply.bulk(user.status.word)
            if let seen = user.lastSeen { reply.integer(Int(seen.milliseconds)) } else { reply.null() }
            if let activity = user.activity { reply.bulk(activity) } else { reply.null() }
            // As text: it has 64 bits, and many clients keep 53 of a number.
            if user.version != .zero { reply.bulk(String(user.version.rawValue)) } else { reply.null() }
        }
    }
}

/// One client that waits for a change. Touched on its event loop only, but for its wake-up.
final class ChangeWait: ClientWait, @unchecked Sendable {
    private let question: ChangeCommands.Question
    private let client: Client
    private let loop: ServerLoop
    private var listener: ShardListener?
    /// What ends the wait; taken back with it, since it may be a year off.
    private(set) var plannedEnd: ServerLoop.Planned?
    /// Whether a look is on its way already.
    private var isAwake = false

    private init(_ question: ChangeCommands.Question, _ client: Client, _ loop: ServerLoop) {
        self.question = question
        self.client = client
        self.loop = loop
    }

    /// Lets the client wait for something to come after the question's cursor, so many milliseconds at most, 0 for ever.
    static func begin(_ question: ChangeCommands.Question, for client: Client, milliseconds: Int64, _ loop: ServerLoop)
    {
        let wait = ChangeWait(question, client, loop)
        client.wait = wait
        client.handler.wait()
        loop.server.blockedClients.wrappingAdd(1, ordering: .relaxed)
        wait.listener = loop.server.store.listen { [weak wait] _ in wait?.wake() }
        if milliseconds > 0 {
            // An hour at most at a time would do as well: nobody waits for years.
            let bounded = min(milliseconds, 86_400_000 * 365)
            wait.plannedEnd = loop.eventLoop.assumeIsolated().scheduleTask(in: .milliseconds(bounded)) { [weak wait] in
                wait?.look(isLast: true)
            }
        }
        // What came since the first look.
        wait.wake()
    }

    /// Ends the wait of a client that is gone.
    func cancel() {
        guard let listener else { return }
        self.listener = nil
        plannedEnd?.cancel()
        plannedEnd = nil
        loop.server.store.cancel(listener)
        loop.server.blockedClients.wrappingSubtract(1, ordering: .relaxed)
        client.wait = nil
    }

    private func wake() {
        loop.eventLoop.execute { [self] in
            guard listener != nil, !isAwake else { return }
            isAwake = true
            // A little later: of a burst of changes one look sees them all.
            loop.afterOthers { self.look(isLast: false) }
        }
    }

    private func look(isLast: Bool) {
        guard listener != nil else { return }
        isAwake = false
        let store = loop.server.store
        if !isLast { store.awaitNews() }
        do throws(StoreError) {
            let found = try store.changes(
                since: question.cursor, limit: question.count, at: loop.server.clock.now())
            guard isLast || !found.users.isEmpty else { return }
            cancel()
            client.handler.resume { ChangeCommands.write(found, &$0) }
        } catch {
            cancel()
            client.handler.resume { $0.error(error.message) }
        }
    }
}

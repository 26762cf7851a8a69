import PresenceRESP
import PresenceStore

/// The commands of one read, run one after the other: the innermost loop of the server.
///
/// Heartbeats that follow one another are run as one batch. What a beat costs is the wait for a cold record, 150 to 300 ns; the batch lets
/// those waits overlap. Their replies are the same, in the same order.
enum Pipeline {
    /// Why the loop ended.
    enum Stop {
        /// There is nothing more in the bytes.
        case consumed
        /// The rest is half a command.
        case incomplete
        /// The replies should be written before the rest is run.
        case batchIsFull
        /// The client's next command must wait.
        case paused
        /// The turn has gone on for long enough: others are next.
        case turnIsOver
    }

    /// What a run did.
    struct Outcome {
        var consumed = 0
        var commands = 0
        var stop = Stop.consumed
        var failure: ProtocolError?
    }

    /// Replies that are written before the rest of a read is looked at, so that a pipeline of large replies is bounded.
    static let replyBatchBytes = 256 * 1024

    /// Heartbeats in one batch: the store's group.
    private static let beatLimit = 128

    /// Runs what is whole in `bytes`. Nothing here allocates, and nothing writes to a channel.
    static func run(
        _ bytes: Span<UInt8>, _ reader: inout RequestReader, _ loop: ServerLoop, _ client: Client,
        _ reply: inout ReplyBuffer
    ) -> Outcome {
        let table = CommandTable.shared
        var outcome = Outcome()
        var beats = BeatBatch(loop)
        // A command has the name of the one before, as a rule.
        var name = Word.none
        var number = -1
        // A subscriber must see events where they happened; so must tests.
        let tellsAtOnce = client.isSubscribed || loop.server.manualClock != nil
        reading: while outcome.consumed < bytes.count {
            switch reader.next(in: bytes, from: outcome.consumed) {
            case .command:
                outcome.commands &+= 1
                if reader.commandsRead > 1 { Lookahead.prefetch(reader, bytes, loop) }
                if reader.isInlineDecoded {
                    beats.run(bytes, loop, &reply)
                    let decoded = reader.inlineBytes
                    let number = table.number(of: Word(decoded.span, reader.argument(0)))
                    if loop.holds(number, client) {
                        reader.forgetCommandsAhead()
                        outcome.commands &-= 1
                        outcome.stop = .paused
                        break reading
                    }
                    CommandDispatch.run(number, table, loop, client, reader, decoded.span, &reply)
                } else {
                    let word = Word(bytes, reader.argument(0))
                    if word != name { (name, number) = (word, table.number(of: word)) }
                    if number == table.beat || number == table.active, !tellsAtOnce, loop.isPlain(client),
                        beats.take(number == table.active, reader, bytes, loop, client, &reply)
                    {
                        client.lastCommand = number
                        outcome.consumed &+= reader.consumed
                        if beats.count == beatLimit { beats.run(bytes, loop, &reply) }
                        continue
                    }
                    beats.run(bytes, loop, &reply)
                    if loop.holds(number, client) {
                        reader.forgetCommandsAhead()
                        outcome.commands &-= 1
                        outcome.stop = .paused
                        break reading
                    }
                    CommandDispatch.run(number, table, loop, client, reader, bytes, &reply)
                }
                outcome.consumed &+= reader.consumed
                if client.hasNewLimits { client.handler.takeLimits(&reader) }
                if tellsAtOnce || client.isSubscribed, loop.hasEvents { loop.deliverEvents(current: client, &reply) }
                if client.isSuspended || client.closesAfterReply {
                    outcome.stop = .paused
                    break reading
                }
                if outcome.commands % ServerLoop.commandsBetweenLooks == 0 { loop.lookAtTurn() }
                if loop.isTurnOver {
                    outcome.stop = .turnIsOver
                    break reading
                }
                if reply.count >= replyBatchBytes || !loop.scrutiny.isEmpty && loop.hasManyMonitorLines {
                    outcome.stop = .batchIsFull
                    break reading
                }
            case .empty:
                outcome.consumed &+= reader.consumed
            case .incomplete:
                outcome.stop = .incomplete
                break reading
            case .failure(let error):
                outcome.failure = error
                outcome.consumed = bytes.count
                break reading
            }
        }
        beats.run(bytes, loop, &reply)
        beats.giveBack(loop)
        return outcome
    }
}

/// Heartbeats that were read and not run yet.
private struct BeatBatch {
    /// User, session, user, session, ... The memory is the loop's, lent for a read.
    private var ranges: [KeyRange] = []
    private var isActive = false

    var count: Int { ranges.count / 2 }

    init(_ loop: ServerLoop) {
        swap(&ranges, &loop.beatRanges)
    }

    func giveBack(_ loop: ServerLoop) {
        loop.beatRanges = ranges
    }

    /// Takes a heartbeat into the batch; false if it is one that has something wrong, and must be run by itself.
    @inline(__always)
    mutating func take(
        _ isActive: Bool, _ request: borrowing RequestReader, _ bytes: Span<UInt8>, _ loop: ServerLoop,
        _ client: Client,
        _ reply: inout ReplyBuffer
    ) -> Bool {
        guard request.argumentCount == 3, client.isAuthenticated else { return false }
        let key = request.argument(1)
        guard loop.isPresence(bytes, key) else { return false }
        if isActive != self.isActive {
            run(bytes, loop, &reply)
            self.isActive = isActive
        }
        let session = request.argument(2)
        let prefix = loop.keyPrefix.count
        ranges.append(KeyRange(offset: key.lowerBound &+ prefix, length: key.count &- prefix))
        ranges.append(KeyRange(offset: session.lowerBound, length: session.count))
        return true
    }

    /// Runs the batch and answers each beat.
    @inline(__always)
    mutating func run(_ bytes: Span<UInt8>, _ loop: ServerLoop, _ reply: inout ReplyBuffer) {
        guard !ranges.isEmpty else { return }
        runAll(bytes, loop, &reply)
    }

    private mutating func runAll(_ bytes: Span<UInt8>, _ loop: ServerLoop, _ reply: inout ReplyBuffer) {
        if ranges.count == 2 {
            let user = ranges[0]
            let session = ranges[1]
            let isKnown = loop.withStore {
                $0.beat(
                    bytes.extracting(user.offset..<user.offset &+ user.length),
                    session: bytes.extracting(session.offset..<session.offset &+ session.length), isActive: isActive,
                    at: loop.now)
            }
            reply.integer(isKnown ? 1 : 0)
        } else {
            var answered = 0
            loop.withStore {
                $0.beatAll(bytes, ranges.span, isActive: isActive, at: loop.now) { position in
                    while answered < position &- 1 {
                        reply.integer(1)
                        answered &+= 1
                    }
                    reply.integer(0)
                    answered = position
                }
            }
            let count = ranges.count / 2
            while answered < count {
                reply.integer(1)
                answered &+= 1
            }
        }
        ranges.removeAll(keepingCapacity: true)
    }
}

import Presence
import PresenceRESP
import PresenceStore

/// Opening, beating and closing sessions: what every client of the product does, most of it `BEAT`.
enum SessionCommands {
    static let table: [Command] = [
        Command(
            "presence.connect",
            "key session [DEVICE device] [PLATFORM platform] [SERVER server] [EX seconds | PX milliseconds] "
                + "[STATUS dnd | away | idle] [PASSIVE]",
            arity: -3, [.write, .denyOutOfMemory, .fast], [.presence], keys: .one, keyUse: .readWrite, since: "0.1.0",
            group: "presence",
            "Opens a session of a user, or opens it anew; a PASSIVE one (a calendar) makes nobody online, and may live for a day",
            connect),
        Command(
            "presence.beat", "key session", arity: 3, [.write, .fast], [.presence], keys: .one, keyUse: .readWrite,
            since: "0.1.0", group: "presence", "The session is alive"
        ) { beat($0, $2, $3, &$4, isActive: false) },
        Command(
            "presence.active", "key session", arity: 3, [.write, .fast], [.presence], keys: .one, keyUse: .readWrite,
            since: "0.1.0", group: "presence", "The session is alive, and a person acted"
        ) { beat($0, $2, $3, &$4, isActive: true) },
        Command(
            "presence.mbeat", "key session [key session ...]", arity: -3, [.write, .fast], [.presence], keys: .pairs,
            keyUse: .readWrite, since: "0.1.0", group: "presence", complexity: "O(N) where N is the number of sessions",
            "Several sessions are alive"
        ) { beatAll("presence.mbeat", $0, $2, $3, &$4, isActive: false) },
        Command(
            "presence.mactive", "key session [key session ...]", arity: -3, [.write, .fast], [.presence], keys: .pairs,
            keyUse: .readWrite, since: "0.1.0", group: "presence", complexity: "O(N) where N is the number of sessions",
            "Several sessions are alive, and their persons acted"
        ) { beatAll("presence.mactive", $0, $2, $3, &$4, isActive: true) },
        Command(
            "presence.disconnect",
            "key session [REASON disconnect | ws_disconnect | heartbeat_timeout | lease_lost | dropped]",
            arity: -3, [.write, .fast], [.presence], keys: .one, keyUse: .readWrite, since: "0.1.0", group: "presence",
            "Closes a session", disconnect),
        Command(
            "presence.lease", "server <EX seconds | PX milliseconds>", arity: 4, [.write, .denyOutOfMemory],
            [.presence], since: "0.1.0", group: "presence", complexity: "O(shards)",
            "All sessions of a gateway are alive, until the lease ends", lease),
        Command(
            "presence.drop", "server", arity: 2, [.write], [.presence], since: "0.1.0", group: "presence",
            complexity: "O(shards), and the sessions in slices", "All sessions of a gateway are lost", drop),
    ]

    // MARK: - CONNECT

    @Sendable private static func connect(
        _ loop: ServerLoop, _ client: Client, _ request: borrowing RequestReader, _ bytes: Span<UInt8>,
        _ reply: inout ReplyBuffer
    ) {
        guard let user = loop.user(bytes, request.argument(1), &reply) else { return }
        var given = GivenOptions()
        var options = ConnectOptions()
        var device = 0..<0
        var platform = 0..<0
        var server = 0..<0
        var index = 3
        while index < request.argumentCount {
            let option = Word(bytes, request.argument(index))
            guard given.isFirst(option) else {
                reply.error("ERR syntax error")
                return
            }
            if option == "PASSIVE" {
                options.isPassive = true
                index += 1
                continue
            }
            guard index + 1 < request.argumentCount else {
                reply.error("ERR syntax error")
                return
            }
            let value = request.argument(index + 1)
            switch option {
            case "DEVICE": device = value
            case "PLATFORM": platform = value
            case "SERVER": server = value
            case "EX", "PX":
                guard
                    let ttl = Lifetimes.milliseconds(
                        bytes, value, isSeconds: option == "EX", command: "presence.connect", &reply)
                else { return }
                options.ttlMilliseconds = ttl
            case "STATUS":
                guard let status = SessionStatus(word: bytes.extracting(value)) else {
                    reply.error("ERR STATUS of a session is dnd, away or idle")
                    return
                }
                options.brought = status
            default:
                reply.error("ERR syntax error")
                return
            }
            index += 2
        }
        do {
            let count = try loop.store.connect(
                bytes.extracting(user), session: bytes.extracting(request.argument(2)),
                device: bytes.extracting(device), platform: bytes.extracting(platform),
                server: bytes.extracting(server), options, at: loop.now)
            reply.integer(count)
        } catch {
            reply.error(error.message)
        }
    }

    // MARK: - Beats

    @inline(__always)
    private static func beat(
        _ loop: ServerLoop, _ request: borrowing RequestReader, _ bytes: Span<UInt8>, _ reply: inout ReplyBuffer,
        isActive: Bool
    ) {
        guard let user = loop.user(bytes, request.argument(1), &reply) else { return }
        let isKnown = loop.store.beat(
            bytes.extracting(user), session: bytes.extracting(request.argument(2)), isActive: isActive, at: loop.now)
        reply.integer(isKnown ? 1 : 0)
    }

    private static func beatAll(
        _ command: StaticString, _ loop: ServerLoop, _ request: borrowing RequestReader, _ bytes: Span<UInt8>,
        _ reply: inout ReplyBuffer, isActive: Bool
    ) {
        guard request.argumentCount % 2 == 1 else {
            reply.error("ERR wrong number of arguments for '\(command)' command")
            return
        }
        loop.ranges.removeAll(keepingCapacity: loop.ranges.capacity <= ServerLoop.retainedRanges)
        for index in stride(from: 1, to: request.argumentCount, by: 2) {
            guard let user = loop.user(bytes, request.argument(index), &reply) else { return }
            let session = request.argument(index + 1)
            loop.ranges.append(KeyRange(offset: user.lowerBound, length: user.count))
            loop.ranges.append(KeyRange(offset: session.lowerBound, length: session.count))
        }
        let ranges = loop.ranges
        reply.array(upTo: ranges.count / 2) { reply in
            var unknown = 0
            loop.store.beatAll(bytes, ranges.span, isActive: isActive, at: loop.now) { position in
                reply.integer(position)
                unknown += 1
            }
            return unknown
        }
    }

    // MARK: - Gateways

    @Sendable private static func lease(
        _ loop: ServerLoop, _ client: Client, _ request: borrowing RequestReader, _ bytes: Span<UInt8>,
        _ reply: inout ReplyBuffer
    ) {
        let unit = Word(bytes, request.argument(2))
        guard unit == "EX" || unit == "PX" else {
            reply.error("ERR syntax error")
            return
        }
        guard
            let lifetime = Lifetimes.milliseconds(
                bytes, request.argument(3), isSeconds: unit == "EX", command: "presence.lease", &reply)
        else { return }
        do throws(StoreError) {
            let server = bytes.extracting(request.argument(1))
            reply.integer(try loop.store.lease(server, forMilliseconds: lifetime, at: loop.now))
        } catch {
            reply.error(error.message)
        }
    }

    @Sendable private static func drop(
        _ loop: ServerLoop, _ client: Client, _ request: borrowing RequestReader, _ bytes: Span<UInt8>,
        _ reply: inout ReplyBuffer
    ) {
        do throws(StoreError) {
            reply.integer(try loop.store.drop(bytes.extracting(request.argument(1)), at: loop.now))
        } catch {
            reply.error(error.message)
        }
    }

    // MARK: - DISCONNECT

    @Sendable private static func disconnect(
        _ loop: ServerLoop, _ client: Client, _ request: borrowing RequestReader, _ bytes: Span<UInt8>,
        _ reply: inout ReplyBuffer
    ) {
        guard let user = loop.user(bytes, request.argument(1), &reply) else { return }
        var reason = Reason.disconnect
        if request.argumentCount > 3 {
            guard request.argumentCount == 5, Word(bytes, request.argument(3)) == "REASON" else {
                reply.error("ERR syntax error")
                return
            }
            guard let given = Reason(word: bytes.extracting(request.argument(4))), given.mayBeGiven else {
                reply.error("ERR REASON is disconnect, ws_disconnect, heartbeat_timeout, lease_lost or dropped")
                return
            }
            reason = given
        }
        let isKnown = loop.store.disconnect(
            bytes.extracting(user), session: bytes.extracting(request.argument(2)), reason: reason, at: loop.now)
        reply.integer(isKnown ? 1 : 0)
    }
}

extension Reason {
    /// Whether a client may say that a session ended for it. The others are the server's to find.
    fileprivate var mayBeGiven: Bool {
        switch self {
        case .disconnect, .wsDisconnect, .heartbeatTimeout, .leaseLost, .dropped: true
        default: false
        }
    }
}

import Presence
import PresenceRESP

/// The connection itself: who is there, in which version of the protocol, and whether it may.
enum ConnectionCommands {
    static let table: [Command] = connection + ClientCommands.table

    private static let connection: [Command] = [
        Command(
            "hello", "[protover [AUTH username password] [SETNAME clientname]]", arity: -1,
            [.noScript, .loading, .stale, .fast, .noAuth], [.connection],
            since: "6.0.0", group: "connection", "Begins the connection: protocol version, password, name", hello),
        Command(
            "auth", "[username] password", arity: -2, [.noScript, .loading, .stale, .fast, .noAuth], [.connection],
            since: "1.0.0", group: "connection", "Gives the password", auth),
        Command(
            "ping", "[message]", arity: -1, [.fast, .whileSubscribed], [.connection], since: "1.0.0",
            group: "connection", "Answers", ping),
        Command(
            "echo", "message", arity: 2, [.loading, .stale, .fast], [.connection], since: "1.0.0", group: "connection",
            "Answers the message", echo),
        Command(
            "select", "index", arity: 2, [.loading, .stale, .fast], [.connection], since: "1.0.0", group: "connection",
            "Chooses the database; there is one, 0", select),
        Command(
            "reset", arity: 1, [.noScript, .loading, .stale, .fast, .noAuth, .whileSubscribed, .immediate],
            [.connection],
            since: "6.2.0", group: "connection", "Makes the connection as new", reset),
        Command(
            "quit", arity: -1, [.noScript, .loading, .stale, .fast, .noAuth, .whileSubscribed, .immediate],
            [.connection],
            since: "1.0.0", group: "connection", "Closes the connection after the replies so far", quit),
    ]

    /// What a name or a library's name may not contain: blanks and what is not printable ASCII.
    static func isPrintable(_ bytes: Span<UInt8>, _ range: Range<Int>) -> Bool {
        for index in range where bytes[index] < 0x21 || bytes[index] > 0x7e { return false }
        return true
    }

    // MARK: - HELLO and AUTH

    @Sendable private static func hello(
        _ loop: ServerLoop, _ client: Client, _ request: borrowing RequestReader, _ bytes: Span<UInt8>,
        _ reply: inout ReplyBuffer
    ) {
        var version = client.version
        if request.argumentCount > 1 {
            guard let number = Numbers.integer(bytes, request.argument(1)) else {
                reply.error("ERR Protocol version is not an integer or out of range")
                return
            }
            guard let known = UInt8(exactly: number).flatMap(RESPVersion.init(rawValue:)) else {
                reply.error("NOPROTO unsupported protocol version")
                return
            }
            version = known
        }
        // As Redis: one option after the other, so that the first that is wrong is the one that is told.
        var index = 2
        while index < request.argumentCount {
            let option = Word(bytes, request.argument(index))
            if option == "AUTH", index + 2 < request.argumentCount {
                guard authenticate(loop, client, request.argument(index + 1), request.argument(index + 2), bytes) else {
                    reply.error(wrongPassword)
                    return
                }
                index += 3
            } else if option == "SETNAME", index + 1 < request.argumentCount {
                guard isPrintable(bytes, request.argument(index + 1)) else {
                    reply.error(nameError)
                    return
                }
                guard !refusesName(request.argument(index + 1), &reply) else { return }
                client.name = Text.array(bytes, request.argument(index + 1))
                index += 2
            } else {
                reply.error(
                    "ERR Syntax error in HELLO option '\(Text.string(bytes, request.argument(index), limit: 128))'")
                return
            }
        }
        guard client.isAuthenticated else {
            reply.error(
                "NOAUTH HELLO must be called with the client already authenticated, otherwise the HELLO AUTH <user> "
                    + "<pass> option can be used to authenticate the client and select the RESP protocol version at the same "
                    + "time")
            return
        }
        client.version = version
        reply.version = version
        describeServer(loop, client, &reply)
    }

    private static func describeServer(_ loop: ServerLoop, _ client: Client, _ reply: inout ReplyBuffer) {
        reply.map(7)
        reply.bulk("server")
        reply.bulk("presenced")
        reply.bulk("version")
        reply.bulk(loop.server.process.version)
        reply.bulk("proto")
        reply.integer(Int(client.version.rawValue))
        reply.bulk("id")
        reply.integer(client.id)
        reply.bulk("mode")
        reply.bulk(loop.configuration.cluster == nil ? "standalone" : "cluster")
        reply.bulk("role")
        reply.bulk("master")
        reply.bulk("modules")
        reply.array(0)
    }

    /// The most bytes of a connection's name, and of its library's: each entry of the slow log has it, too.
    private static let maximumNameBytes = 512

    /// Whether a name is too long; then the error is written.
    static func refusesName(_ name: Range<Int>, _ reply: inout ReplyBuffer) -> Bool {
        guard name.count > maximumNameBytes else { return false }
        reply.error("ERR a name of a connection may have at most \(maximumNameBytes) bytes")
        return true
    }

    static let nameError: StaticString = "ERR Client names cannot contain spaces, newlines or special characters."
    private static let wrongPassword: StaticString = "WRONGPASS invalid username-password pair or user is disabled."

    @Sendable private static func auth(
        _ loop: ServerLoop, _ client: Client, _ request: borrowing RequestReader, _ bytes: Span<UInt8>,
        _ reply: inout ReplyBuffer
    ) {
        switch request.argumentCount {
        case 2:
            guard !loop.configuration.password.isEmpty else {
                reply.error(
                    "ERR AUTH <password> called without any password configured for the default user. Are you sure your "
                        + "configuration is correct?")
                return
            }
            guard authenticate(loop, client, nil, request.argument(1), bytes) else {
                reply.error(wrongPassword)
                return
            }
        case 3:
            guard authenticate(loop, client, request.argument(1), request.argument(2), bytes) else {
                reply.error(wrongPassword)
                return
            }
        default:
            reply.error("ERR syntax error")
            return
        }
        reply.simple("OK")
    }

    /// There is one user, `default`. Without a password set, any password is his, as in Redis. A failure is counted and logged.
    private static func authenticate(
        _ loop: ServerLoop, _ client: Client, _ user: Range<Int>?, _ password: Range<Int>, _ bytes: Span<UInt8>
    ) -> Bool {
        let isUser = user.map { Text.string(bytes, $0, limit: 8) == "default" } ?? true
        let isPassword = loop.password.matches(bytes.extracting(password)) || loop.password.isEmpty
        guard isUser, isPassword else {
            loop.counters.deniedPasswords.add(1)
            let address = client.handler.describeConnection().remote
            if let line = loop.failedPasswords.add(from: address, at: loop.now) {
                loop.server.logger.warning("\(line)")
            }
            return false
        }
        client.isAuthenticated = true
        client.handler.limitsChanged()
        return true
    }

    // MARK: - The rest

    @Sendable private static func ping(
        _ loop: ServerLoop, _ client: Client, _ request: borrowing RequestReader, _ bytes: Span<UInt8>,
        _ reply: inout ReplyBuffer
    ) {
        guard request.argumentCount <= 2 else {
            reply.error("ERR wrong number of arguments for 'ping' command")
            return
        }
        if client.isLimitedToSubscriptions {
            reply.array(2)
            reply.bulk("pong")
            if request.argumentCount == 2 {
                reply.bulk(bytes.extracting(request.argument(1)))
            } else {
                reply.bulk("")
            }
        } else if request.argumentCount == 2 {
            reply.bulk(bytes.extracting(request.argument(1)))
        } else {
            reply.simple("PONG")
        }
    }

    @Sendable private static func echo(
        _ loop: ServerLoop, _ client: Client, _ request: borrowing RequestReader, _ bytes: Span<UInt8>,
        _ reply: inout ReplyBuffer
    ) {
        reply.bulk(bytes.extracting(request.argument(1)))
    }

    @Sendable private static func select(
        _ loop: ServerLoop, _ client: Client, _ request: borrowing RequestReader, _ bytes: Span<UInt8>,
        _ reply: inout ReplyBuffer
    ) {
        guard let index = Numbers.integer(bytes, request.argument(1)) else {
            reply.error("ERR value is not an integer or out of range")
            return
        }
        guard Int32(exactly: index) != nil else {
            reply.error("ERR value is out of range, value must between -2147483648 and 2147483647")
            return
        }
        guard index == 0 || loop.configuration.cluster == nil else {
            reply.error("ERR SELECT is not allowed in cluster mode")
            return
        }
        guard index == 0 else {
            reply.error("ERR DB index is out of range")
            return
        }
        reply.simple("OK")
    }

    @Sendable private static func reset(
        _ loop: ServerLoop, _ client: Client, _ request: borrowing RequestReader, _ bytes: Span<UInt8>,
        _ reply: inout ReplyBuffer
    ) {
        loop.unsubscribeAll(client)
        loop.removeMonitor(client)
        _ = client.endTransaction()
        client.traits = []
        client.version = .resp2
        reply.version = .resp2
        client.name = []
        client.isAuthenticated = loop.configuration.password.isEmpty
        client.handler.limitsChanged()
        reply.simple("RESET")
    }

    @Sendable private static func quit(
        _ loop: ServerLoop, _ client: Client, _ request: borrowing RequestReader, _ bytes: Span<UInt8>,
        _ reply: inout ReplyBuffer
    ) {
        client.closesAfterReply = true
        reply.simple("OK")
    }
}

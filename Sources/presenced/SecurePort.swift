import Logging
import NIOCore
import PresenceServer
import PresenceTLS
import Synchronization

/// What makes connections of the TLS port secure: the certificates in force, and what is told of handshakes that fail.
///
/// New settings are prepared, files read and all, before they are put in force: what fails leaves the old ones. The lock guards the context
/// and options in force; it is held for copying them.
final class SecurePort: Sendable {
    /// Settings that were read and checked.
    struct Prepared: Sendable {
        let context: TLSContext
        let options: TLSHandler.Options
    }

    private let logger: Logger
    private let inForce: Mutex<Prepared>
    private let buffers = TLSBuffersOfLoops()

    /// Nil if no port speaks TLS.
    ///
    /// - Throws: what is wrong with a file or a setting.
    init?(_ settings: Settings, logger: Logger) throws(TLSError) {
        guard settings.tls.port != 0 else { return nil }
        self.logger = logger
        inForce = Mutex(try Self.prepare(settings, logger))
    }

    /// What would be in force with `settings`; nil if none of the names concerns it. Files are read anew.
    ///
    /// - Throws: what is wrong.
    func prepare(_ settings: Settings, _ names: [String]) throws(ConfigurationPortError) -> Prepared? {
        let ours = names.filter { Setting.named($0)?.group == .tls }
        guard !ours.isEmpty else { return nil }
        do throws(TLSError) {
            return try Self.prepare(settings, logger)
        } catch {
            throw ConfigurationPortError(error, ours)
        }
    }

    /// Has connections that come from now on use this, and ends those of `server` whose certificate its lists name.
    func use(_ prepared: Prepared, _ server: RESPServer) {
        inForce.withLock { $0 = prepared }
        let context = prepared.context
        guard !context.configuration.revocationFile.isEmpty else { return }
        server.endConnections { channel in
            let handlers = channel.pipeline.syncOperations
            guard let handler = try? handlers.handler(type: TLSHandler.self) else { return false }
            // Who is in his handshake is looked up in the lists of before: he begins anew.
            return handler.isShakingHands(otherThanBy: context) || handler.isPeerRevoked(by: context)
        } then: { [logger] count in
            guard count > 0 else { return }
            logger.notice(
                "closed connections of clients whose certificate tls-crl-file says was taken back, or was not seen yet",
                metadata: ["connections": "\(count)"])
        }
    }

    /// Makes the first handler of a connection.
    @Sendable func handler(_ eventLoop: any EventLoop) throws -> any ChannelHandler {
        let prepared = inForce.withLock { $0 }
        return try TLSHandler(
            context: prepared.context, buffers: buffers.buffers(of: eventLoop), options: prepared.options)
    }

    private static func prepare(_ settings: Settings, _ logger: Logger) throws(TLSError) -> Prepared {
        let context = try TLSContext(settings.tlsConfiguration())
        var options = TLSHandler.Options()
        options.handshakeTimeoutMilliseconds = settings.tls.handshakeTimeout
        let elsewhere = settings.port == 0 ? "" : ", or without it to port \(settings.port)"
        options.plainTextReply =
            "-ERR this port speaks TLS and got plain text: connect with TLS (redis-cli --tls)\(elsewhere)\r\n"
        options.report = { error, address in
            let client = address?.ipAddress ?? "a client"
            switch error {
            case .truncated, .closed: logger.debug("\(client): \(error)")
            default: logger.notice("\(client) on tls-port: \(error)")
            }
        }
        return Prepared(context: context, options: options)
    }
}

extension ConfigurationPortError {
    /// What is wrong with TLS, when settings of these names, at least one, were set. The client is told of the setting that he set, and in any case of the
    /// one that is wrong.
    init(_ error: TLSError, _ names: [String]) {
        guard case .setting(let name, _, _) = error else {
            self = .invalid(name: names[0], reason: "\(error)")
            return
        }
        self = .invalid(name: names.contains(name) ? name : names[0], reason: "\(error)")
    }
}

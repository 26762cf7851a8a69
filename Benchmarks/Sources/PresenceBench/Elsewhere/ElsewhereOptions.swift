import ArgumentParser
import PresenceTLS

/// A server that runs already, and how one gets in.
struct ElsewhereOptions: ParsableArguments {
    @Option(
        help:
            "A server that runs already, instead of those that are started; it must hold nothing, or --flush. What is made there is deleted at the end."
    )
    var host: String?
    @Option(help: "The port of --host; 6399 by default.")
    var port: Int?
    @Flag(help: "What the server at --host holds may be deleted.")
    var flush = false
    @Option(help: "The password of --host.")
    var password: String?
    @Option(help: "The user whose password that is; by default the server's default user.")
    var user: String?
    @Flag(help: "Speak TLS to --host, by way of a port of this process.")
    var tls = false
    @Option(
        help:
            "A file with the certificates, PEM, that the one of --host must be signed by; by default those that the system trusts."
    )
    var cacert: String?
    @Flag(help: "Take any certificate of --host.")
    var insecure = false

    func validate() throws {
        try Bounds.check("--port", port, 1...65_535)
        guard user == nil || password != nil else { throw ValidationError("--user needs --password") }
        guard tls || cacert == nil && !insecure else { throw ValidationError("--cacert and --insecure need --tls") }
        guard host != nil || port == nil && !tls && password == nil && !flush else {
            throw ValidationError("--port, --password, --user, --tls and --flush are of a server at --host")
        }
    }

    /// The server; nil if none was named.
    func open() throws -> LoadTarget? {
        guard let host else { return nil }
        let login = password.map { ServerAddress.Login(user: user, password: $0) }
        let address = ServerAddress(host: host, port: port ?? 6_399, login: login)
        let relay = tls ? try TLSRelay(to: address, configuration) : nil
        return try LoadTarget(at: address, by: relay, mayEmpty: flush)
    }

    private var configuration: TLSConfiguration {
        var configuration = TLSConfiguration(role: .client)
        configuration.authorityFile = cacert ?? ""
        configuration.trustsSystemAuthorities = cacert == nil
        configuration.verifiesServer = !insecure
        return configuration
    }
}

/// Why a migration does not start, or ends before it is told to. One line each, with what to do about it.
package enum MigrationError: Error, Hashable, Sendable, CustomStringConvertible {
    /// Which of the two servers.
    package enum Side: String, Hashable, Sendable {
        case source
        case target
    }

    case badURL(String, String)
    case badPattern(String)
    case unreachable(Side, String, String)
    /// TLS was not agreed upon, or broke.
    case tls(Side, String)
    /// A password is asked for, and none was given.
    case passwordMissing(Side, String)
    case passwordRefused(Side, String, String)
    case notPresenced(String)
    case sameServer(String)
    case notFollowed(String)
    /// `notify-keyspace-events` as it is and as it must be.
    case notificationsMissing(current: String, needed: String)
    /// The server does not do what is needed; the command and its own words.
    case refused(Side, String, String)
    /// The connection was lost. It is opened again.
    case lost(Side, String)
    case gaveUp(attempts: Int, last: String)

    /// Whether to connect again helps.
    var isLoss: Bool {
        switch self {
        case .lost, .unreachable, .tls: true
        default: false
        }
    }

    package var description: String {
        switch self {
        case .badURL(let url, let why):
            "\(url) is not a server's URL: \(why). Its form is redis://[user][:password]@host[:port][/database]"
        case .badPattern(let pattern):
            "--match \(pattern) has nothing before its first wildcard that could be cut off to find the user's id; "
                + "name what stands before the ids with --key-prefix"
        case .unreachable(let side, let url, let why):
            "the \(side.rawValue) \(url) is not reached: \(why). Is it running, and is this its address?"
        case .tls(let side, let why):
            "the connection to the \(side.rawValue) by TLS failed: \(why). --tls-ca-cert-file names who signed its "
                + "certificate, --tls-cert-file and --tls-key-file what to show it; redis:// is for plain text"
        case .passwordMissing(let side, let url):
            "the \(side.rawValue) \(url) asks for a password: put it into the URL, redis://:PASSWORD@host:port "
                + "(with a user: redis://USER:PASSWORD@host:port)"
        case .passwordRefused(let side, let url, let reply):
            "the \(side.rawValue) \(url) does not take this user and password (\(reply)): correct them in its URL"
        case .notPresenced(let url):
            "the target \(url) is not a presenced: name one with --to redis://host:port (its default port is 6399)"
        case .sameServer(let url):
            "source and target are the same server, \(url): name another one with --to"
        case .notFollowed(let url):
            "the source \(url) is a presenced, whose heartbeats are no keyspace events: copy it with --once"
        case .notificationsMissing(let current, let needed):
            "the source's notify-keyspace-events is \"\(current)\", so it does not tell of changes: send it "
                + "CONFIG SET notify-keyspace-events \(needed), or let --set-notifications do that and put it back, "
                + "or copy without following by --once"
        case .refused(let side, let command, let reply):
            "the \(side.rawValue) refuses \(command): \(reply)"
        case .lost(let side, let why): "the connection to the \(side.rawValue) was lost: \(why)"
        case .gaveUp(let attempts, let last):
            "gave up after \(attempts) attempts without success: \(last). --retries sets how many there are"
        }
    }
}

/// Whom to trust, and what to show, where TLS is spoken.
package struct TLSFiles: Hashable, Sendable {
    /// The authorities whose servers are trusted, besides the system's, PEM; empty for the system's alone.
    package var authorityFile = ""
    /// The client's certificate and its private key, PEM; empty for none.
    package var certificateFile = ""
    package var keyFile = ""
    /// Whether the server's certificate and name are verified.
    package var verifiesServer = true

    package init() {}
}

/// What to copy, from where to where, and how.
package struct MigrationOptions: Sendable {
    /// Where the presences are now.
    package var source: RedisURL
    /// The presenced that gets them.
    package var target: RedisURL
    /// A pattern of `SCAN`'s; nil for all keys with `keyPrefix`.
    package var pattern: String?
    /// What stands before the user's id in the source's keys; nil for what stands before the pattern's first wildcard.
    package var keyPrefix: String?
    /// Keys a second that are read; 0 for as fast as it goes.
    package var rate = 0
    /// Whether to follow changes until told to stop, or to end when everything was copied once.
    package var isFollowing = true
    /// Whether to set what is missing of the source's `notify-keyspace-events`, and put it back at the end.
    package var setsNotifications = false
    /// How many attempts to connect without success there may be in a row.
    package var retries = 10
    /// How often a line says how far it is, in milliseconds.
    package var progressMilliseconds: Int64 = 5_000
    /// For servers whose URL begins with `rediss://`.
    package var tls = TLSFiles()
    /// Reads a duration as the target's settings spell it, in milliseconds.
    package var readDuration: @Sendable (String) -> Int?

    package init(source: RedisURL, target: RedisURL, readDuration: @escaping @Sendable (String) -> Int?) {
        self.source = source
        self.target = target
        self.readDuration = readDuration
    }
}

/// What a migration has to say while it runs.
package enum MigrationNotice: Sendable {
    /// How far it is: replaces the line before on a terminal.
    case progress(String)
    /// Something happened.
    case event(String)
    /// What was done, at the end.
    case summary([String])
}

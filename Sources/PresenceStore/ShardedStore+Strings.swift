import Presence

/// The same operations for services: texts instead of bytes, and the store's own clock.
extension ShardedStore {
    /// Opens a session now. See `connect(_:session:device:platform:server:_:at:)`.
    @discardableResult
    public func connect(
        _ user: String, session: String, device: String = "", platform: String = "", server: String = "",
        _ options: ConnectOptions = ConnectOptions()
    ) throws(StoreError) -> Int {
        try connect(
            user.utf8.span, session: session.utf8.span, device: device.utf8.span, platform: platform.utf8.span,
            server: server.utf8.span, options, at: clock.now())
    }

    /// Alive now, and if `isActive` a person acted. False if the session is unknown or over: connect again.
    @discardableResult
    public func beat(_ user: String, session: String, isActive: Bool = false) -> Bool {
        beat(user.utf8.span, session: session.utf8.span, isActive: isActive, at: clock.now())
    }

    /// Ends a session now. Returns whether it was live.
    @discardableResult
    public func disconnect(_ user: String, session: String, reason: Reason = .disconnect) -> Bool {
        disconnect(user.utf8.span, session: session.utf8.span, reason: reason, at: clock.now())
    }

    /// The public status now.
    public func status(of user: String) -> Status { status(of: user.utf8.span, at: clock.now()) }

    /// What is known of a user now; nil if nothing is.
    public func describe(_ user: String) -> UserDescription? { describe(user.utf8.span, at: clock.now()) }

    /// The live sessions now.
    public func sessions(of user: String) -> [SessionDescription] {
        sessions(of: user.utf8.span, at: clock.now())
    }

    /// Sets or clears a manual status and an activity text now.
    public func set(_ user: String, _ change: UserSettings) throws(StoreError) {
        try set(user.utf8.span, change, at: clock.now())
    }

    /// Sets a string that ends after `lifetime`, or never.
    public func setString(_ key: String, _ value: String, lifetime: Duration? = nil) throws(StoreError) {
        let now = clock.now()
        let expiry = lifetime.map {
            StringSetOptions.Expiry.at(
                now.advanced(
                    byMilliseconds: $0.components.seconds * 1000
                        + $0.components.attoseconds / 1_000_000_000_000_000))
        }
        try setString(key.utf8.span, value.utf8.span, StringSetOptions(expiry: expiry ?? .none), at: now)
    }

    /// The value of a string now; nil if there is none.
    public func getString(_ key: String) -> String? {
        var value: String?
        _ = getString(key.utf8.span, at: clock.now()) { bytes in
            value = bytes.withUnsafeBytes { String(decoding: $0, as: UTF8.self) }
        }
        return value
    }

    /// Ends a key now. Returns whether it existed.
    @discardableResult
    public func remove(_ kind: KeyKind, _ key: String) -> Bool { remove(kind, key.utf8.span, at: clock.now()) }

    /// How long a key will exist from now on.
    public func timeToLive(_ kind: KeyKind, _ key: String) -> TimeToLive {
        timeToLive(kind, key.utf8.span, at: clock.now())
    }
}

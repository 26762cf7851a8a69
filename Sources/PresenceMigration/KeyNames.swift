/// Which keys of the source are presences, and what they are called on the target.
struct KeyNames: Hashable, Sendable {
    /// The pattern for `SCAN`, and behind the channels' names for `PSUBSCRIBE`.
    let pattern: String
    /// What stands before the user's id in the source's keys.
    let sourcePrefix: [UInt8]
    /// The target's `key-prefix`. Known once the target is asked.
    var targetPrefix: [UInt8] = []

    /// - Parameters:
    ///   - pattern: a pattern of `SCAN`'s; nil for all keys with the prefix.
    ///   - prefix: what stands before the ids; nil for what stands before the pattern's first wildcard.
    /// - Throws: ``MigrationError/badPattern(_:)`` if neither says where an id begins.
    init(pattern: String?, prefix: String?) throws(MigrationError) {
        switch (pattern, prefix) {
        case (nil, nil):
            self.pattern = "presence:user:*"
            sourcePrefix = [UInt8]("presence:user:")
        case (nil, let prefix?):
            self.pattern = KeyNames.literal(prefix) + "*"
            sourcePrefix = [UInt8](prefix)
        case (let pattern?, let prefix?):
            self.pattern = pattern
            sourcePrefix = [UInt8](prefix)
        case (let pattern?, nil):
            self.pattern = pattern
            sourcePrefix = [UInt8](String(pattern.prefix { !KeyNames.wildcards.contains($0) }))
            guard !sourcePrefix.isEmpty else { throw .badPattern(pattern) }
        }
    }

    /// The id of the user that a key names; nil if it does not begin as it should, or names nobody.
    func userID(of key: [UInt8]) -> [UInt8]? {
        guard key.starts(with: sourcePrefix), key.count > sourcePrefix.count else { return nil }
        return Array(key.dropFirst(sourcePrefix.count))
    }

    /// The key of a user on the target.
    func targetKey(ofUser id: [UInt8]) -> [UInt8] {
        targetPrefix + id
    }

    /// The channels that tell of changes of these keys: keyspace notifications, so that the source sends those of other
    /// keys to nobody.
    func channelPattern(database: Int) -> String {
        channelPrefix(database: database) + pattern
    }

    /// The key that a channel is of.
    func key(ofChannel channel: [UInt8], database: Int) -> [UInt8]? {
        let prefix = [UInt8](channelPrefix(database: database))
        return channel.starts(with: prefix) ? Array(channel.dropFirst(prefix.count)) : nil
    }

    private func channelPrefix(database: Int) -> String { "__keyspace@\(database)__:" }

    private static let wildcards: Set<Character> = ["*", "?", "[", "\\"]

    /// A pattern that only this text matches.
    private static func literal(_ text: String) -> String {
        String(text.flatMap { wildcards.contains($0) || $0 == "]" ? ["\\", $0] : [$0] })
    }
}

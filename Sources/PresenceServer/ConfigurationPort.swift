/// What `CONFIG GET` and `CONFIG SET` need of whoever owns the table of settings: the daemon, or a test.
public protocol ConfigurationPort: Sendable {
    /// The settings whose names match the glob pattern (no case), with their present values spelled as `cluster.conf` spells them.
    func get(matching pattern: String) -> [(name: String, value: String)]

    /// Changes all of `pairs` or nothing. When it returns, the changes are in force.
    func set(_ pairs: [(name: String, value: String)]) throws(ConfigurationPortError)

    /// Writes the settings in force into the file that they came from. It waits for the disk, so it is not called on an event loop.
    ///
    /// - Returns: nil, or the text of the error reply.
    func rewrite() -> String?
}

/// Why a `CONFIG SET` was refused. Nothing was changed then.
public enum ConfigurationPortError: Error, Sendable, Equatable {
    /// No setting has this name.
    case unknown(name: String)
    /// The setting takes effect only at the start.
    case immutable(name: String)
    /// The setting was named twice.
    case duplicate(name: String)
    /// The value is not one that the setting may have; `reason` says which are.
    case invalid(name: String, reason: String)

    /// The text of the error reply, in Redis's words.
    public var message: String {
        switch self {
        case .unknown(let name):
            "ERR Unknown option or number of arguments for CONFIG SET - '\(name)'"
        case .immutable(let name):
            "ERR CONFIG SET failed (possibly related to argument '\(name)') - can't set immutable config"
        case .duplicate(let name):
            "ERR CONFIG SET failed (possibly related to argument '\(name)') - duplicate parameter"
        case .invalid(let name, let reason):
            "ERR CONFIG SET failed (possibly related to argument '\(name)') - \(reason)"
        }
    }
}

/// What one connection may ask a `RequestReader` to hold.
///
/// Every limit is checked against the length that a client claims, before any memory is spent on it. The defaults are
/// Redis's. A reader may be given new limits between two commands; a half command is judged by those in force when its
/// next length is read.
public struct RequestLimits: Sendable, Equatable {
    /// Most arguments of one command, its name included. More answers "invalid multibulk length". Inline commands are
    /// bounded by `maxInlineLength` instead.
    public var maxArguments = 1_048_576

    /// Longest argument, in bytes: the setting `proto-max-bulk-len`. A longer one answers "invalid bulk length".
    public var maxBulkLength = 512 * 1024 * 1024

    /// Longest inline command, and longest line that holds a length, in bytes without its line end.
    public var maxInlineLength = 65_536

    /// Most bytes of one command, framing included: the setting `client-query-buffer-limit`. Values above 2^32 - 1 mean
    /// that, since the reader keeps 32-bit offsets.
    public var maxCommandBytes = 1024 * 1024 * 1024

    /// Whether the client may use the whole of the limits above. While false, the two limits below hold as well.
    public var isAuthenticated = true

    /// Most arguments of one command before the client has authenticated.
    public var maxUnauthenticatedArguments = 10

    /// Longest argument before the client has authenticated, in bytes.
    public var maxUnauthenticatedBulkLength = 16_384

    /// Redis's limits for a client that may do everything.
    public init() {}
}

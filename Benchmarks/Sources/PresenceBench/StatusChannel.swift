/// Where changes of statuses are told.
enum StatusChannel {
    /// By presenced, and by whoever changes something elsewhere.
    static let name = "user.status.changed"
    /// By other servers: what has run out.
    static let expired = "__keyevent@0__:expired"
}

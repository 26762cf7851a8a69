/// Where presenced tells all changes of statuses.
enum StatusChannel {
    static let name = "user.status.changed"
}

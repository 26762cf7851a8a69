import Presence

/// What somebody did, when, and the node that took it.
struct Deed {
    enum Kind {
        case open(Workload.Client, server: String)
        /// A sign of life: a heartbeat, or that its gateway has it and keeps it by a lease.
        case sign(Workload.Client, server: String, isActive: Bool, isLeased: Bool)
        case close(Workload.Client, Reason)
        case set(ManualStatus?)
        /// All sessions end but those that the node has not heard of.
        case remove(unheard: Set<String>)
        case removeAll
        case lease(String)
        case drop(String)
    }

    let kind: Kind
    /// Whom it is about; nil for everybody.
    let user: String?
    /// In milliseconds of simulated time.
    let at: Int64
    let node: Int
}

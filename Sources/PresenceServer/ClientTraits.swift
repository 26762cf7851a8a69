/// What is unusual about a connection. Most have none of these, and their commands go the short way.
struct ClientTraits: OptionSet, Sendable {
    let rawValue: UInt16

    /// Between MULTI and EXEC: commands are queued.
    static let inTransaction = ClientTraits(rawValue: 1 << 0)
    /// `CLIENT REPLY OFF`: nothing is answered.
    static let repliesOff = ClientTraits(rawValue: 1 << 1)
    /// `CLIENT REPLY SKIP`: the next command is not answered.
    static let skipsReply = ClientTraits(rawValue: 1 << 2)
    /// The command that runs now, or waits for other event loops, is not answered.
    static let skipsThisReply = ClientTraits(rawValue: 1 << 3)
    /// `MONITOR`: it is told every command.
    static let isMonitor = ClientTraits(rawValue: 1 << 4)
    /// `CLIENT NO-EVICT ON`. Shown by `CLIENT LIST`; no client is ever evicted for memory here.
    static let noEvict = ClientTraits(rawValue: 1 << 5)
    /// `CLIENT NO-TOUCH ON`. Shown by `CLIENT LIST`; no read changes what is evicted here.
    static let noTouch = ClientTraits(rawValue: 1 << 6)

    /// It connected while the server drained, or before it had copied what other nodes hold.
    static let cameUntimely = ClientTraits(rawValue: 1 << 7)

    /// Those that change the way of a command.
    static let closerLook: ClientTraits = [.inTransaction, .repliesOff, .skipsReply, .cameUntimely]
}

/// Why every command of an event loop must be looked at more closely. Empty on nearly all servers, nearly always.
struct Scrutiny: OptionSet, Sendable {
    let rawValue: UInt8

    /// Somebody reads `MONITOR`.
    static let monitored = Scrutiny(rawValue: 1 << 0)
    /// `slowlog-log-slower-than` is so low that quick commands are timed too.
    static let timed = Scrutiny(rawValue: 1 << 1)
    /// `CLIENT PAUSE` is in force.
    static let paused = Scrutiny(rawValue: 1 << 2)
}

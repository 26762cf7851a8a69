extension Settings {
    /// Every setting, in the order of the documentation. A setting is here only if it does something.
    static let table: [Setting] =
        network + tlsTable + connections + presence + memory + work + events
        + clusterTable + testing

    private static let network = [
        Setting(
            "bind", .network, \.bind, .addresses, isLive: false, isList: true,
            """
            Addresses to listen on; `*` is every IPv4 interface, `::` every interface. An address with a `-` in front is
            left out without a word where this machine does not have it.
            """),
        Setting(
            "port", .network, \.port, .integer(0...65_535), isLive: false,
            "Port of the RESP listener: Redis's clients connect here. 0 for none, where `tls-port` is there instead."),
        Setting(
            "tcp-backlog", .network, \.tcpBacklog, .integer(1...65_535), isLive: false,
            """
            Connections that may wait to be accepted. Linux caps it at `net.core.somaxconn`.
            """),
        Setting(
            "protected-mode", .network, \.protectedMode, .yesOrNo, isLive: true,
            """
            While it is on and `requirepass` is empty, clients of other machines are refused with an error that says so.
            """),
        Setting(
            "requirepass", .network, \.requirepass, .text(0...512), isLive: true,
            """
            Password that clients give with `AUTH` or `HELLO`; empty for none. Connections that are already
            authenticated stay so.
            """),
        Setting(
            "maxclients", .network, \.maxclients, .integer(1...1_000_000), isLive: true,
            """
            Connections at one time; one more is told `ERR max number of clients reached` and closed. The limit of open
            files is raised to fit, and this setting lowered, with a warning, where the system does not allow that.
            """),
        Setting(
            "timeout", .network, \.timeout, .seconds(0...31_536_000), isLive: true,
            """
            Closes connections that sent nothing for this long; 0 keeps them. Subscribers are never closed for it.
            """),
        Setting(
            "tcp-keepalive", .network, \.tcpKeepalive, .seconds(0...86_400), isLive: true,
            """
            Idle time after which the kernel asks whether a client's machine is still there; 0 never asks. Holds for
            connections accepted from then on.
            """),
    ]

    private static let connections = [
        Setting(
            "proto-max-bulk-len", .connections, \.protoMaxBulkLength, .bytes(1 << 20...Int.max), isLive: true,
            """
            Longest single argument, and longest string. A longer argument is a protocol error, found before any memory
            is set aside for it. As in Redis any number from 1mb on is taken; above 2gb it means 2gb.
            """),
        Setting(
            "client-query-buffer-limit", .connections, \.clientQueryBufferLimit, .bytes(1 << 20...Int.max),
            isLive: true,
            """
            Longest whole command, and longest transaction: a connection that sends a longer command is closed without an
            answer. Above 2gb it means 2gb.
            """),
        Setting(
            "client-output-buffer-limit", .connections, \.outputLimits, .outputLimits, isLive: true, isList: true,
            isRepeatable: true,
            """
            Output that may wait for a client that does not read it: bytes at which the connection is closed at once,
            bytes at which it is closed if it stays above them, and for how many seconds. `normal` are connections that
            ask, `pubsub` those that subscribed. Before `AUTH`, where a password is set, the bound is 1 kB whatever is
            said here.
            """),
    ]

    private static let presence = [
        Setting(
            "key-prefix", .presence, \.keyPrefix, .text(1...64), isLive: false,
            """
            Keys that begin with it are users: `presence:user:alice` is the user `alice`. Every other key is a plain
            string.
            """),
        Setting(
            "heartbeat-interval", .presence, \.heartbeatInterval, .duration(1_000...3_600_000), isLive: true,
            """
            How often clients are expected to beat. `INFO presence` and `CONFIG GET` tell it to them; it must be shorter
            than `session-ttl`, best a quarter, so that one lost beat changes nothing.
            """),
        Setting(
            "session-ttl", .presence, \.sessionTTL, .duration(5_000...86_400_000), isLive: true,
            """
            Life of a session after its last heartbeat, unless `CONNECT` or `SET` chose another with `EX` or `PX`.
            Sessions keep the one they were opened with. At most `heartbeat-hard-limit`.
            """),
        Setting(
            "heartbeat-hard-limit", .presence, \.heartbeatHardLimit, .duration(5_000...86_400_000), isLive: true,
            """
            Nobody is shown live this long after his last heartbeat, whatever TTL was asked for; a client that asks for
            more gets an error. Passive sessions show nobody live, and may ask for a day (`EX 86400`).
            """),
        Setting(
            "idle-after", .presence, \.idleAfter, .duration(1_000...86_400_000 * 7), isLive: true,
            """
            Without activity for this long a user turns from `online` to `idle`. Sessions that never reported activity
            are not called idle.
            """),
        Setting(
            "away-after", .presence, \.awayAfter, .duration(1_000...86_400_000 * 7), isLive: true,
            "Without activity for this long a user turns from `idle` to `away`. Must be longer than `idle-after`."),
        Setting(
            "disconnect-grace", .presence, \.disconnectGrace, .duration(0...3_600_000), isLive: true,
            """
            After a goodbye (`PRESENCE.DISCONNECT`) the user keeps his status for this long, so that who comes back at
            once was never announced as gone; never for longer than the session would have lived without the goodbye,
            or under a lease than `heartbeat-hard-limit` after its last sign of life. Made longer, it is for those who still are in one and those to come: it brings nobody back.
            """),
        Setting(
            "lost-grace", .presence, \.lostGrace, .duration(0...3_600_000), isLive: true,
            """
            The same after a connection that was lost without a goodbye; one that comes later ends it. A TTL that runs
            out has no grace: it is one, and cuts this one. It is not cut where a gateway ended, by its lease or dropped, or holds a lease.
            """),
        Setting(
            "storm-share", .presence, \.stormShare, .integer(0...100), isLive: true,
            """
            Percent of all sessions that must be lost within `storm-window` for it to be a storm: a gateway or a network
            died, not the people. Then `offline` is not announced for `storm-hold`, and who comes back meanwhile was
            never gone. Lost is who ran out though he had been kept alive, whose lease ended, or whose gateway said so.
            Passive sessions do not count. 0 holds nothing back.
            """),
        Setting(
            "storm-window", .presence, \.stormWindow, .duration(100...60_000), isLive: true,
            "The time within which a storm's losses must come."),
        Setting(
            "storm-minimum", .presence, \.stormMinimum, .integer(1...1_000_000_000), isLive: true,
            "Sessions that must be lost within it at least."),
        Setting(
            "storm-hold", .presence, \.stormHold, .duration(0...600_000), isLive: true,
            """
            For how long after the last such losses nothing is announced, and at least for `lost-grace`. `heartbeat-hard-limit` after the last
            heartbeat everyone is offline all the same. 0 holds nothing back, tells of no storm, and lets go of whom one holds.
            """),
        Setting(
            "storm-pace", .presence, \.stormPace, .integer(1...100_000_000), isLive: true,
            "Announcements a second that are made then, or up to an eighth fewer, spread over all whom the storm held."),
        Setting(
            "allow-invisible", .presence, \.allowInvisible, .yesOrNo, isLive: true,
            "Whether `PRESENCE.SET ... STATUS invisible` is allowed. Who is invisible stays so until his next change."),
        Setting(
            "status-changes-per-minute", .presence, \.statusChangesPerMinute, .integer(0...1_000_000), isLive: true,
            """
            How often `PRESENCE.SET` may set something of one user within a minute of the clock, be it his status, his text or
            who may see him and when he was seen: most of it is told to whoever watches him. 0 is no limit. Sessions,
            heartbeats, friends and blocks are not counted; each node counts what it is sent itself.
            """),
        Setting(
            "push-window", .presence, \.pushWindow, .duration(1...10_000), isLive: true,
            """
            For how long at most changes of those on a viewer's list are gathered before he is told: one frame a
            window, with each who changed once. Made shorter, it is for the next changes: what waits already waits as long as it did.
            """),
        Setting(
            "watch-linger", .presence, \.watchLinger, .duration(0...86_400_000), isLive: true,
            """
            For how long a viewer's list is kept while nobody is subscribed to its channel by its name (a pattern does not count). Within that time
            `PRESENCE.WATCH ... SINCE cursor` tells what changed; later it tells all.
            """),
        Setting(
            "block-hides", .presence, \.blockHides, .choice(["target", "both"]), isLive: false,
            """
            Who is hidden by `PRESENCE.BLOCK`: `target` hides the one who blocks from the one whom he blocked; `both`
            hides the two from each other.
            """),
    ]

    private static let memory = [
        Setting(
            "maxmemory", .memory, \.maxmemory, .bytes(0...16 << 40), isLive: true,
            """
            Bytes that records, strings and indexes may take; 0 for no bound. At the bound, records of offline users go
            first, of whom nothing is set and whom nobody ever named a friend or blocked; then what needs room gets Redis's `OOM` error: new users, strings, settings, relations. Heartbeats
            of known users always work.
            """),
        Setting(
            "max-sessions-per-user", .memory, \.maxSessionsPerUser, .integer(1...50), isLive: true,
            "Live sessions of one user; one more is refused with an error."),
        Setting(
            "max-activity-length", .memory, \.maxActivityLength, .integer(0...255), isLive: true,
            "Longest activity text, in bytes; a longer one is refused with an error."),
        Setting(
            "max-relations", .memory, \.maxRelations, .integer(0...200_000), isLive: true,
            """
            Friends and blocked users that a user may have together; one more is refused. Those that he took back are
            remembered beside them, up to twice as many in all. Then the oldest go first, but none whose other he is still
            hidden from, and with other nodes none for a week: who has so many of these may name nobody new.
            """),
        Setting(
            "max-watch", .memory, \.maxWatch, .integer(0...16_000), isLive: true,
            """
            Users on the list of one viewer (`PRESENCE.WATCH`); one more is refused. So many are looked at in one turn: of
            more, those who are hidden from him could delay what he is told of others, and so be noticed.
            """),
        Setting(
            "max-watchers-per-user", .memory, \.maxWatchersPerUser, .integer(0...100_000_000), isLive: true,
            "Viewers that have one user on their lists; one more is refused."),
        Setting(
            "max-watch-lists", .memory, \.maxWatchLists, .integer(0...100_000_000), isLive: true,
            "Viewers that have a list at once; one more is refused."),
        Setting(
            "max-words", .memory, \.maxWords, .integer(16...65_535), isLive: true,
            """
            Different devices, platforms and servers that a shard keeps by number instead of by text. One more is
            refused with an error: these are names of kinds, not of things.
            """),
        Setting(
            "change-ring-size", .memory, \.changeRingSize, .bytes(16 << 10...64 << 20), isLive: false,
            """
            Bytes of recent changes kept in each shard for those who read them, rounded up to a power of two, resident
            from the start. A reader who falls further behind is told what he missed. Below 64kb a slice of a `FLUSHALL`, or of
            a lease's end, may be more than it holds.
            """),
        Setting(
            "huge-pages", .memory, \.hugePages, .yesOrNo, isLive: false,
            """
            Whether the system is asked for pages of 2 MiB for records and their index, beyond the first 2 MiB: look-ups
            among millions of users cost a tenth to a third less. It gives them if
            `/sys/kernel/mm/transparent_hugepage/enabled` is `madvise` or `always`; `no` is for machines whose memory is
            so scattered that finding such a page takes long (`compact_stall` of `/proc/vmstat` rises).
            """),
    ]

    private static let work = [
        Setting(
            "shards", .work, \.shards, .integer(1...1_024, "a power of two") { $0 & ($0 - 1) == 0 }, isLive: false,
            "Parts of the store, each with a lock of its own. 32 is enough for 16 cores."),
        Setting(
            "event-loops", .work, \.eventLoops, .integer(0...256), isLive: false,
            "Threads that serve connections; 0 for one a core."),
    ]

    private static let events = [
        Setting(
            "notify-keyspace-events", .events, \.keyspaceEvents, .keyspaceNotifications, isLive: true,
            """
            Redis's keyspace notifications: `K` for channels `__keyspace@0__:<key>`, `E` for `__keyevent@0__:<event>`,
            and the events: `g` for `del`, `expire` and `persist`, `$` for `set`, `incrby` and `append`, `x` for
            `expired`, `e` for `evicted`, `A` for these four, `n` for `new`. Nothing is sent without a channel letter
            and an event letter. Heartbeats are no events.
            """),
        Setting(
            "slowlog-log-slower-than", .events, \.slowLogThreshold, .integer(-1...1_000_000_000), isLive: true,
            """
            Microseconds from which a command is kept in the slow log; 0 keeps every command, -1 none. From 1000 on, only
            commands whose work grows with something are timed, since no other takes as long; below, every command is,
            which costs each about 50 ns, and heartbeats their batches.
            """),
        Setting(
            "slowlog-max-len", .events, \.slowLogLength, .integer(0...1_000_000), isLive: true,
            """
            Commands that the slow log keeps, the newest. An entry takes at most 32 arguments of 128 bytes; passwords are
            never in it.
            """),
        Setting(
            "loglevel", .events, \.logLevel, .choice(["debug", "verbose", "notice", "warning", "nothing"]),
            isLive: true,
            "The least severe events that are logged. User ids appear at `debug` only."),
        Setting(
            "logfile", .events, \.logFile, .text(0...4_096), isLive: false,
            "File that log lines are appended to; empty for standard error."),
    ]

    private static let testing = [
        Setting(
            "enable-debug-command", .testing, \.enableDebugCommand, .debugAccess, isLive: false,
            """
            Whether commands for tests are served: `DEBUG SLEEP`, `DEBUG TELL-PEERS` and `PRESENCE.ADVANCE`; `local`
            serves them to clients of this machine.
            """),
        Setting(
            "manual-clock", .testing, \.manualClock, .yesOrNo, isLive: false,
            """
            Time stands still and moves only by `PRESENCE.ADVANCE`; one event loop serves all. For tests only; needs
            `enable-debug-command yes`.
            """),
    ]
}

/// The rules of this house that no compiler knows, in one place. The tests beside this file hold them.
///
/// A rule that has become wrong is changed here, in the commit that needs it, with the reason.
enum HouseRules {
    /// Which modules the files of each target may import. A target that is missing here may not exist.
    ///
    /// The arrows of `docs/ARCHITECTURE.md` point down this table: the rules and the wire import nothing of ours, the store
    /// pulls in neither NIO nor an allocator, and only the process sees all.
    static let imports: [String: Set<String>] = [
        "Presence": [],
        "PresenceRESP": ["Synchronization"],
        "PresenceCluster": [],
        "PresenceReplication": ["Presence", "PresenceCluster", "PresenceStore"],
        "CPrefetch": [],
        "CJemalloc": [],
        "COpenSSL": [],
        "PresenceTLS": ["COpenSSL", "NIOCore", "Synchronization"],
        "PresenceStore": ["Presence", "CPrefetch", "Synchronization"] + cLibrary,
        "PresenceTesting": ["Presence", "PresenceStore", "Synchronization"] + cLibrary,
        "PresenceServer": [
            "Presence", "PresenceCluster", "PresenceRESP", "PresenceStore", "Logging", "NIOCore", "NIOPosix",
            "Synchronization",
        ] + cLibrary,
        "PresenceLinks": [
            "Presence", "PresenceCluster", "PresenceReplication", "PresenceStore", "PresenceTLS", "Logging", "NIOCore",
            "NIOPosix", "Synchronization",
        ] + cLibrary,
        "PresenceMigration": ["Presence", "PresenceTLS", "NIOCore", "NIOPosix", "Synchronization"] + cLibrary,
        "presenced": [
            "Presence", "PresenceCluster", "PresenceLinks", "PresenceMigration", "PresenceReplication",
            "PresenceServer", "PresenceStore", "PresenceTLS", "CJemalloc", "ArgumentParser", "Logging", "NIOCore",
            "NIOPosix", "ServiceLifecycle", "UnixSignals", "Synchronization", "Foundation",
        ] + cLibrary,
    ]

    /// The C library, by the names it has on the platforms Swift runs on.
    private static let cLibrary: Set<String> = ["Glibc", "Musl", "Darwin"]

    /// Which files may hold unsafe code: each hides memory behind a small safe interface.
    static let unsafeFiles = [
        "Sources/Presence/Blocks.swift",
        "Sources/PresenceStore/Lock.swift",
        "Sources/PresenceStore/Slab*.swift",
        "Sources/PresenceStore/Record*.swift",
        "Sources/PresenceStore/SegmentedIndex.swift",
        "Sources/PresenceStore/TimerWheel.swift",
        "Sources/PresenceStore/ChangeRing.swift",
        "Sources/PresenceStore/ReplicaLog.swift",
        "Sources/PresenceStore/Bytes*.swift",
        "Sources/PresenceStore/Shard*.swift",
        "Sources/PresenceRESP/BytePrefix.swift",
        "Sources/PresenceRESP/RequestReader.swift",
        "Sources/PresenceRESP/ByteWords.swift",
        "Sources/PresenceRESP/ShortLine.swift",
        "Sources/PresenceRESP/ArgumentTable.swift",
        "Sources/PresenceRESP/Copies.swift",
        "Sources/PresenceRESP/ReplyBuffer.swift",
        "Sources/PresenceReplication/Bytes.swift",
        "Sources/PresenceServer/ClientHandler.swift",
        "Sources/PresenceServer/ClientHandler+Output.swift",
        "Sources/PresenceServer/OutputSocket.swift",
        "Sources/PresenceLinks/NameLookup.swift",
        "Sources/presenced/ConfigurationFile.swift",
        "Sources/PresenceTLS/SharedKeyTable.swift",
        "Sources/PresenceTLS/TLSContext.swift",
        "Sources/PresenceTLS/TLSConnection.swift",
        "Sources/PresenceTLS/TLSCertificateNames.swift",
    ]

    /// Which files may read a clock, or stop a thread. All others are handed the time.
    static let clockFiles = [
        "Sources/presenced/ProcessFacts.swift",
        "Sources/PresenceStore/SystemClock.swift",
        "Sources/PresenceStore/Ticker.swift",
        "Sources/PresenceStore/WatchFrames.swift",
        "Sources/PresenceStore/Stopwatch.swift",
    ]

    /// What reads a clock.
    static let clocks = [
        "clock_gettime", "gettimeofday", "ContinuousClock", "SuspendingClock", "Date()", "Date.now", "DispatchTime",
        "NIODeadline.now", "Task.sleep", "usleep", "nanosleep",
    ]

    /// Which files may import NIO. All others take bytes and values.
    static let nioFiles = [
        "Sources/PresenceServer/*Handler.swift",
        "Sources/PresenceServer/ClientHandler+*.swift",
        "Sources/PresenceServer/*Listener.swift",
        "Sources/PresenceServer/*Loop.swift", "Sources/PresenceServer/ServerLoop+Messages.swift",
        "Sources/PresenceServer/RESPServer.swift", "Sources/PresenceServer/RESPServer+Ending.swift",
        "Sources/PresenceLinks/LinkHandler.swift",
        "Sources/PresenceLinks/PeerDialer.swift",
        "Sources/PresenceLinks/PeerListener.swift",
        "Sources/PresenceLinks/PeerLoop.swift",
        "Sources/PresenceLinks/PeerNames.swift",
        "Sources/PresenceLinks/NameLookup.swift",
        "Sources/PresenceLinks/PeerService.swift",
        "Sources/PresenceMigration/MigrationDialer.swift",
        "Sources/PresenceTLS/TLSHandler.swift",
        "Sources/PresenceTLS/TLSConnection.swift",
        "Sources/PresenceTLS/TLSBuffers.swift",
        "Sources/presenced/Daemon.swift",
        "Sources/presenced/SecurePort.swift",
    ]

    /// A file that is longer holds a second idea.
    static let maxLines = 500

    /// Endings of type names that say nothing.
    static let emptyNames = ["Manager", "Helper", "Helpers", "Util", "Utils", "Utility", "Impl"]

    /// Words that promise work to nobody. Put together here, so that this file does not break the rule.
    static let promises = ["TO" + "DO", "FIX" + "ME", "XX" + "X"]
}

extension Set {
    fileprivate static func + (left: Set, right: Set) -> Set {
        left.union(right)
    }
}

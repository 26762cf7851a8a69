import Presence
import PresenceRESP
import PresenceStore

/// The text of `INFO`. Where Redis has a field of the same meaning, it has Redis's name, section and spelling.
struct ServerReport {
    let loop: ServerLoop
    let server: ServerState
    private let statistics: Statistics

    init(_ loop: ServerLoop) {
        self.loop = loop
        server = loop.server
        statistics = loop.store.statistics()
    }

    /// The sections with these names, in lower case; all if there is none, or `all`, `default`, `everything`.
    func text(sections: Set<String>) -> String {
        let isAll = sections.isEmpty || !sections.isDisjoint(with: ["all", "default", "everything"])
        let parts: [(name: String, fields: () -> [(String, String)])] = [
            ("Server", serverFields), ("Clients", clientFields), ("Memory", memoryFields),
            ("Persistence", persistenceFields), ("Stats", statsFields), ("Replication", replicationFields),
            ("CPU", processorFields), ("Modules", { [] }), ("Errorstats", errorFields), ("Cluster", clusterFields),
            ("Keyspace", keyspaceFields), ("Presence", presenceFields),
        ]
        return parts.filter { isAll || sections.contains($0.name.lowercased()) }
            .map { part in
                "# \(part.name)\r\n" + part.fields().map { "\($0.0):\($0.1)\r\n" }.joined()
            }
            .joined(separator: "\r\n")
    }

    /// The Redis whose replies and texts this server speaks; clients ask for it.
    private static let redisVersion = "7.0.15"

    private func serverFields() -> [(String, String)] {
        let uptime = loop.now.milliseconds(since: server.startedAt) / 1000
        return [
            ("redis_version", ServerReport.redisVersion), ("presenced_version", server.process.version),
            ("redis_mode", loop.configuration.cluster == nil ? "standalone" : "cluster"),
            ("os", server.process.operatingSystem), ("arch_bits", "\(Int.bitWidth)"),
            ("multiplexing_api", "epoll"), ("process_id", "\(server.process.processID)"), ("run_id", server.runID),
            ("tcp_port", "\(server.port.load(ordering: .relaxed))"),
            ("tls_port", "\(server.tlsPort.load(ordering: .relaxed))"),
            ("server_time_usec", "\(loop.now.milliseconds * 1000)"),
            ("server_time_offset_usec", "\(server.clock.microsecondsAheadOfWall)"), ("uptime_in_seconds", "\(uptime)"),
            ("uptime_in_days", "\(uptime / 86_400)"), ("event_loops", "\(loop.peers.count)"),
            ("config_file", server.process.configurationFile),
        ]
    }

    private func clientFields() -> [(String, String)] {
        [
            ("connected_clients", "\(server.clientCount.load(ordering: .relaxed))"),
            ("maxclients", "\(loop.configuration.maximumClients)"),
            ("blocked_clients", "\(server.blockedClients.load(ordering: .relaxed))"),
            ("tracking_clients", "0"), ("pubsub_subscriptions", "\(server.registry.total)"),
        ]
    }

    private func memoryFields() -> [(String, String)] {
        let use = server.process.memory()
        let store = statistics.memory
        let used = use.allocated > 0 ? use.allocated : store.total
        let share = used > 0 ? Double(min(store.total, used)) * 100 / Double(used) : 0
        let fragmentation = used > 0 ? Double(use.resident) / Double(used) : 0
        return [
            ("used_memory", "\(used)"), ("used_memory_human", ServerReport.human(used)),
            ("used_memory_rss", "\(use.resident)"), ("used_memory_rss_human", ServerReport.human(use.resident)),
            ("used_memory_peak_rss", "\(use.peakResident)"),
            ("used_memory_overhead", "\(max(0, used - store.total))"), ("used_memory_dataset", "\(store.total)"),
            ("used_memory_dataset_perc", ServerReport.hundredths(share) + "%"),
            ("allocator_allocated", "\(use.allocated)"), ("allocator_active", "\(use.active)"),
            ("allocator_resident", "\(use.allocatorResident)"),
            ("total_system_memory", "\(server.process.systemMemory)"),
            ("total_system_memory_human", ServerReport.human(server.process.systemMemory)),
            ("maxmemory", "\(store.limit)"), ("maxmemory_human", ServerReport.human(store.limit)),
            ("maxmemory_policy", "noeviction"),
            ("mem_fragmentation_ratio", ServerReport.hundredths(fragmentation)),
            ("mem_fragmentation_bytes", "\(use.resident - used)"), ("mem_allocator", server.process.allocator),
        ]
    }

    /// Nothing is on disk, so nothing is ever loaded or saved: what clients wait for at the start is so.
    private func persistenceFields() -> [(String, String)] {
        [
            ("loading", "0"), ("async_loading", "0"), ("rdb_bgsave_in_progress", "0"), ("aof_enabled", "0"),
            ("aof_rewrite_in_progress", "0"),
        ]
    }

    private func statsFields() -> [(String, String)] {
        let distinct = server.registry.distinct
        return [
            ("total_connections_received", "\(server.sum { $0.connections.value })"),
            ("total_commands_processed", "\(server.sum { $0.commands.value })"),
            ("instantaneous_ops_per_sec", "\(server.sum { $0.rates.withLock { $0.commands } })"),
            ("total_net_input_bytes", "\(server.sum { $0.bytesRead.value })"),
            ("total_net_output_bytes", "\(server.sum { $0.bytesWritten.value })"),
            ("instantaneous_input_kbps", kilobytes { $0.bytesRead }),
            ("instantaneous_output_kbps", kilobytes { $0.bytesWritten }),
            ("rejected_connections", "\(server.sum { $0.rejected.value })"),
            ("expired_keys", "\(statistics.expiredStrings + statistics.expiredSessions)"),
            ("evicted_keys", "\(statistics.evictedUsers)"),
            ("keyspace_hits", "\(statistics.keyHits + UInt64(server.sum { $0.hits.value }))"),
            ("keyspace_misses", "\(statistics.keyMisses + UInt64(server.sum { $0.misses.value }))"),
            ("pubsub_channels", "\(distinct.channels)"), ("pubsub_patterns", "\(distinct.patterns)"),
            ("pubsubshard_channels", "0"), ("pubsub_messages", "\(server.sum { $0.messages.value })"),
            ("total_error_replies", "\(errors.total)"),
            ("client_query_buffer_limit_disconnections", "\(server.sum { $0.queryLimitClosures.value })"),
            ("client_output_buffer_limit_disconnections", "\(server.sum { $0.outputLimitClosures.value })"),
            ("client_protocol_errors", "\(server.sum { $0.protocolErrors.value })"),
            ("client_idle_disconnections", "\(server.sum { $0.idleClosures.value })"),
            ("accept_errors", "\(server.acceptErrors.load(ordering: .relaxed))"),
            ("acl_access_denied_auth", "\(server.sum { $0.deniedPasswords.value })"),
        ]
    }

    private func kilobytes(_ bytes: @Sendable (LoopCounters.Rates) -> Int) -> String {
        ServerReport.hundredths(Double(server.sum { $0.rates.withLock { bytes($0) } }) / 1024)
    }

    private func processorFields() -> [(String, String)] {
        let seconds = server.process.processorSeconds()
        return [
            ("used_cpu_sys", ServerReport.micros(seconds.system)), ("used_cpu_user", ServerReport.micros(seconds.user)),
        ]
    }

    /// Errors of all event loops; those of the others up to a second ago.
    private var errors: ErrorTally {
        var all = ErrorTally()
        for counters in server.counters { counters.errors.withLock { all.add($0) } }
        return all
    }

    private func errorFields() -> [(String, String)] {
        errors.counts.map { (String(decoding: $0.code, as: UTF8.self), $0.count) }.sorted { $0.0 < $1.0 }
            .map { ("errorstat_\($0.0)", "count=\($0.1)") }
    }

    private func clusterFields() -> [(String, String)] {
        [("cluster_enabled", loop.configuration.cluster == nil ? "0" : "1")]
    }

    private func presenceFields() -> [(String, String)] {
        let memory = statistics.memory
        return loop.store.countByStatus().reversed().map { ("users_\($0.status.word)", "\($0.count)") } + [
            ("users_present", "\(statistics.presentUsers)"), ("sessions", "\(statistics.sessions)"),
            ("strings", "\(statistics.strings)"), ("connects", "\(statistics.connects)"),
            ("beats", "\(statistics.beats)"), ("unknown_beats", "\(statistics.unknownBeats)"),
            ("status_changes", "\(statistics.statusChanges)"), ("expired_sessions", "\(statistics.expiredSessions)"),
            ("storms", "\(loop.store.stormNumbers.count)"), ("storm_active", loop.store.stormNumbers.isOn ? "1" : "0"),
            ("losses", "\(statistics.losses)"), ("leases", "\(statistics.leases)"),
            ("leases_lost", "\(statistics.leasesLost)"),
            ("leases_dropped", "\(statistics.leasesDropped)"), ("lease_sweeps", "\(statistics.leaseSweeps)"),
            ("stalls", "\(statistics.stalls)"),
            ("refused_for_memory", "\(statistics.refusedForMemory)"),
            ("refused_changes", "\(statistics.refusedChanges)"),
            ("heartbeat_interval_ms", "\(loop.configuration.heartbeatIntervalMilliseconds)"),
            ("expiry_lateness_p50_ms", "\(statistics.lateness.percentile(0.5))"),
            ("expiry_lateness_p99_ms", "\(statistics.lateness.percentile(0.99))"),
            ("expiry_lateness_max_ms", "\(statistics.lateness.maximum)"),
            ("lock_hold_usec", ServerReport.percentiles(statistics.lockHolds)),
            ("loop_turn_usec", ServerReport.percentiles(all { $0.turns.withLock { $0 } })),
            ("loop_delay_usec", ServerReport.percentiles(all { $0.delays.withLock { $0 } })),
            ("wheel_timers", "\(statistics.timers)"), ("wheel_timers_looked_at", "\(statistics.timersLookedAt)"),
            ("changes", "\(statistics.changes)"), ("events_missed", "\(server.sum { $0.missedEvents.value })"),
            ("events_oversized", "\(statistics.oversizedEvents)"), ("words", "\(statistics.words)"),
            ("refused_words", "\(statistics.refusedWords)"),
            ("unknown_record_fields", "\(server.sum { $0.unknownFields.value })"),
            ("shards", "\(loop.store.shardCount)"), ("memory_slabs", "\(memory.slabs)"),
            ("memory_slabs_in_use", "\(memory.slabsInUse)"), ("memory_index", "\(memory.index)"),
            ("memory_wheels", "\(memory.wheels)"), ("memory_rings", "\(memory.rings)"),
            ("memory_blocks", "\(memory.blocks)"), ("memory_words", "\(memory.words)"),
            ("memory_watchers", "\(memory.watchers)"), ("memory_replica_logs", "\(memory.replicaLogs)"),
            ("activity_changes", "\(statistics.activityChanges)"),
            ("watch_lists", "\(loop.store.watchCount)"), ("watched", "\(statistics.watched)"),
        ]
    }

    /// Every presence has an end. An average of what is left is kept by nobody.
    private func keyspaceFields() -> [(String, String)] {
        let keys = loop.store.keyCount()
        guard keys > 0 else { return [] }
        let expires = statistics.stringsWithEnd + statistics.presentUsers
        return [("db0", "keys=\(keys),expires=\(expires),avg_ttl=0")]
    }

    /// What all event loops recorded.
    private func all(_ part: (LoopCounters) -> DurationHistogram) -> DurationHistogram {
        var all = DurationHistogram()
        for counters in server.counters { all.add(part(counters)) }
        return all
    }

    // MARK: - Spelling

    /// A histogram as Redis's `latencystats` has them, with its count and its greatest value.
    private static func percentiles(_ histogram: DurationHistogram) -> String {
        "count=\(histogram.count),p50=\(histogram.percentile(0.5)),p99=\(histogram.percentile(0.99)),"
            + "p99.9=\(histogram.percentile(0.999)),max=\(histogram.maximum)"
    }

    private static func human(_ bytes: Int) -> String {
        guard bytes >= 1024 else { return "\(bytes)B" }
        var value = Double(bytes)
        var unit = 0
        while value >= 1024, unit < 4 {
            value /= 1024
            unit += 1
        }
        return hundredths(value) + ["", "K", "M", "G", "T"][unit]
    }

    private static func micros(_ seconds: Double) -> String {
        let micros = Int((seconds * 1_000_000).rounded())
        let fraction = String(micros % 1_000_000)
        return "\(micros / 1_000_000)." + String(repeating: "0", count: 6 - fraction.count) + fraction
    }

    private static func hundredths(_ number: Double) -> String {
        let hundredths = Int((number * 100).rounded())
        return "\(hundredths / 100).\(twoDigits(hundredths % 100))"
    }

    private static func twoDigits(_ number: Int) -> String { number < 10 ? "0\(number)" : "\(number)" }
}

import PresenceCluster

/// What `INFO replication` tells: Redis's fields, as a primary with the other nodes for replicas; then a line for each other node.
///
/// A primary is what clients take every node for: all of them read and write. So each node is `role:master`, and a link that is up a replica of it. A link to a
/// follower is none: it does not count for `WAIT`.
extension ServerReport {
    func replicationFields() -> [(String, String)] {
        let draining = [
            ("draining", server.drain.isOn ? "1" : "0"), ("drain_left_ms", "\(server.drain.millisecondsLeft)"),
        ]
        guard let summary = server.replication?.report() else {
            return [
                ("role", "master"), ("connected_slaves", "0"), ("master_repl_offset", "0"),
                ("repl_backlog_active", "0"),
            ]
                + draining
        }
        return redisFields(summary) + totals(summary) + draining
            + summary.links.enumerated().map { ("peer\($0)", ServerReport.text(of: $1)) }
    }

    private func redisFields(_ summary: ReplicationSummary) -> [(String, String)] {
        var fields = [("role", "master"), ("connected_slaves", "\(summary.replicas.count)")]
        let cluster = loop.configuration.cluster
        for (index, link) in summary.replicas.enumerated() {
            let address = cluster?.node(link.number)?.resp
            // Redis's lag is in whole seconds.
            let lag = Int((link.lag.last / 1_000).rounded())
            fields.append(
                (
                    "slave\(index)",
                    "ip=\(address?.host ?? ""),port=\(address?.port ?? 0),state=\(ServerReport.state(of: link)),"
                        + "offset=\(link.position),lag=\(lag)"
                ))
        }
        return fields + [
            ("master_failover_state", "no-failover"), ("master_replid", server.runID),
            ("master_replid2", String(repeating: "0", count: 40)), ("master_repl_offset", "\(summary.position)"),
            ("second_repl_offset", "-1"), ("repl_backlog_active", "1"),
        ]
    }

    /// How far a replica is, in Redis's words: it waits until it is known what it lacks, is sent a copy, or hears each change.
    private static func state(of link: LinkSummary) -> String {
        link.hasCopy ? "online" : link.copyOut == nil ? "wait_bgsave" : "send_bulk"
    }

    private func totals(_ summary: ReplicationSummary) -> [(String, String)] {
        [
            ("cluster_ready", summary.isReady ? "1" : "0"), ("cluster_incarnation", "\(summary.incarnation)"),
            ("cluster_peers", "\(summary.links.count)"), ("cluster_links_up", "\(summary.linksUp)"),
            ("cluster_bytes_sent", "\(summary.sum(\.bytesSent))"),
            ("cluster_bytes_received", "\(summary.sum(\.bytesReceived))"),
            ("cluster_images_sent", "\(summary.sum(\.imagesSent))"),
            ("cluster_images_merged", "\(summary.sum(\.imagesMerged))"),
            ("cluster_images_refused", "\(summary.sum(\.imagesRefused))"),
            ("cluster_copy_images_refused", "\(summary.sum(\.copyImagesRefused))"),
            ("cluster_images_oversized", "\(summary.imagesOversized)"),
            ("cluster_beats_sent", "\(summary.sum(\.beatsSent))"),
            ("cluster_beats_received", "\(summary.sum(\.beatsReceived))"),
            ("cluster_shards_resent", "\(summary.sum(\.shardsResent))"),
            ("cluster_ranges_mended", "\(summary.sum(\.rangesMended))"),
            ("cluster_frame_errors", "\(summary.sum(\.frameErrors))"),
            ("cluster_refusals", summary.refusals.map { "\($0.reason)=\($0.count)" }.joined(separator: ",")),
            ("block_waits_timed_out", "\(server.blocksNotHeld.load(ordering: .relaxed))"),
        ]
    }

    /// One other node in a line of `name=value` pairs, as Redis writes them.
    private static func text(of link: LinkSummary) -> String {
        let direction = link.isUp ? link.isDialed ? "to" : "from" : "none"
        return [
            ("name", link.name), ("number", "\(link.number)"), ("address", link.address),
            ("follower", link.isFollower ? "1" : "0"),
            ("state", link.state.rawValue), ("draining", link.isDraining ? "1" : "0"),
            ("since_ms", "\(link.sinceMilliseconds)"), ("cause", word(link.cause)), ("link", direction),
            ("link_since_ms", "\(link.linkSinceMilliseconds)"), ("reconnects", "\(link.reconnects)"),
            ("version", "\(link.protocolVersion)"), ("incarnation", "\(link.incarnation)"),
            ("clock_offset_us", link.clockOffset.map { "\($0)" } ?? "-"), ("clock_error_us", "\(link.clockError)"),
            ("lag_ms", milliseconds(link.lag.last)), ("lag_p50_ms", milliseconds(link.lag.p50)),
            ("lag_p99_ms", milliseconds(link.lag.p99)), ("behind", "\(link.changesBehind)"),
            ("bytes_sent", "\(link.bytesSent)"), ("bytes_received", "\(link.bytesReceived)"),
            ("bytes_waiting", "\(link.bytesWaiting)"), ("images_sent", "\(link.imagesSent)"),
            ("images_merged", "\(link.imagesMerged)"), ("images_refused", "\(link.imagesRefused)"),
            ("copy_images_refused", "\(link.copyImagesRefused)"),
            ("beats_sent", "\(link.beatsSent)"), ("beats_received", "\(link.beatsReceived)"),
            ("copy_in", progress(link.copyIn)), ("copy_out", progress(link.copyOut)),
            ("shards_resent", "\(link.shardsResent)"),
            ("digests_compared", "\(link.digestsCompared)"), ("ranges_mended", "\(link.rangesMended)"),
            ("frame_errors", "\(link.frameErrors)"), ("last_failure", word(link.lastFailure)),
        ].map { "\($0)=\($1)" }.joined(separator: ",")
    }

    private static func progress(_ progress: LinkSummary.Progress?) -> String {
        progress.map { "\($0.done)/\($0.total)" } ?? "-"
    }

    /// With three digits behind the point.
    private static func milliseconds(_ number: Double) -> String {
        let thousandths = Int((max(0, min(number, 1e12)) * 1_000).rounded())
        let fraction = String(thousandths % 1_000)
        return "\(thousandths / 1_000)." + String(repeating: "0", count: 3 - fraction.count) + fraction
    }

    /// A text without the signs that part pairs and lines.
    private static func word(_ text: String) -> String {
        String(text.map { $0 == "," ? ";" : $0 == "=" || $0.isNewline ? " " : $0 })
    }
}

extension Settings {
    /// A rule between settings that is broken.
    struct BrokenRelation: Equatable, Sendable {
        /// The settings concerned. Whoever set one of them last is told.
        let names: [String]
        /// What is wrong and what is allowed, with both values.
        let message: String
    }

    /// Every rule between settings that these values break; empty if they fit together.
    func brokenRelations() -> [BrokenRelation] {
        var broken: [BrokenRelation] = []
        func require(_ holds: Bool, _ names: [String], _ message: String) {
            if !holds { broken.append(BrokenRelation(names: names, message: message)) }
        }
        let hardLimit = DurationUnits.spell(heartbeatHardLimit)
        require(
            sessionTTL <= heartbeatHardLimit, ["session-ttl", "heartbeat-hard-limit"],
            "session-ttl \(DurationUnits.spell(sessionTTL)) is above heartbeat-hard-limit \(hardLimit), "
                + "which ends every session"
        )
        require(
            heartbeatInterval < sessionTTL, ["heartbeat-interval", "session-ttl"],
            "heartbeat-interval \(DurationUnits.spell(heartbeatInterval)) is not below session-ttl "
                + "\(DurationUnits.spell(sessionTTL)): sessions would end between two beats")
        require(
            idleAfter < awayAfter, ["idle-after", "away-after"],
            "idle-after \(DurationUnits.spell(idleAfter)) is not below away-after \(DurationUnits.spell(awayAfter))")
        require(
            disconnectGrace <= heartbeatHardLimit, ["disconnect-grace", "heartbeat-hard-limit"],
            "disconnect-grace \(DurationUnits.spell(disconnectGrace)) is above heartbeat-hard-limit \(hardLimit): "
                + "nobody is shown live past it")
        require(
            lostGrace <= heartbeatHardLimit, ["lost-grace", "heartbeat-hard-limit"],
            "lost-grace \(DurationUnits.spell(lostGrace)) is above heartbeat-hard-limit \(hardLimit): "
                + "nobody is shown live past it")
        require(
            !manualClock || enableDebugCommand != .no, ["manual-clock", "enable-debug-command"],
            "manual-clock yes needs enable-debug-command yes: time could never move")
        require(
            maxmemory == 0 || maxmemory > shards * changeRingSize, ["maxmemory", "shards", "change-ring-size"],
            "maxmemory \(ByteUnits.spell(maxmemory)) leaves nothing beside the change rings: "
                + "shards \(shards) times change-ring-size \(ByteUnits.spell(changeRingSize))")
        let logBytes = replicaLogBytes
        require(
            maxmemory == 0 || logBytes == 0 || maxmemory > shards * changeRingSize + logBytes,
            ["maxmemory", "replica-log-entries"],
            "maxmemory \(ByteUnits.spell(maxmemory)) leaves nothing beside the change rings and the \(logBytes) bytes of "
                + "what is kept for other nodes: lower replica-log-entries \(cluster.replicaLogEntries)")
        return broken + brokenListeningRelations() + brokenTLSRelations() + brokenClusterRelations()
    }

    /// What is allowed and still worth a word to the operator.
    func advice() -> [String] {
        var advice: [String] = []
        let isLoopback = bind.allSatisfy { address in
            let bare = address.hasPrefix("-") ? String(address.dropFirst()) : address
            return bare == "localhost" || bare == "::1" || bare.hasPrefix("127.")
        }
        if !isLoopback, requirepass.isEmpty {
            advice.append(
                protectedMode
                    ? "bind names other interfaces, but protected-mode refuses other machines until requirepass is set"
                    : "every machine that reaches this port can read and write: set requirepass, or bind to loopback")
        }
        if heartbeatInterval * 2 > sessionTTL {
            advice.append(
                "heartbeat-interval \(DurationUnits.spell(heartbeatInterval)) is above half of session-ttl "
                    + "\(DurationUnits.spell(sessionTTL)): one lost beat makes a user offline")
        }
        advice += clusterAdvice() + peerCertificateAdvice()
        if manualClock { advice.append("manual-clock is on: time stands still until PRESENCE.ADVANCE moves it") }
        return advice
    }
}

import Logging
import Presence
import PresenceCluster
import PresenceLinks
import PresenceReplication
import PresenceStore
import PresenceTLS

/// What is made of the settings for the links to other nodes.
extension Settings {
    /// Changes that each shard keeps for other nodes, a power of two; 0 if there are none.
    var replicaLogEntriesOfShard: Int {
        guard hasOtherNodes else { return 0 }
        var entries = 64
        while entries * shards < cluster.replicaLogEntries { entries *= 2 }
        return entries
    }

    /// Bytes that all shards keep them in.
    var replicaLogBytes: Int { replicaLogEntriesOfShard * shards * 9 }

    /// The settings in which all nodes should agree, as a join compares them: what differs shows the same user differently, or refuses at one node what
    /// another takes.
    var sharedSettings: SharedSettings {
        SharedSettings(
            Setting.sharedNames.compactMap { name in
                Setting.named(name).map { SharedSettings.Setting(name, Settings.sharedValue($0.read(self))) }
            })
    }

    /// A value as it crosses the network: at most 64 bytes, no control characters. Of a longer one the beginning is compared.
    private static func sharedValue(_ value: String) -> String {
        var shared = String.UnicodeScalarView()
        var bytes = 0
        for scalar in value.unicodeScalars where scalar.value >= 0x20 && !(0x7F...0x9F).contains(scalar.value) {
            bytes += UTF8.width(scalar)
            if bytes > FrameLimits.settingValue { break }
            shared.append(scalar)
        }
        return String(shared)
    }

    /// The bounds and paces of the links.
    func peerSettings() -> PeerSettings {
        var settings = PeerSettings()
        settings.shared = sharedSettings
        settings.replicator.maxClockOffset = Int64(cluster.maxClockOffset)
        settings.replicator.digestInterval = Int64(cluster.digestInterval)
        let downAfter = Int64(cluster.peerTimeout)
        let suspectAfter = downAfter * 2 / 5
        if let limits = Membership.Limits(suspectAfter: suspectAfter, downAfter: downAfter) {
            settings.replicator.silence = limits
        }
        // Three pings fit into the time after which a peer is suspect.
        settings.replicator.pingInterval = min(settings.replicator.pingInterval, suspectAfter / 3)
        return settings
    }

    /// The secret of the cluster; nil where this node is the only one.
    ///
    /// - Throws: what is wrong with its file.
    func clusterSecret() throws(StartProblem) -> SharedSecret? {
        guard hasOtherNodes else { return nil }
        do throws(SecretFile.Problem) {
            return SharedSecret(try SecretFile(path: cluster.secretFile).secret())
        } catch {
            throw StartProblem(description: "secret-file: \(error)")
        }
    }
}

extension Setting {
    /// The settings that ``Settings/sharedSettings`` has.
    static let sharedNames = [
        "allow-invisible", "away-after", "block-hides", "disconnect-grace", "heartbeat-hard-limit", "idle-after",
        "key-prefix", "lost-grace", "max-activity-length", "max-clock-offset", "max-relations", "max-sessions-per-user",
        "max-words", "peer-margin", "peer-timeout", "session-ttl", "status-changes-per-minute", "storm-hold",
        "storm-minimum", "storm-pace", "storm-share", "storm-window", "tombstone-ttl",
    ]
}

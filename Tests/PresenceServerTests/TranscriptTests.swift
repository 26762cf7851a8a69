import Foundation
import Presence
import PresenceCluster
import PresenceStore
import Testing
import TranscriptSupport

@testable import PresenceServer

/// The stories of `Tests/Transcripts`, played against the server in process.
@Suite struct TranscriptTests {
    static let folder = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .appending(path: "Transcripts")

    static let names: [String] = ((try? FileManager.default.contentsOfDirectory(atPath: folder.path)) ?? [])
        .filter { $0.hasSuffix(".txt") }.sorted()

    @Test(arguments: names)
    func story(_ name: String) throws {
        let text = try String(contentsOf: Self.folder.appending(path: name), encoding: .utf8)
        let transcript = try Transcript(text)
        let server = try server(for: transcript)
        do {
            try TranscriptRunner(server).run(transcript)
        } catch let mismatch as TranscriptRunner.Mismatch {
            Issue.record("\(name), \(mismatch)")
        }
    }

    @Test func thereAreStories() {
        #expect(Self.names.count >= 12)
    }

    /// A server with a transcript's settings: those that stories need.
    private func server(for transcript: Transcript) throws -> EmbeddedServer {
        var configuration = ServerConfiguration()
        var policy = Policy()
        var sessionTTL: Int64 = 120_000
        var maxSessions = 32
        var storms = StormSettings()
        var blockHidesBoth = false
        var allowsInvisible = true
        var cluster = ""
        for (name, value) in transcript.settings {
            let duration = Transcript.duration(value) ?? 0
            switch name {
            case "requirepass": configuration.password = value
            case "idle-after": policy.idleAfter = duration
            case "away-after": policy.awayAfter = duration
            case "disconnect-grace": policy.disconnectGrace = duration
            case "lost-grace": policy.lostGrace = duration
            case "storm-minimum": storms.minimum = Int(value) ?? 0
            case "storm-share": storms.sharePercent = Int(value) ?? 0
            case "storm-hold": storms.holdMilliseconds = duration
            case "block-hides": blockHidesBoth = value == "both"
            case "allow-invisible": allowsInvisible = value == "yes"
            case "session-ttl": sessionTTL = duration
            case "max-sessions-per-user": maxSessions = Int(value) ?? 0
            case "notify-keyspace-events":
                configuration.keyspaceNotifications = try KeyspaceNotifications(letters: value)
            case "cluster": cluster = value
            case "node-name": configuration.nodeName = value
            case "proto-max-bulk-len": configuration.maximumBulkLength = Int(value) ?? 0
            default: Issue.record("the runner does not know the setting \(name)")
            }
        }
        if !cluster.isEmpty {
            let node = try ClusterNode(number: 1, name: configuration.nodeName)
            configuration.cluster = try ClusterConfiguration(name: cluster, own: node.name, nodes: [node])
        }
        let server = EmbeddedServer(configuration) {
            $0.policy = policy
            $0.sessionTTLMilliseconds = sessionTTL
            $0.maxSessionsPerUser = maxSessions
            $0.storms = storms
            $0.blockHidesBoth = blockHidesBoth
            $0.allowsInvisible = allowsInvisible
        }
        // The live settings that stories change.
        server.settings.add("heartbeat-hard-limit", "\(policy.heartbeatHardLimit)ms")
        server.settings.add("idle-after", "\(policy.idleAfter)ms")
        server.settings.add("away-after", "\(policy.awayAfter)ms")
        server.settings.add("disconnect-grace", "\(policy.disconnectGrace)ms")
        server.settings.add("lost-grace", "\(policy.lostGrace)ms")
        server.settings.changed.withLock {
            $0 = { [store = server.store, unowned settings = server.settings, policy] _ in
                var policy = policy
                for (name, value) in settings.get(matching: "*") {
                    let duration = Transcript.duration(value) ?? 0
                    switch name {
                    case "heartbeat-hard-limit": policy.heartbeatHardLimit = duration
                    case "idle-after": policy.idleAfter = duration
                    case "away-after": policy.awayAfter = duration
                    case "disconnect-grace": policy.disconnectGrace = duration
                    case "lost-grace": policy.lostGrace = duration
                    default: continue
                    }
                }
                store.update(policy: policy)
            }
        }
        return server
    }
}

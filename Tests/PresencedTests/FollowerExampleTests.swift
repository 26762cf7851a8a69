import Foundation
import LoopbackPorts
import Testing

/// `Examples/follower`, built as its readers would, beside a real node.
@Suite("A follower in a service")
struct FollowerExampleTests {
    private static let root = URL(filePath: #filePath)
        .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
    private static let scratch = ".build-follower"

    /// The example's binary. What was built of NIO in an earlier run is kept; how to build is planned anew, since an old plan would not know new files.
    private static func build() throws -> URL {
        for plan in ["debug.yaml", "plugin-tools.yaml"] {
            try? FileManager.default.removeItem(at: root.appending(path: "\(scratch)/\(plan)"))
        }
        let process = Process()
        process.executableURL = URL(filePath: "/usr/bin/env")
        process.currentDirectoryURL = root
        process.arguments = [
            "swift", "build", "--quiet", "--package-path", "Examples/follower", "--scratch-path", scratch, "--product",
            "follower",
        ]
        try process.run()
        process.waitUntilExit()
        #expect(process.terminationStatus == 0)
        return root.appending(path: "\(scratch)/debug/follower")
    }

    @Test("sees from its own copy who comes and goes, and no client is sent to it")
    func follows() throws {
        let binary = try Self.build()
        let folder = FileManager.default.temporaryDirectory.appending(path: "presenced-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        let secret = folder.appending(path: "secret").path
        try (String(repeating: "c5", count: 32) + "\n").write(toFile: secret, atomically: true, encoding: .utf8)
        try FileManager.default.setAttributes([.posixPermissions: 0o600], ofItemAtPath: secret)

        let port = LoopbackPorts.free()
        let nodes = [
            "a resp 127.0.0.1:\(port) peer 127.0.0.1:\(LoopbackPorts.free())",
            "cache number 9 peer 127.0.0.1:\(LoopbackPorts.free())",
        ]
        let node = try RunningPresenced(
            ["--cluster", "shop", "--secret-file", secret, "--node", nodes.joined(separator: ", "), "--node", "a"],
            port: port)
        defer { node.stop() }
        // One node takes writes: what reads and then writes is one step.
        #expect(
            try node.ask("SET lock mine NX", "PRESENCE.CONNECT presence:user:early phone EX 60") == ["+OK", ":1"])

        let process = Process()
        let (input, output) = (Pipe(), Pipe())
        process.executableURL = binary
        process.arguments = ["shop", "cache", secret] + nodes
        process.standardInput = input
        process.standardOutput = output
        process.standardError = FileHandle.nullDevice
        try process.run()
        defer { process.terminate() }
        let lines = ProcessLines(output.fileHandleForReading.fileDescriptor)
        #expect(lines.next(beginning: "ready", withinSeconds: 30) == "ready: 1 online")

        _ = try node.ask("PRESENCE.CONNECT presence:user:alice phone EX 60")
        #expect(lines.next(beginning: "alice", withinSeconds: 30) == "alice is online: offline to online, connect")
        let pace = lines.next(withinSeconds: 30)
        #expect(pace?.hasPrefix("100000 of 100000 reads said online") == true, "\(pace ?? "nothing")")
        #expect(try node.ask("PRESENCE.DISCONNECT presence:user:alice phone") == [":1"])
        #expect(
            lines.next(beginning: "alice", withinSeconds: 30) == "alice is offline: online to offline, disconnect")

        // It has everything, and is nobody's replica.
        #expect(try node.ask("WAIT 1 50") == [":0"])
        let connection = try node.connect()
        defer { close(connection) }
        let replies = ProcessLines(connection)
        func send(_ text: String) { _ = text.withCString { write(connection, $0, text.utf8.count) } }
        // What was just written is behind until the follower has said that it has it; what is shown may be a moment old.
        var peer: String?
        for _ in 0..<300 {
            send("INFO replication\r\n")
            #expect(replies.next(beginning: "connected_slaves", withinSeconds: 10) == "connected_slaves:0")
            peer = replies.next(beginning: "peer0", withinSeconds: 10)
            if peer?.contains("behind=0") == true { break }
            usleep(100_000)
        }
        #expect(peer?.contains("name=cache,number=9") == true && peer?.contains("follower=1") == true)
        #expect(peer?.contains("state=alive") == true && peer?.contains("behind=0") == true, "\(peer ?? "nothing")")
        send("CLUSTER INFO\r\n")
        #expect(replies.next(beginning: "cluster_known_nodes", withinSeconds: 10) == "cluster_known_nodes:1")
        #expect(replies.next(beginning: "cluster_size", withinSeconds: 10) == "cluster_size:1")
        send("CLUSTER LINKS\r\n")
        #expect(replies.next(beginning: "*", withinSeconds: 10) == "*0")

        try input.fileHandleForWriting.close()
        #expect(lines.next(beginning: "stopped", withinSeconds: 30) == "stopped")
        process.waitUntilExit()
        #expect(process.terminationStatus == 0)
    }
}

import Foundation
import Testing

@testable import presence_bench

/// The program itself, as a process that a test ends.
private final class Run {
    let process = Process()

    init(_ arguments: [String]) throws {
        let folder = URL(fileURLWithPath: try Program.own()).deletingLastPathComponent()
        process.executableURL = folder.appendingPathComponent("presence-bench")
        process.arguments = arguments
        process.standardOutput = FileHandle.nullDevice
        process.standardError = FileHandle.nullDevice
        try process.run()
    }

    deinit {
        if process.isRunning { kill(process.processIdentifier, SIGKILL) }
    }

    func end(by signal: Int32) {
        kill(process.processIdentifier, signal)
        process.waitUntilExit()
    }
}

/// Waits until something is so.
private func wait(_ what: String, until isSo: () -> Bool) throws {
    let deadline = ContinuousClock.now + .seconds(60)
    while !isSo() {
        guard ContinuousClock.now < deadline else { throw BenchError("not within 60 s: \(what)") }
        sched_yield()
    }
}

@Suite("A run that is told to end")
struct InterruptionTests {
    @Test("a server that ran before has its settings back and holds nothing", arguments: [SIGINT, SIGTERM, SIGHUP])
    func elsewhere(_ signal: Int32) throws {
        let asked = Asked()
        let server = try ScriptedServer { words in
            asked.append(words)
            switch words[0] {
            case "DBSIZE": return ":0\r\n"
            case "INFO": return LoadWay.bulk(words[1] == "server" ? "redis_version:7.0.15\r\n" : "# Keyspace\r\n")
            case "COMMAND": return "*1\r\n$-1\r\n"
            case "CONFIG" where words[1] == "GET": return "*2\r\n" + LoadWay.bulk(words[2]) + LoadWay.bulk("KEA")
            // Of a pipeline only the first is answered: the load waits for the others.
            default: return "+OK\r\n"
            }
        }
        let run = try Run(["load", "expiry", "--host", "127.0.0.1", "--port", "\(server.port)"])
        try wait("strings are written") { asked.all.contains { $0[0] == "SET" && $0[1].hasPrefix("presence:user:") } }
        let before = asked.all.count
        #expect(asked.all.contains(["CONFIG", "SET", "notify-keyspace-events", "Ex"]))
        run.end(by: signal)
        #expect(run.process.terminationReason == .exit && run.process.terminationStatus == 128 + signal)
        // Whatever else comes are strings that were on their way.
        let last = asked.all[before...].filter { ["CONFIG", "FLUSHALL", "DBSIZE"].contains($0[0]) }
        #expect(last == [["CONFIG", "SET", "notify-keyspace-events", "KEA"], ["FLUSHALL"], ["DBSIZE"]])
    }

    @Test(
        "no server that was started stays, nor when the run is killed", arguments: [SIGINT, SIGTERM, SIGHUP, SIGKILL])
    func started(_ signal: Int32) throws {
        let folder = try TemporaryFolder()
        let told = folder.url.appendingPathComponent("pid")
        let server = folder.url.appendingPathComponent("server")
        // As a server does that lives on when its terminal closes.
        try Data("#!/bin/sh\ntrap '' HUP INT TERM\necho $$ > \(told.path)\nwhile :; do sleep 60; done\n".utf8)
            .write(to: server)
        try FileManager.default.setAttributes([.posixPermissions: 0o700], ofItemAtPath: server.path)
        let run = try Run(["load", "get", "--against", "none", "--server", server.path])
        var pid: Int32 = 0
        try wait("the server runs") {
            pid = (try? String(contentsOf: told, encoding: .utf8)).flatMap { Int32($0.dropLast()) } ?? 0
            return pid > 0
        }
        defer { kill(pid, SIGKILL) }
        run.end(by: signal)
        try wait("the server ends") { kill(pid, 0) != 0 }
    }

    @Test("a folder of a run is removed when nobody holds it, and what is forgotten is not done")
    func folders() throws {
        var folder: TemporaryFolder? = try TemporaryFolder()
        let path = try #require(folder?.url.path)
        try Data().write(to: URL(fileURLWithPath: path + "/file"))
        folder = nil
        #expect(!FileManager.default.fileExists(atPath: path))
    }
}

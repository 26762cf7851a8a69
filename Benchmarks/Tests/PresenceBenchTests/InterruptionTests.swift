import Foundation
import Testing

@testable import presence_bench

/// The program itself, as a process that a test ends.
private final class Run {
    let process = Process()

    init(_ arguments: [String]) throws {
        let folder = URL(fileURLWithPath: try Program.own()).deletingLastPathComponent()
        // Its signals are those of a shell's child, whatever this process has taken for itself.
        process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
        process.arguments =
            ["--default-signal=PIPE", folder.appendingPathComponent("presence-bench").path] + arguments
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

/// What a server holds: strings by their keys.
private final class Strings: @unchecked Sendable {
    private let lock = NSLock()
    private var values: [String: String] = [:]

    subscript(key: String) -> String? {
        get { lock.withLock { values[key] } }
        set { lock.withLock { values[key] = newValue } }
    }
}

@Suite("A run that is told to end", .serialized)
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
            // The load waits for what is not answered.
            default: return words.count > 1 && words[1].hasPrefix("presence:user:") ? "" : "+OK\r\n"
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
        try Data("#!/bin/sh\ntrap '' HUP INT TERM\necho $$ > \(told.path)\nexec sleep 60\n".utf8)
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
        // One that has ended and that nobody has asked for yet has no command line any more.
        try wait("the server ends") {
            ((try? Data(contentsOf: URL(fileURLWithPath: "/proc/\(pid)/cmdline"))) ?? Data()).isEmpty
        }
    }

    @Test("what was measured is written, though a later work gets a wrong reply")
    func wrongReply() throws {
        let strings = Strings()
        let server = try ScriptedServer { words in
            switch words[0] {
            case "DBSIZE": return ":0\r\n"
            case "INFO" where words[1] == "cpu": return LoadWay.bulk("used_cpu_user:1.5\r\n")
            case "INFO": return LoadWay.bulk(words[1] == "server" ? "redis_version:7.0.15\r\n" : "")
            case "COMMAND": return "*1\r\n$-1\r\n"
            case "GET": return strings[words[1]].map(LoadWay.bulk) ?? "$-1\r\n"
            case "SET" where words.count > 3: return "-ERR no\r\n"
            case "SET":
                strings[words[1]] = words[2]
                return "+OK\r\n"
            default: return "+OK\r\n"
            }
        }
        let folder = try TemporaryFolder()
        let (json, chart) = (folder.url.appendingPathComponent("a.json"), folder.url.appendingPathComponent("a.svg"))
        let run = try Run([
            "load", "get", "set", "--host", "127.0.0.1", "--port", "\(server.port)", "--users", "1000", "--connections",
            "1", "--seconds", "0.1", "--rounds", "1", "--json", json.path, "--chart", chart.path,
        ])
        run.process.waitUntilExit()
        #expect(run.process.terminationStatus == 1)
        let told = try #require(try JSONSerialization.jsonObject(with: Data(contentsOf: json)) as? [String: Any])
        #expect((told["failure"] as? String)?.contains("-ERR no") == true)
        #expect((told["results"] as? [[String: Any]])?.map { $0["work"] as? String } == ["get"])
        #expect(try String(contentsOf: chart, encoding: .utf8).contains("GET of 250 bytes"))
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

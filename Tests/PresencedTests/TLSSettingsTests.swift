import Foundation
import PresenceServer
import PresenceTLS
import Synchronization
import Testing

@testable import presenced

@Suite("Settings of TLS")
struct TLSSettingsTests {
    private func problems(_ words: String) -> [String] {
        do throws(SettingsProblems) {
            _ = try SettingsReader.read(file: nil, arguments: words.split(separator: " ").map(String.init))
            return []
        } catch {
            return error.lines
        }
    }

    @Test(
        "that do not fit together say what is missing",
        arguments: [
            (
                "--tls-port 6390",
                ["tls-port 6390 needs a certificate (tls-cert-file, tls-key-file) or pre-shared keys (tls-psk-file)"]
            ),
            (
                "--tls-port 6390 --tls-cert-file c --tls-auth-clients no",
                ["tls-cert-file c is nothing without its key: set tls-key-file too"]
            ),
            (
                "--tls-port 6390 --tls-psk-file p --tls-key-file k",
                ["tls-key-file k is the key of no certificate: set tls-cert-file too"]
            ),
            ("--tls-port 6399 --tls-psk-file p", ["tls-port 6399 is the port without TLS too: choose another"]),
            ("--port 0", ["port 0 and tls-port 0 leave nothing to connect to: set one of them"]),
            (
                "--tls-port 6390 --tls-cert-file c --tls-key-file k",
                [
                    "tls-auth-clients yes needs authorities to trust: tls-ca-cert-file or tls-ca-cert-dir, "
                        + "or tls-auth-clients no to ask clients for no certificate"
                ]
            ),
            ("--tls-port 6390 --tls-cert-file c --tls-key-file k --tls-ca-cert-file a", []),
            ("--tls-port 6390 --tls-cert-file c --tls-key-file k --tls-ca-cert-file a --tls-crl-file r", []),
            (
                "--tls-port 6390 --tls-cert-file c --tls-key-file k --tls-auth-clients no --tls-crl-file r",
                ["tls-crl-file r is about certificates of authorities, and none is trusted: set tls-ca-cert-file"]
            ),
            ("--tls-port 6390 --tls-cert-file c --tls-key-file k --tls-auth-clients no", []),
            ("--tls-port 6390 --tls-psk-file p --port 0", []), ("--tls-cert-file c", []),
        ])
    func relations(_ words: String, _ expected: [String]) {
        let found = problems(words)
        #expect(found.count == expected.count)
        for (problem, text) in zip(found, expected) { #expect(problem.hasSuffix(text)) }
    }

    @Test("name versions as Redis does")
    func versions() throws {
        let form = ValueForm<TLSVersions>.tlsVersions
        #expect(try form.parse(["TLSv1.3 tlsv1.2"], []) == [.tls12, .tls13])
        #expect(try form.parse(["TLSv1.2"], [.tls13]) == .tls12)
        #expect(form.format([.tls12, .tls13]) == "TLSv1.2 TLSv1.3")
        #expect(throws: ValueError.self) { try form.parse(["TLSv1.1"], []) }
        #expect(throws: ValueError.self) { try form.parse([""], []) }
    }

    @Test("take a file of shared keys line by line")
    func sharedKeys() throws {
        var failures: [String] = []
        let key = String(repeating: "0aF1", count: 8)
        let text =
            "# keys\n\nnode-a:\(key)\n  a:b:\(key) \r\nbad\n:\(key)\nc:\(key)0\nd:\(String(repeating: "+1", count: 16))\nnode-a:\(key)\n"
        let keys = try SharedKeyFile.keys(of: text) { failures.append("\($0): \($1)") }
        #expect(keys.map { String(decoding: $0.identity, as: UTF8.self) } == ["node-a", "a:b"])
        #expect(keys.allSatisfy { $0.key.count == 16 && $0.key.prefix(2) == [0x0A, 0xF1] })
        #expect(failures.map { $0.prefix(2) } == ["5:", "6:", "7:", "8:", "9:"])
    }
}

@Suite("Settings that are read again")
struct RereadTests {
    private let path = FileManager.default.temporaryDirectory.path + "/presenced-reread-\(UUID().uuidString).conf"
    private let applied = Recorder()

    /// What was applied; refuses what it is told to.
    private final class Recorder: Sendable {
        let names = Mutex<[[String]]>([])
        let refusal = Mutex<String?>(nil)
    }

    private func write(_ text: String) throws { try Data(text.utf8).write(to: URL(filePath: path)) }

    private func start(_ arguments: [String] = []) throws -> LiveSettings {
        let text = try String(contentsOfFile: path, encoding: .utf8)
        let live = LiveSettings(
            try SettingsReader.read(file: (path, text), arguments: arguments), file: path, arguments: arguments)
        let applied = applied
        live.attach { (_, names) throws(ConfigurationPortError) in
            if let refusal = applied.refusal.withLock({ $0 }) { throw .invalid(name: names[0], reason: refusal) }
            applied.names.withLock { $0.append(names) }
        }
        return live
    }

    private func value(_ live: LiveSettings, _ name: String) -> String? { live.get(matching: name).first?.value }

    @Test("take what changed in the file, and leave what CONFIG SET changed")
    func changes() throws {
        try write("timeout 10\nidle-after 10m\n")
        let live = try start(["--maxclients", "50"])
        try live.set([("session-ttl", "60s"), ("idle-after", "7m")])
        #expect(try live.reread() == .init(changed: [], fixed: []))
        try write("timeout 20\nidle-after 10m\nshards 64\nmaxclients 70\n")
        #expect(try live.reread() == .init(changed: ["timeout"], fixed: ["shards"]))
        #expect(value(live, "timeout") == "20")
        #expect(value(live, "session-ttl") == "60s")
        #expect(value(live, "idle-after") == "420s" || value(live, "idle-after") == "7m")
        #expect(value(live, "shards") == "32")
        #expect(value(live, "maxclients") == "50", "the command line wins")
        #expect(try live.reread() == .init(changed: [], fixed: ["shards"]), "said until it is so")
        try write("idle-after 10m\n")
        #expect(try live.reread() == .init(changed: ["timeout"], fixed: []), "a line that is gone is the default")
        #expect(value(live, "timeout") == "0")
        #expect(applied.names.withLock { $0 } == [["session-ttl", "idle-after"], ["timeout"], ["timeout"]])
    }

    @Test("take nothing if anything is wrong")
    func problems() throws {
        try write("timeout 10\n")
        let live = try start()
        try live.set([("session-ttl", "60s")])
        for (text, problem) in [
            ("timeout 20\nnonsense 1\n", "nonsense"), ("timeout 20\nsession-ttl 5ms\n", "session-ttl"),
            ("timeout 20\nheartbeat-interval 90s\n", "heartbeat-interval 90s is not below session-ttl 60s"),
        ] {
            try write(text)
            do throws(SettingsProblems) {
                _ = try live.reread()
                Issue.record("taken: \(text)")
            } catch {
                #expect(error.lines.count == 1 && error.lines[0].contains(problem))
            }
        }
        try write("timeout 20\n")
        applied.refusal.withLock { $0 = "no such certificate" }
        #expect(throws: SettingsProblems.self) { try live.reread() }
        #expect(value(live, "timeout") == "10")
        applied.refusal.withLock { $0 = nil }
        #expect(try live.reread().changed == ["timeout"])
        try FileManager.default.removeItem(atPath: path)
        #expect(throws: SettingsProblems.self) { try live.reread() }
        #expect(value(live, "timeout") == "20")
    }

    @Test("apply files of TLS anew, be they named again by CONFIG SET or read again")
    func files() throws {
        try write("tls-cert-file /c\n")
        let live = try start()
        try live.set([("tls-cert-file", "/c")])
        try live.set([("timeout", "0")])
        #expect(try live.reread() == .init(changed: [], fixed: []))
        #expect(applied.names.withLock { $0 } == [["tls-cert-file"], ["tls-cert-file"]])
    }
}

import ArgumentParser
import Foundation
import Testing

@testable import presence_bench

@Suite("What a run is asked for")
struct OptionsTests {
    private func message<Command: ParsableCommand>(_ command: Command.Type, _ arguments: [String]) -> String {
        do {
            _ = try Command.parse(arguments)
            return ""
        } catch {
            return command.message(for: error)
        }
    }

    @Test(
        "a number beyond its bounds is refused, and they are named",
        arguments: [
            ("--rate", "inf", "1 to 10000000"), ("--rate", "1e30", "1 to 10000000"), ("--rate", "nan", "1 to 10000000"),
            ("--seconds", "inf", "0.1 to 200"), ("--seconds", "1e300", "0.1 to 200"),
            ("--users", "5000000000", "1000 to 10000000"), ("--rounds", "0", "1 to 100"),
            ("--connections", "1001", "1 to 1000"), ("--pipeline", "513", "1 to 512"), ("--processes", "51", "1 to 50"),
        ])
    func load(_ option: String, _ value: String, _ bounds: String) {
        #expect(message(LoadCommand.self, ["get", option, value]).hasPrefix("\(option) is \(bounds), not "))
    }

    @Test("the other parts have bounds, too")
    func others() {
        #expect(message(LoadCommand.self, ["fan-out", "--subscribers", "50001"]).contains("1 to 50000"))
        #expect(message(HeartbeatCommand.self, ["--rounds", "1000000"]) == "--rounds is 1 to 100, not 1000000")
        #expect(message(HeartbeatCommand.self, ["--users", "0"]).contains("1 to 10000000"))
        #expect(message(LatenessCommand.self, ["--alive", "-1"]).contains("--alive"))
        #expect(message(LatenessCommand.self, ["--due", "9999999999"]).contains("100 to 1000000"))
        #expect(message(MemoryCommand.self, ["--users", "5000000000"]).contains("1000 to 100000000"))
        #expect(message(StoreCommand.self, ["--users", "5000000000"]).contains("1000 to 100000000"))
        #expect(message(IdleCommand.self, ["--connections", "5"]).contains("100 to 60000"))
        #expect(message(InstructionsCommand.self, ["--operations", "1e9"]).contains("--operations"))
        #expect(message(CountCommand.self, ["beat", "--operations", "0"]).contains("1 to 10000000"))
        #expect(message(MicroCommand.self, ["--rounds", "0"]).contains("1 to 100"))
        #expect(message(WatchCommand.self, ["--rate", "inf"]) == "--rate is 1 to 10000000, not inf")
        #expect(message(ScaleCommand.self, ["--seconds", "99999999999"]).contains("5 to 86400"))
        #expect(message(ClusterCommand.self, ["--rates", "inf"]).contains("100 to 10000000"))
        #expect(message(ClusterCommand.self, ["--rates", "1000,many"]).contains("not many"))
    }

    @Test("servers that a part does not measure cannot be named there, and nobody is named in vain")
    func servers() {
        for peer in ["--against", "--redis", "--valkey"] {
            #expect(message(WatchCommand.self, [peer, "redis"]).contains("Unknown option '\(peer)'"))
            #expect(message(ScaleCommand.self, [peer, "redis"]).contains("Unknown option '\(peer)'"))
        }
        #expect(message(ClusterCommand.self, ["--valkey", "v"]).contains("Unknown option"))
        #expect(message(ClusterCommand.self, ["--against", "valkey"]).contains("--against knows redis"))
        #expect(message(ClusterCommand.self, ["--against", "none", "--redis", "r"]).contains("none without --redis"))
        for against in ["redis,,none", "redis,none", "redis,redis", "", "keydb"] {
            #expect(!message(LoadCommand.self, ["get", "--against", against]).isEmpty, "\(against)")
        }
        #expect(message(LoadCommand.self, ["get", "--against", "redis", "--valkey", "v"]).contains("leaves out"))
        #expect(message(LoadCommand.self, ["get", "--against", "none", "--redis", "r"]).contains("leaves out"))
        #expect(message(LoadCommand.self, ["get", "--port", "7"]).contains("of a server at --host"))
        #expect(message(LoadCommand.self, ["get", "--host", "h", "--redis", "r"]).contains("without --against"))
        for right in [["--against", "none"], ["--against", "redis,valkey-libc", "--valkey", "v"], ["--redis", "r"]] {
            #expect(message(LoadCommand.self, ["get"] + right).isEmpty)
        }
    }

    @Test("servers that are started take all subscribers")
    func subscribers() throws {
        let settings = { (arguments: [String]) in try LoadCommand.parse(arguments).settings }
        #expect(try settings(["fan-out"]).isEmpty && settings([]).isEmpty)
        #expect(try settings(["get", "fan-out", "--subscribers", "10000"]) == ["--maxclients", "10101"])
    }

    @Test("a file that cannot be written is refused before anything is measured, and nothing is left of the question")
    func files() throws {
        let folder = try TemporaryFolder()
        let path = folder.url.appendingPathComponent("figures.json").path
        try OutputFile.check(path, nil)
        #expect(!FileManager.default.fileExists(atPath: path))
        try Data().write(to: URL(fileURLWithPath: path))
        try OutputFile.check(path)
        let missing = #expect(throws: BenchError.self) { try OutputFile.check("/nonexistent/x") }
        #expect(missing?.description == "/nonexistent/x cannot be written: /nonexistent: No such file or directory")
        let isFolder = #expect(throws: BenchError.self) { try OutputFile.check(folder.url.path) }
        #expect(isFolder?.description.contains("is a folder") == true)
    }

    @Test("a server that wants a password says how it is given")
    func password() throws {
        let server = try ScriptedServer { _ in "-NOAUTH Authentication required.\r\n" }
        let error = #expect(throws: BenchError.self) {
            try LoadTarget(at: ServerAddress(port: server.port), mayEmpty: true)
        }
        #expect(error?.description.hasSuffix(": --password, and --user, log in") == true)
    }

    @Test("what belongs to the repository is found from anywhere")
    func places() {
        #expect(Repository.path("Benchmarks/baselines.json").hasSuffix("Benchmarks/baselines.json"))
        #expect(FileManager.default.fileExists(atPath: Repository.path("Benchmarks/baselines.json")))
        #expect(Repository.path("nothing").hasPrefix("/"))
    }
}

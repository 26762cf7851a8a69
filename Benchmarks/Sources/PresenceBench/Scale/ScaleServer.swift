import Foundation

/// A presenced with settings of its own, on a free port of the loopback interface; ended by its process id, also when a part fails.
final class ScaleServer {
    let port: Int
    private let process = Process()

    var pid: Int32 { process.processIdentifier }
    var residentBytes: Int { ResidentMemory.bytes(of: "\(pid)") }

    /// Starts it and waits until it answers.
    ///
    /// - Parameter settings: as on its command line.
    init(_ path: String, settings: [String] = []) throws {
        port = try ScaleServer.freePort()
        process.executableURL = URL(fileURLWithPath: path)
        process.arguments = ["--port", "\(port)", "--bind", "127.0.0.1", "--loglevel", "warning"] + settings
        process.standardInput = FileHandle.nullDevice
        process.standardOutput = FileHandle.nullDevice
        // Warnings of the server are shown: they say what a measurement ran into.
        process.standardError = FileHandle.standardError
        process.currentDirectoryURL = FileManager.default.temporaryDirectory
        try process.run()
        let deadline = ContinuousClock.now + .seconds(20)
        while true {
            if let connection = try? connect(), (try? connection.command("PING")) == .simple("PONG") { return }
            guard process.isRunning, ContinuousClock.now < deadline else {
                stop()
                throw BenchError("\(path) does not serve with \(settings.joined(separator: " "))")
            }
            usleep(20_000)
        }
    }

    deinit { stop() }

    func connect() throws -> Connection { try Connection(port: port) }

    /// Processor time of all its threads since it began, in nanoseconds.
    func processorTime() throws -> UInt64 { try ProcessorTime.ofProcess(pid) }

    /// What `INFO presence` says of lateness: of the wheel, of what was announced, of what was missed.
    func lateness() throws -> ToldLateness {
        guard case .bulk(let text) = try connect().command("INFO", "presence") else {
            throw BenchError("INFO presence failed")
        }
        let beginnings = ["expiry_", "wheel_", "events_missed", "storm"]
        let fields = text.split(whereSeparator: \.isNewline)
            .filter { line in beginnings.contains { line.hasPrefix($0) } }
        return ToldLateness(fields: fields.map(String.init))
    }

    func stop() {
        guard process.isRunning else { return }
        kill(pid, SIGTERM)
        let deadline = ContinuousClock.now + .seconds(10)
        while process.isRunning, ContinuousClock.now < deadline { usleep(10_000) }
        if process.isRunning { kill(pid, SIGKILL) }
        process.waitUntilExit()
    }

    /// A port that nobody listens on: the system names one, and it is given back.
    private static func freePort() throws -> Int {
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

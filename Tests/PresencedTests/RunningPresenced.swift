import Foundation
import Glibc
import LoopbackPorts
import Testing

/// The real binary, serving on a free port of the loopback interface until it is ended, by its process number.
final class RunningPresenced {
    let port: Int
    private let process = Process()

    /// The binary that SwiftPM put beside the tests.
    static let binary = URL(filePath: "/proc/self/exe").resolvingSymlinksInPath().deletingLastPathComponent()
        .appending(path: "presenced")

    /// Starts it with these settings and waits until it accepts connections, on that port or a free one.
    init(_ settings: [String] = [], port given: Int? = nil) throws {
        port = given ?? LoopbackPorts.free()
        process.executableURL = Self.binary
        process.arguments = ["--port", String(port)] + settings
        process.standardInput = FileHandle.nullDevice
        process.standardError = FileHandle.nullDevice
        try process.run()
        let deadline = ContinuousClock.now + .seconds(20)
        while !Self.connects(to: port) {
            guard process.isRunning, ContinuousClock.now < deadline else {
                process.terminate()
                throw Failure("presenced does not serve on port \(port)")
            }
            usleep(10_000)
        }
    }

    /// Ends it with SIGTERM, waits, and returns its exit code.
    @discardableResult
    func stop() -> Int32 {
        process.terminate()
        process.waitUntilExit()
        return process.terminationStatus
    }

    /// Runs the binary to its end.
    static func run(_ arguments: String...) throws -> (status: Int32, output: String, errors: String) {
        let process = Process()
        let output = Pipe()
        let errors = Pipe()
        process.executableURL = binary
        process.arguments = arguments
        process.standardOutput = output
        process.standardError = errors
        try process.run()
        let outputBytes = output.fileHandleForReading.readDataToEndOfFile()
        let errorBytes = errors.fileHandleForReading.readDataToEndOfFile()
        process.waitUntilExit()
        return (
            process.terminationStatus, String(decoding: outputBytes, as: UTF8.self),
            String(decoding: errorBytes, as: UTF8.self)
        )
    }

    struct Failure: Error, CustomStringConvertible {
        let description: String
        init(_ description: String) { self.description = description }
    }

    /// A connection to it: a descriptor that the caller closes.
    func connect() throws -> Int32 {
        let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        guard Self.connect(descriptor, to: port) else {
            close(descriptor)
            throw Failure("no connection to port \(port)")
        }
        return descriptor
    }

    /// What it answers to commands in lines; each reply is one line.
    func ask(_ commands: String...) throws -> [String] {
        let descriptor = try connect()
        defer { close(descriptor) }
        let replies = ProcessLines(descriptor)
        return try commands.map { command in
            let bytes = Array((command + "\r\n").utf8)
            guard write(descriptor, bytes, bytes.count) == bytes.count else { throw Failure("\(command) was not sent") }
            guard let reply = replies.next(withinSeconds: 20) else { throw Failure("no reply to \(command)") }
            return reply
        }
    }

    private static func loopback(_ port: Int) -> sockaddr_in {
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = UInt16(port).bigEndian
        address.sin_addr.s_addr = inet_addr("127.0.0.1")
        return address
    }

    private static func connects(to port: Int) -> Bool {
        let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        defer { close(descriptor) }
        return connect(descriptor, to: port)
    }

    private static func connect(_ descriptor: Int32, to port: Int) -> Bool {
        var address = loopback(port)
        return withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                Glibc.connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size)) == 0
            }
        }
    }
}

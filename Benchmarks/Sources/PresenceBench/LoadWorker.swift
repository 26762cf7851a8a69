import ArgumentParser
import Foundation

/// One of several processes that load a server: it reads its job as a line of JSON, says when it is ready, is told to begin each stage, and writes its
/// outcome, a line each.
struct LoadWorkerCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "load-worker", abstract: "What load --processes starts.", shouldDisplay: false)

    func run() throws {
        guard let line = readLine() else { throw BenchError("a load-worker got no job") }
        let driver = try LoadDriver(JSONDecoder().decode(LoadJob.self, from: Data(line.utf8)))
        let output = FileHandle.standardOutput
        try output.write(contentsOf: Data("\n".utf8))
        while readLine() != nil { try output.write(contentsOf: JSONEncoder().encode(driver.run()) + Data("\n".utf8)) }
    }
}

/// Such a process, as the one that started it sees it.
final class LoadWorker {
    private let process = Process()
    private var started: StartedProcess?
    private let (input, output) = (Pipe(), Pipe())

    init(_ job: LoadJob) throws {
        (process.executableURL, process.arguments) = StartedProcess.bound(try Program.own(), ["load-worker"])
        process.standardInput = input
        process.standardOutput = output
        try process.run()
        started = StartedProcess(process.processIdentifier, endedBy: SIGKILL)
        try input.fileHandleForWriting.write(contentsOf: JSONEncoder().encode(job) + Data("\n".utf8))
    }

    deinit {
        started?.forget()
        if process.isRunning { kill(process.processIdentifier, SIGKILL) }
    }

    /// Waits until it has its connections and its commands.
    func waitUntilReady() throws {
        guard try output.fileHandleForReading.read(upToCount: 1)?.count == 1 else {
            throw BenchError("a load-worker ended before it began")
        }
    }

    func begin() throws { try input.fileHandleForWriting.write(contentsOf: Data("\n".utf8)) }

    /// What the stage gave that was begun.
    func outcome() throws -> LoadOutcome {
        var line = Data()
        while line.last != UInt8(ascii: "\n") {
            let part = output.fileHandleForReading.availableData
            guard !part.isEmpty else { throw BenchError("a load-worker failed: see above") }
            line += part
        }
        return try JSONDecoder().decode(LoadOutcome.self, from: line)
    }

    /// No stage comes any more.
    func end() throws {
        try input.fileHandleForWriting.close()
        process.waitUntilExit()
        guard process.terminationStatus == 0 else { throw BenchError("a load-worker failed: see above") }
    }
}

import Foundation
import Glibc
import Testing
import TranscriptSupport

/// The stories of `Tests/Transcripts`, played against the real binary over real sockets, with a clock that stands
/// still.
@Suite("A story told to the real binary")
struct TranscriptTests {
    static let folder = DocumentationTests.root.appending(path: "Tests/Transcripts")

    static let names = ((try? FileManager.default.contentsOfDirectory(atPath: folder.path)) ?? [])
        .filter { $0.hasSuffix(".txt") }.sorted()

    @Test("goes as it is written", arguments: names)
    func story(name: String) throws {
        let transcript = try Transcript(String(contentsOf: Self.folder.appending(path: name), encoding: .utf8))
        let settings = ["--manual-clock", "yes", "--enable-debug-command", "yes"]
        let presenced = try RunningPresenced(settings + transcript.settings.flatMap { ["--\($0.name)", $0.value] })
        defer { #expect(presenced.stop() == 0) }
        do {
            try TranscriptRunner(SocketTransport(presenced)).run(transcript)
        } catch let mismatch as TranscriptRunner.Mismatch {
            Issue.record("\(name), \(mismatch)")
        }
    }

    @Test("is there")
    func stories() {
        #expect(Self.names.count >= 12)
    }
}

/// Connections over the loopback interface.
private struct SocketTransport: TranscriptTransport {
    let presenced: RunningPresenced

    init(_ presenced: RunningPresenced) { self.presenced = presenced }

    func connect() throws -> any TranscriptConnection { SocketConnection(try presenced.connect()) }
}

/// One socket; closed with the object.
private final class SocketConnection: TranscriptConnection {
    private let descriptor: Int32

    init(_ descriptor: Int32) { self.descriptor = descriptor }

    deinit { close(descriptor) }

    func send(_ bytes: [UInt8]) throws {
        var rest = bytes[...]
        while !rest.isEmpty {
            let count = rest.withUnsafeBytes {
                Glibc.send(descriptor, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL))
            }
            guard count > 0 else { return }
            rest = rest.dropFirst(count)
        }
    }

    func receive() throws -> [UInt8] {
        var waiting = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
        guard poll(&waiting, 1, 20_000) > 0 else { throw RunningPresenced.Failure("no bytes within 20 s") }
        var block = [UInt8](repeating: 0, count: 65_536)
        let count = recv(descriptor, &block, block.count, 0)
        return count > 0 ? Array(block[..<count]) : []
    }
}

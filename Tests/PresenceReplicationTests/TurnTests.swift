import Presence
import Testing

@testable import PresenceReplication

@Suite("What may come when")
struct TurnTests {
    private let hello = Frame.hello(Hello(identity: SampleFrames.alpha))
    private let welcome = Frame.welcome(Welcome(version: 2, identity: SampleFrames.beta))

    @Test("before the link is open only greetings come", arguments: FrameType.allCases.filter { !$0.isGreeting })
    func beforeGreeting(_ type: FrameType) throws {
        let sample = try #require(SampleFrames.all.first { $0.frame.type == type })
        let bytes = try written([sample.frame], version: sample.version)
        let error = FrameError.outOfTurn(type: type.rawValue, stage: .greeting)
        #expect(reading(bytes, version: nil).failure == error)
        #expect(throws: error) { try written([sample.frame], version: nil) }
    }

    @Test("what may be skipped may not come before the link is open either")
    func skippableBeforeGreeting() {
        let error = FrameError.outOfTurn(type: 64, stage: .greeting)
        #expect(reading(sealed(64, [], sequence: 0), version: nil).failure == error)
    }

    @Test("an open link has no more greetings", arguments: [FrameType.hello, .welcome, .refuse])
    func afterGreeting(_ type: FrameType) throws {
        let sample = try #require(SampleFrames.all.first { $0.frame.type == type })
        let bytes = try written([sample.frame], version: nil)
        let error = FrameError.outOfTurn(type: type.rawValue, stage: .open(version: ProtocolVersions.current))
        #expect(reading(bytes).failure == error)
        #expect(throws: error) { try written([sample.frame]) }
    }

    @Test("after a greeting nothing comes until it is answered")
    func greeted() throws {
        var reader = FrameReader()
        let bytes = try written([hello], version: nil)
        var position = 0
        let first = try reader.next(of: bytes + bytes, from: &position)
        #expect(first == hello)
        #expect(reader.stage == .greeted)
        #expect(throws: FrameError.outOfTurn(type: 1, stage: .greeted)) {
            _ = try reader.next(of: bytes + bytes, from: &position)
        }
        var writer = FrameWriter()
        var output: [UInt8] = []
        try writer.write(hello, to: &output)
        #expect(writer.stage == .greeted)
        #expect(throws: FrameError.outOfTurn(type: 1, stage: .greeted)) { try writer.write(hello, to: &output) }
        #expect(throws: FrameError.outOfTurn(type: 4, stage: .greeted)) {
            try writer.write(.ping(Ping(sent: 0)), to: &output)
        }
        #expect(output == bytes)
    }

    @Test("two nodes greet, and speak")
    func link() throws {
        var dialer = FrameWriter()
        var listener = FrameWriter()
        var fromDialer = FrameReader()
        var fromListener = FrameReader()
        var (there, back): ([UInt8], [UInt8]) = ([], [])
        var (read, answered) = (0, 0)

        try dialer.write(hello, to: &there)
        let greeting = try fromDialer.next(of: there, from: &read)
        #expect(greeting == hello)
        try listener.write(welcome, to: &back)
        listener.open(version: 2)
        fromDialer.open(version: 2)
        // Who answers need not wait for anything before it goes on.
        try listener.write(.ping(Ping(sent: 5)), to: &back)

        let answer = try fromListener.next(of: back, from: &answered)
        #expect(answer == welcome)
        dialer.open(version: 2)
        fromListener.open(version: 2)
        let ping = try fromListener.next(of: back, from: &answered)
        #expect(ping == .ping(Ping(sent: 5)))
        try dialer.write(.pong(Pong(sent: 5, received: 6, answered: 6)), to: &there)
        let pong = try fromDialer.next(of: there, from: &read)
        #expect(pong == .pong(Pong(sent: 5, received: 6, answered: 6)))
    }

    @Test("unknown types from 64 up are skipped and counted; those below end the link")
    func unknown() throws {
        let known = try written([.drain(seconds: 1)])
        let bytes = known + sealed(64, [1, 2, 3], sequence: 2, flags: 0xFF) + sealed(255, [], sequence: 3)
        var writer = FrameWriter(limits: FrameLimits(), sequence: FrameSequence(next: 4))
        writer.open(version: 2)
        var all = bytes
        try writer.write(.drain(seconds: 2), to: &all)
        let found = reading(all)
        #expect(found == Reading(frames: [.drain(seconds: 1), .drain(seconds: 2)], skipped: 2))
        #expect(reading(all, cuts: Array(0..<all.count)) == found)
        for type in [0, 17, 63] as [UInt8] {
            #expect(reading(sealed(type, [])).failure == .unknownType(type))
            #expect(reading(sealed(type, []), version: nil).failure == .unknownType(type))
        }
    }

    @Test("a frame that is lost, comes twice or in another's place ends the link")
    func replays() throws {
        let first = try written([.drain(seconds: 1)])
        let both = try written([.drain(seconds: 1), .drain(seconds: 2)])
        let second = Array(both[first.count...])
        #expect(reading(second).failure == .wrongSequence(type: 13, claimed: 2, expected: 1))
        #expect(reading(first + first).failure == .wrongSequence(type: 13, claimed: 1, expected: 2))
        #expect(reading(both + first).failure == .wrongSequence(type: 13, claimed: 1, expected: 3))
        let greeting = sealed(1, Array(try written([hello], version: nil)[16...]), sequence: 1)
        #expect(reading(greeting, version: nil).failure == .wrongSequence(type: 1, claimed: 1, expected: 0))
    }

    @Test("after an error the reader is dead")
    func dead() throws {
        var bytes = try written([.drain(seconds: 1)])
        bytes[19] = 1
        var reader = FrameReader()
        reader.open(version: 2)
        var position = 0
        for _ in 0..<2 {
            var failure: FrameError?
            do throws(FrameError) {
                _ = try reader.next(of: bytes, from: &position)
            } catch { failure = error }
            #expect(failure?.kind == .wrongChecksum)
        }
        let good = try written([.drain(seconds: 1)])
        position = 0
        #expect(throws: FrameError.self) { _ = try reader.next(of: good, from: &position) }
        #expect(position == 0)
    }
}

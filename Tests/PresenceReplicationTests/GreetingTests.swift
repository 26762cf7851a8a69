import Presence
import Testing

@testable import PresenceReplication

@Suite("A hello is answered, or refused with both sides named")
struct GreetingTests {
    private func answer(
        _ hello: Hello, _ own: NodeIdentity = SampleFrames.beta, maximum: Int64 = 500, delay: Int64 = 1000
    ) -> Result<UInt16, Refusal> {
        Result { () throws(Refusal) in
            try hello.version(answeredBy: own, maximumClockOffset: maximum, delayMilliseconds: delay)
        }
    }

    private func hello(_ change: (inout NodeIdentity) -> Void = { _ in }) -> Hello {
        var identity = SampleFrames.alpha
        change(&identity)
        return Hello(identity: identity)
    }

    @Test("with the version of the link")
    func accepted() {
        #expect(answer(hello()) == .success(4))
        #expect(answer(Hello(versions: 1...1, identity: SampleFrames.alpha)) == .success(1))
    }

    @Test("not of another cluster")
    func cluster() {
        let refusal = Refusal(
            .cluster,
            "the answering node is of cluster 'demo', the dialing node of 'test'; set 'cluster' alike, or dial another "
                + "address")
        #expect(answer(hello { $0.cluster = "test" }) == .failure(refusal))
    }

    @Test("not by a node of the same number")
    func sameNode() {
        let refusal = Refusal(
            .sameNode,
            "the answering node is node 2 (beta), the dialing node says that it is node 2 (alpha); the numbers of nodes "
                + "must differ ('node' lines)")
        #expect(answer(hello { $0.node = 2 }) == .failure(refusal))
    }

    @Test("not with a clock that is ahead of the bound, or behind it by more than the hello may have travelled")
    func clock() {
        func at(_ offset: Int64) -> Result<UInt16, Refusal> {
            answer(hello { $0.clock = SampleFrames.clock.advanced(byMilliseconds: offset) })
        }
        #expect(at(500) == .success(4))
        #expect(at(-1500) == .success(4))
        let ahead = Refusal(
            .clock,
            "the answering node's clock shows 1764108000123 ms since 1970, the dialing node's 1764108000624: 501 ms "
                + "apart (error at most 1000), max-clock-offset is 500; set the clock that is wrong")
        #expect(at(501) == .failure(ahead))
        guard case .failure(let behind) = at(-1501) else {
            Issue.record("not refused")
            return
        }
        #expect(behind.reason == .clock)
        #expect(behind.text.contains("-1501 ms apart"))
    }

    @Test("versions come before all else")
    func versions() {
        let hello = Hello(versions: 8...9, identity: SampleFrames.beta)
        guard case .failure(let refusal) = answer(hello) else {
            Issue.record("not refused")
            return
        }
        #expect(refusal.reason == .versions)
    }

    @Test("who dialed looks at the welcome in the same way")
    func welcome() {
        func taken(
            _ version: UInt16, late: Int64 = 0, _ change: (inout NodeIdentity) -> Void = { _ in }
        ) -> Result<UInt16, Refusal> {
            var identity = SampleFrames.beta
            change(&identity)
            let now = SampleFrames.clock.advanced(byMilliseconds: late)
            return Result { () throws(Refusal) in
                try Welcome(version: version, identity: identity).version(
                    answering: hello(), at: now, maximumClockOffset: 500, delayMilliseconds: 1000)
            }
        }
        func reason(_ result: Result<UInt16, Refusal>) -> Refusal.Reason? {
            if case .failure(let refusal) = result { refusal.reason } else { nil }
        }
        #expect(taken(1) == .success(1))
        #expect(taken(2) == .success(2))
        #expect(taken(2, late: 1500) == .success(2))
        #expect(taken(5) == .failure(.versions(answering: 5...5, dialing: 1...4)))
        #expect(taken(2) { $0.cluster = "test" } == .failure(.cluster(answering: "test", dialing: "demo")))
        #expect(reason(taken(2) { $0.node = 1 }) == .sameNode)
        #expect(reason(taken(2, late: 1501)) == .clock)
        #expect(reason(taken(2, late: -501)) == .clock)
    }

    @Test("what the members know is refused in words too")
    func members() {
        let unknown = Refusal.unknownNode(SampleFrames.alpha)
        #expect(unknown.reason == .unknownNode)
        #expect(
            unknown.text
                == "node 1 (alpha) is in no 'node' line of the answering node; have the same cluster.conf on all nodes")
        let old = Refusal.oldIncarnation(SampleFrames.alpha, seen: 1_764_107_000_001)
        #expect(old.reason == .oldIncarnation)
        #expect(old.text.contains("1764107000001") && old.text.contains("1764107000000"))
    }

    @Test("a text is cut at a scalar's end, and has no control characters")
    func texts() {
        let refusal = Refusal(.clock, "a\nb" + String(repeating: "€", count: 200))
        #expect(refusal.text.utf8.count == 512)
        #expect(refusal.text.hasPrefix("ab€"))
        #expect(Goodbye(.silence, String(repeating: "€", count: 171)).text.utf8.count == 510)
        #expect(Goodbye(.silence, "as it is").text == "as it is")
    }

    @Test("reasons of later releases are read as they are")
    func laterReasons() throws {
        let frame = Frame.refuse(Refusal(Refusal.Reason(rawValue: 999), "new"))
        #expect(try reading(written([frame], version: nil), version: nil).frames == [frame])
    }

    @Test("a join tells which settings differ")
    func settings() {
        let ours = SharedSettings([.init("b", "2"), .init("a", "1"), .init("d", "4"), .init("e", "5")])
        let theirs = SharedSettings([.init("a", "1"), .init("b", "3"), .init("c", "3"), .init("e", "5")])
        #expect(ours.all.map(\.name) == ["a", "b", "d", "e"])
        #expect(
            ours.differences(from: theirs) == [
                .init("b", ours: "2", theirs: "3"), .init("c", ours: nil, theirs: "3"),
                .init("d", ours: "4", theirs: nil),
            ])
        #expect(ours.differences(from: ours).isEmpty)
        #expect(SharedSettings().differences(from: SharedSettings()).isEmpty)
    }
}

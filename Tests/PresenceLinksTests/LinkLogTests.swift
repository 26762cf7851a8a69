import Logging
import Presence
import PresenceCluster
import PresenceStore
import Testing

@testable import PresenceLinks
@testable import PresenceReplication

@Suite("The log of links")
struct LinkLogTests {
    private let lines = Lines()
    private let cluster: ClusterConfiguration
    private let log: LinkLog

    init() throws {
        cluster = try LocalNodes.clusters([7_001, 7_002])[0]
        let lines = lines
        log = LinkLog(cluster, Logger(label: "links") { _ in lines })
    }

    /// A report in which so much of a copy has come.
    private func copied(_ done: UInt64, of total: UInt64) throws -> ReplicationReport {
        let node = try #require(cluster.node(2))
        let member = try #require(Membership(cluster, at: 0).node(2))
        var peer = ReplicationReport.Peer(node: node, member: member, counters: PeerCounters())
        peer.copyIn = (done, total)
        peer.copyInPercent = total == 0 ? 0 : Int(done * 100 / total)
        return ReplicationReport(
            incarnation: 1, isReady: false, drainLeft: nil, position: 0, peers: [peer], greeting: 0,
            strayFrameErrors: 0, oversizedImages: 0)
    }

    @Test("tells how far a copy is at each tenth, and every five seconds if it is slow")
    func progress() throws {
        var now: Int64 = 1_000
        for done in stride(from: 0, through: 1_000, by: 10) as StrideThrough<UInt64> {
            log.progress(try copied(done, of: 1_000), at: now)
            now += 10
        }
        #expect(lines.all.count == 11)
        #expect(lines.all.first == "notice copying from node n2: 0 % of=1000 records=0")
        #expect(lines.all.last == "notice copying from node n2: 100 % of=1000 records=1000")
        log.tell(.copied(from: 2, records: 1_000, milliseconds: 1_010), at: now)
        #expect(lines.all.last == "notice copied everything from node n2 ms=1010 records=1000")
        // A slow one, by itself.
        let before = lines.all.count
        for step in 0..<20 as Range<UInt64> {
            log.progress(try copied(step, of: 1_000_000), at: now)
            now += 1_000
        }
        #expect(lines.all.count - before == 4)
        log.progress(try copied(0, of: 0), at: now)
        #expect(lines.all.count - before == 4, "nothing is known of it yet")
    }

    @Test("says of a copy, and of who is ready, what could not be kept")
    func notKept() {
        let reason = MergeError.outOfMemory.message
        log.tell(.notKept(from: 2, images: 30, reason: reason), at: 1_000)
        log.tell(.notKept(from: 2, images: 40, reason: reason), at: 1_010)
        log.tell(.copied(from: 2, records: 1_000, milliseconds: 10), at: 1_020)
        log.tell(.ready(missing: []), at: 1_030)
        #expect(
            lines.all == [
                "warning cannot keep all that node n2 tells: no memory for what another node knows: raise maxmemory images=30",
                "warning copied from node n2 what can be kept here ms=10 not-kept=40 records=1000",
                "warning this node serves without all that it could not keep: it compares what it has with the other nodes, and takes the rest "
                    + "once it can not-kept=40",
            ])
        // The next copy is another one.
        log.tell(.copied(from: 2, records: 1_000, milliseconds: 10), at: 2_000)
        #expect(lines.all.last == "notice copied everything from node n2 ms=10 records=1000")
    }

    @Test("writes what others can cause at will once in ten seconds, and says how much was left out")
    func seldom() {
        for second in 0..<25 as Range<Int64> { log.dialFailed(2, "Connection refused", at: second * 1_000) }
        #expect(
            lines.all == [
                "warning cannot reach node n2 at 127.0.0.1:7002: Connection refused",
                "warning cannot reach node n2 at 127.0.0.1:7002: Connection refused left-out=9",
                "warning cannot reach node n2 at 127.0.0.1:7002: Connection refused left-out=9",
            ])
        // Once there was a link, the next failure is news.
        log.tell(.opened(LinkID(rawValue: 1), node: 2, version: 2, differences: []), at: 25_000)
        log.dialFailed(2, "it does not answer", at: 25_100)
        #expect(lines.all.last == "warning cannot reach node n2 at 127.0.0.1:7002: it does not answer")
    }

    @Test("knows why there is no link to a node, and nothing of one to whom there is a link")
    func failures() {
        let refused = ReplicatorAction.refused(node: 2, reason: "is it running twice?")
        let first = LinkID(rawValue: 1)
        log.tell(refused, at: 0)
        #expect(log.failures == [2: "is it running twice?"])
        log.tell(.opened(first, node: 2, version: 4, differences: []), at: 10)
        #expect(log.failures == [:])
        // A second connection in its name, while the first one is up.
        log.tell(refused, at: 20)
        log.dialFailed(2, "Connection refused", at: 30)
        #expect(log.failures == [:])
        #expect(lines.all.contains("warning no link with node n2: is it running twice?"), "the log says so")
        // It has come anew: its old link ends in silence.
        log.tell(.opened(LinkID(rawValue: 2), node: 2, version: 4, differences: []), at: 40)
        log.tell(refused, at: 50)
        #expect(log.failures == [:])
        log.tell(.lost(LinkID(rawValue: 2), node: 2, reason: "the connection ended"), at: 1_040)
        #expect(log.failures == [2: "the connection ended"])
        #expect(lines.all.last == "notice link with node n2 ended: the connection ended after-ms=1000")
        log.tell(refused, at: 1_050)
        #expect(log.failures == [2: "is it running twice?"])
    }

    @Test("tells who missed so much that he is sent whole shards, and when they have gone")
    func fellBehind() {
        for second in 0..<12 as Range<Int64> {
            log.tell(.fellBehind(node: 2, shards: 3), at: second * 1_000)
            log.tell(.resent(to: 2, shards: 3, records: 500, milliseconds: 40), at: second * 1_000 + 40)
        }
        let behind = "warning node n2 missed more changes than replica-log-entries keeps: it is sent whole shards"
        let sent = "notice sent node n2 whole shards, for the changes that it missed"
        #expect(
            lines.all == [
                "\(behind) shards=3", "\(sent) ms=40 records=500 shards=3",
                "\(behind) left-out=9 shards=3", "\(sent) left-out=9 ms=40 records=500 shards=3",
            ])
    }

    @Test("tells a difference of settings once, until it is another one")
    func differences() {
        func open(_ theirs: String?) {
            let difference = SharedSettings.Difference("session-ttl", ours: "90s", theirs: theirs)
            log.tell(.opened(LinkID(rawValue: 1), node: 2, version: 2, differences: [difference]), at: 0)
        }
        open("60s")
        open("60s")
        open(nil)
        log.tell(.settings(node: 2, differences: []), at: 0)
        log.tell(.settings(node: 2, differences: []), at: 0)
        #expect(lines.all.filter { $0.contains("the same settings") } == ["notice node n2 has the same settings again"])
        #expect(
            lines.all.filter { $0.contains("session-ttl") } == [
                "warning node n2 has another session-ttl: set it alike on all nodes here=90s there=60s",
                "warning node n2 has another session-ttl: set it alike on all nodes here=90s there=unknown",
            ])
    }
}

import Foundation
import Testing

@testable import presence_bench

@Suite("What nodes say of each other, and who serves which slots")
struct ClusterTests {
    private static let text = """
        # Replication\r
        role:master\r
        cluster_ready:1\r
        cluster_links_up:2\r
        peers_of_none:7\r
        peer0:name=b,number=2,address=127.0.0.1:7400,state=up,cause=it said hello,lag_ms=0.250,behind=3,bytes_sent=1200,images_sent=10,copy_in=-,copy_out=5/12,last_failure=\r
        peer1:name=c,number=3,state=down,lag_ms=-,behind=1,bytes_sent=34,images_sent=2,copy_in=7/9,copy_out=-\r

        """

    @Test("a node's fields and those of its links are read")
    func info() throws {
        let info = ReplicationInfo(ClusterTests.text)
        #expect(info.text("role") == "master" && info.number("peers_of_none") == 7)
        #expect(info.links.count == 2)
        #expect(info.links[0].text("cause") == "it said hello" && info.links[0].number("lag_ms") == 0.25)
        #expect(info.sum("bytes_sent") == 1_234 && info.sum("images_sent") == 12 && info.sum("behind") == 4)
        #expect(info.links[1].number("lag_ms") == 0 && info.number("nothing") == 0 && info.sum("nothing") == 0)
        let out = try #require(info.links[0].progress("copy_out"))
        #expect(out.done == 5 && out.total == 12)
        #expect(info.links[0].progress("copy_in") == nil && info.links[1].progress("copy_in")?.done == 7)
        #expect(info.links[0].progress("state") == nil && info.links[0].progress("nothing") == nil)
    }

    @Test("a node is ready when it says so and all of its links are up")
    func ready() {
        let info = ReplicationInfo(ClusterTests.text)
        #expect(info.isReady(links: 2) && !info.isReady(links: 3))
        #expect(!ReplicationInfo("cluster_ready:0\r\ncluster_links_up:2\r\n").isReady(links: 2))
        #expect(!ReplicationInfo("role:master\r\n").isReady(links: 0))
    }

    private func range(_ first: Int, _ last: Int, _ port: Int) -> Reply {
        .array([
            .integer(first), .integer(last), .array([.bulk("127.0.0.1"), .integer(port), .bulk("id"), .array([])]),
        ])
    }

    @Test("slots are those of the range that they are in")
    func slots() throws {
        let map = try #require(SlotMap(.array([range(0, 99, 7), range(100, 100, 8), range(200, 16_383, 9)])))
        #expect([0, 99, 100, 200, 16_383].map { map.port(of: $0) } == [7, 7, 8, 9, 9])
        #expect(map.port(of: 150) == nil && map.port(of: 16_384) == nil)
        #expect(try #require(SlotMap(.array([]))).port(of: 0) == nil)
    }

    @Test("what is no map of slots is none")
    func noSlots() {
        #expect(SlotMap(.error("ERR This instance has cluster support disabled")) == nil)
        #expect(SlotMap(.array([range(9, 8, 7)])) == nil)
        #expect(SlotMap(.array([.array([.integer(0), .integer(1)])])) == nil)
        #expect(SlotMap(.array([.array([.integer(0), .integer(1), .array([.bulk("a")])])])) == nil)
    }

    @Test("changes are spelt so that only the user differs")
    func forms() throws {
        let record = try #require(ClusterTests.spelt(.strings("dnd", 2), users: 2))
        let keys = [7, 8].map { "$43\r\nrecord:\(NumberedUser.user($0))\r\n" }
        #expect(record.components(separatedBy: "\"status\":\"dnd\"").count == 3)
        #expect(keys.allSatisfy(record.contains))
        let length = record.utf8.count / 2
        #expect((300...330).contains(length))
        let status = try #require(ClusterTests.spelt(.statuses("away", 4), users: 1))
        #expect(
            status
                == String(
                    decoding: Connection.encoded(["PRESENCE.SET", NumberedUser.key(7), "STATUS", "away"]), as: UTF8.self
                ))
    }

    private static func spelt(_ form: BatchForm, users: Int) -> String? {
        var form = form
        var text: String?
        form.encode(users, lifetime: 10_000, number: { 7 + $0 }) { text = String(decoding: $0, as: UTF8.self) }
        return text
    }

    @Test("probes alternate, and ask for what they wrote")
    func probes() {
        let (first, second) = (LagProbe.status(0), LagProbe.status(1))
        #expect(first.shown == .array([.bulk("dnd")]) && second.shown == .array([.bulk("away")]))
        #expect(first.write.last == "dnd" && second.write.last == "away" && first.read == second.read)
        #expect(LagProbe.string(3).shown == .bulk(LagProbe.string(3).write[2]))
        #expect(LagProbe.string(3).write != LagProbe.string(4).write)
    }
}

import NIOPosix
import PresenceStore
import Synchronization
import Testing

@testable import PresenceLinks

@Suite("What the links' thread is to look at")
struct PeerNewsTests {
    private func shards(_ set: ShardSet) -> [Int] { (0..<16).filter { set.contains($0) } }

    @Test("asks for one turn, however many shards have news, and for another one once it was taken")
    func turns() {
        let news = PeerNews()
        #expect(news.add(3, isUrgent: true))
        #expect(!news.add(5, isUrgent: true) && !news.add(3, isUrgent: true))
        #expect(shards(news.take()) == [3, 5])
        #expect(news.take().isEmpty)
        #expect(news.add(3, isUrgent: true))
    }

    @Test("asks for no turn where there are heartbeats alone, which go with the next one")
    func beats() {
        let news = PeerNews()
        #expect(!news.add(1, isUrgent: false))
        #expect(news.add(2, isUrgent: true))
        #expect(!news.add(4, isUrgent: false))
        #expect(shards(news.take()) == [1, 2, 4])
    }

    @Test("asks for nothing more once it is over")
    func end() {
        let news = PeerNews()
        news.end()
        #expect(!news.add(1, isUrgent: true))
        #expect(news.take().isEmpty)
    }

    @Test("An event loop's thread asks for it at the end of its round, any other thread at once")
    func rounds() async throws {
        let group = MultiThreadedEventLoopGroup(numberOfThreads: 1)
        let order = Mutex<[String]>([])
        let add: @Sendable (String) -> Void = { name in order.withLock { $0.append(name) } }
        try await group.next().submit {
            PeerService.whenRoundEnds { add("turn") }
            add("a write")
        }.get()
        try await group.next().submit { add("the next round") }.get()
        PeerService.whenRoundEnds { add("turn") }
        add("the end")
        #expect(order.withLock { $0 } == ["a write", "turn", "the next round", "turn", "the end"])
        try await group.shutdownGracefully()
    }
}

import NIOCore
import Presence
import PresenceTesting
import Testing

@testable import PresenceServer

@Suite("Lists that nobody listens to")
struct LingeringTests {
    private let start = Timestamp(milliseconds: 1_767_225_600_000)

    @Test("are in the queue once, in the order in which they were last listened to or asked for")
    func queue() {
        for var random in SeededRandom.cases(20) {
            var places = WatchPlaces<Int>()
            // The queue, the slow way.
            var idle: [(viewer: [UInt8], since: Timestamp)] = []
            var lists: [[UInt8]: Int] = [:]
            var made = 0
            for step in 0..<1_000 {
                let viewer = [UInt8.random(in: 0..<40, using: &random)]
                let now = start.advanced(byMilliseconds: Int64(step))
                switch Int.random(in: 0..<10, using: &random) {
                case 0...2:
                    made += 1
                    places.put(made, of: viewer, home: 0, at: now)
                    lists[viewer] = made
                    idle.removeAll { $0.viewer == viewer }
                    idle.append((viewer, now))
                case 3...5:
                    places.setIdle(viewer, at: now)
                    guard lists[viewer] != nil else { break }
                    idle.removeAll { $0.viewer == viewer }
                    idle.append((viewer, now))
                case 6...7:
                    places.setListened(viewer)
                    idle.removeAll { $0.viewer == viewer }
                default:
                    #expect(places.remove(viewer) == lists.removeValue(forKey: viewer))
                    idle.removeAll { $0.viewer == viewer }
                }
                #expect(places.idleCount == idle.count && places.count == lists.count, "\(random)")
                #expect(places.firstIdle?.viewer == idle.first?.viewer, "\(random)")
                #expect(places.firstIdle?.idleSince == idle.first?.since, "\(random)")
            }
        }
    }

    private func server(linger: Int, lists: Int) -> EmbeddedServer {
        var configuration = ServerConfiguration()
        configuration.watchLingerMilliseconds = linger
        return EmbeddedServer(configuration) { $0.maxWatchLists = lists }
    }

    private func watch(_ client: EmbeddedClient, _ viewers: Range<Int>) throws -> String {
        try client.ask(
            viewers.map { "PRESENCE.WATCH presence:user:v\($0) presence:user:x\r\n" }.joined())
    }

    @Test("end within a second after their time, in slices, however many there are")
    func many() throws {
        let count = 20_000
        let server = server(linger: 1_000, lists: count)
        let client = try server.connectClient()
        for begin in stride(from: 0, to: count, by: 1_000) { _ = try watch(client, begin..<(begin + 1_000)) }
        #expect(server.store.watchCount == count)
        server.moveClock(milliseconds: 999)
        server.loop.inspectClients()
        server.eventLoop.advanceTime(by: .milliseconds(500))
        #expect(server.store.watchCount == count)
        server.moveClock(milliseconds: 1)
        server.loop.inspectClients()
        // A slice is a millisecond, with 200 us for others behind it: several are needed.
        #expect(server.store.watchCount > 0)
        server.eventLoop.advanceTime(by: .milliseconds(900))
        #expect(server.store.watchCount == 0)
        #expect(server.store.statistics().watched == 0)
    }

    @Test("whose time is over make room for new ones, and are seen by nobody")
    func room() throws {
        let server = server(linger: 1_000, lists: 3)
        let client = try server.connectClient()
        let subscriber = try server.connectClient()
        _ = try subscriber.ask("SUBSCRIBE presence.watch:v0\r\n")
        _ = try watch(client, 0..<3)
        #expect(try watch(client, 3..<4).hasPrefix("-ERR there are 3 lists of viewers already"))
        server.moveClock(milliseconds: 1_000)
        // Only who is subscribed to keeps his list.
        #expect(try client.ask("PRESENCE.UNWATCH presence:user:v1\r\n") == ":0\r\n")
        #expect(
            try client.ask("PRESENCE.EXPLAIN presence:user:x AS presence:user:v2\r\n").contains("not on a list of his"))
        #expect(try client.ask("PRESENCE.EXPLAIN presence:user:x AS presence:user:v0\r\n").contains("on his list"))
        _ = try watch(client, 1..<3)
        server.moveClock(milliseconds: 1_000)
        #expect(try watch(client, 3..<5).contains("-ERR") == false)
        #expect(try watch(client, 5..<6).hasPrefix("-ERR there are 3 lists"))
        #expect(server.store.watchCount == 3)
        #expect(try client.ask("PRESENCE.UNWATCH presence:user:v0\r\n") == ":1\r\n")
    }
}

import Presence
import Testing

@testable import PresenceMigration

@Suite("Following changes")
struct FollowingTests {
    private func entry(_ key: String, _ change: KeyChange) -> ChangedKeys.Entry {
        ChangedKeys.Entry(key: [UInt8](key), change: change)
    }

    @Test("a key waits once, in the order of its first change, and remembers that it was deleted")
    func once() {
        var keys = ChangedKeys()
        for (key, change) in [("a", KeyChange.written), ("b", .ended), ("a", .ended), ("b", .written), ("c", .expired)]
        {
            keys.add([UInt8](key), change)
        }
        #expect((keys.count, keys.heard) == (3, 5))
        #expect(keys.take(2) == [entry("a", .ended), entry("b", .ended)])
        keys.add([UInt8]("a"), .written)
        #expect(keys.take(9) == [entry("c", .expired), entry("a", .written)])
        #expect(keys.count == 0)
    }

    @Test("more keys than can wait are forgotten, and that is told until everything is read again")
    func overflow() {
        var keys = ChangedKeys(limit: 3)
        for key in ["a", "b", "c", "a", "d", "e"] { keys.add([UInt8](key), .written) }
        #expect(keys.hasOverflowed)
        #expect(keys.take(9).isEmpty)
        keys.reset()
        keys.add([UInt8]("f"), .written)
        #expect(!keys.hasOverflowed)
        #expect(keys.take(9) == [entry("f", .written)])
    }

    @Test("many keys come and go in little memory")
    func turnover() {
        var keys = ChangedKeys(limit: 10)
        for number in 0..<20_000 {
            keys.add([UInt8]("\(number)"), .written)
            #expect(keys.take(1) == [entry("\(number)", .written)])
        }
        #expect(!keys.hasOverflowed)
    }

    @Test(
        "the letters that are missing are added to those that are there",
        arguments: [
            ("", "Kg$hxe"), ("Ex", "ExKg$he"), ("KA", nil), ("AKE", nil), ("g$xehK", nil), ("A", "AK"), ("KEA$", nil),
            ("Kl", "Klg$hxe"),
        ])
    func letters(_ current: String, _ completed: String?) {
        let flags = EventFlags(current)
        #expect(flags.suffice == (completed == nil))
        if let completed {
            #expect(flags.completed == completed)
            #expect(EventFlags(completed).suffice)
        }
    }

    @Test("letters mean the same in any order")
    func spelling() {
        #expect(EventFlags("Kg$hxe") == EventFlags("g$hxeK"))
        #expect(EventFlags("KA") == EventFlags("AK"))
        #expect(EventFlags("KA") != EventFlags("K"))
    }

    @Test("keys and channels are those of the pattern")
    func names() throws {
        var names = try KeyNames(pattern: nil, prefix: nil)
        #expect(names.pattern == "presence:user:*")
        #expect(names.channelPattern(database: 2) == "__keyspace@2__:presence:user:*")
        #expect(
            names.key(ofChannel: [UInt8]("__keyspace@2__:presence:user:a"), database: 2) == [UInt8]("presence:user:a"))
        #expect(names.key(ofChannel: [UInt8]("__keyspace@0__:presence:user:a"), database: 2) == nil)
        #expect(names.userID(of: [UInt8]("presence:user:")) == nil)
        #expect(names.userID(of: [UInt8]("other:a")) == nil)
        names = try KeyNames(pattern: nil, prefix: "app[1]:u:")
        #expect(names.pattern == #"app\[1\]:u:*"#)
        #expect(names.userID(of: [UInt8]("app[1]:u:x")) == [UInt8]("x"))
        names = try KeyNames(pattern: "u:?*:live", prefix: "u:")
        #expect(names.userID(of: [UInt8]("u:7:live")) == [UInt8]("7:live"))
        #expect(throws: MigrationError.badPattern("*:live")) { try KeyNames(pattern: "*:live", prefix: nil) }
    }

    @Test("events are told apart by what is to be done")
    func events() {
        for word in ["del", "evicted", "rename_from", "move_from"] {
            #expect(KeyChange(event: [UInt8](word)) == .ended)
        }
        #expect(KeyChange(event: [UInt8]("expired")) == .expired)
        for word in ["set", "hset", "expire", "persist", "rename_to", "restore", "hexpired"] {
            #expect(KeyChange(event: [UInt8](word)) == .written)
        }
    }

    @Test("a rate is held, and nothing is saved up while there is nothing to do")
    func pace() {
        var pace = Pace(rate: 1_000)
        let start = Timestamp(milliseconds: 10_000)
        #expect(pace.batch == 250)
        #expect(pace.wait(before: 250, at: start) == 0)
        #expect(pace.wait(before: 250, at: start) == 250)
        #expect(pace.wait(before: 250, at: start.advanced(byMilliseconds: 300)) == 200)
        #expect(pace.wait(before: 1, at: start.advanced(byMilliseconds: 60_000)) == 0)
        #expect(pace.wait(before: 1, at: start.advanced(byMilliseconds: 60_000)) == 1)
        var unbound = Pace(rate: 0)
        #expect(unbound.batch == 500)
        #expect(unbound.wait(before: 500, at: start) == 0)
    }

    @Test("pauses between attempts double up to five seconds, and there is an end to them")
    func backoff() {
        var backoff = Backoff(limit: 9)
        let pauses = (0..<10).map { _ in backoff.next() }
        #expect(pauses == [100, 200, 400, 800, 1_600, 3_200, 5_000, 5_000, 5_000, nil])
        backoff.succeed()
        #expect(backoff.next() == 100)
    }

    @Test("what was not seen in a round is forgotten, what was written in it is not")
    func rounds() {
        var mirror = Mirror(isKept: true)
        for user in ["a", "b"] { mirror.note([UInt8]("s"), ofUser: [UInt8](user)) }
        mirror.beginRound()
        mirror.note([UInt8]("s"), ofUser: [UInt8]("b"))
        mirror.endRound()
        #expect(mirror.session(ofUser: [UInt8]("a")) == nil)
        #expect(mirror.session(ofUser: [UInt8]("b")) == [UInt8]("s"))
        mirror.forget([UInt8]("other"), ofUser: [UInt8]("b"))
        #expect(mirror.count == 1)
        var none = Mirror(isKept: false)
        none.note([UInt8]("s"), ofUser: [UInt8]("a"))
        #expect(none.count == 0)
    }

    @Test("the bell is heard by who waits, and by who comes later")
    func bell() async {
        let bell = Doorbell()
        bell.ring()
        await bell.wait()
        async let waits: Void = bell.wait()
        await Task.yield()
        bell.ring()
        await waits
    }

    @Test("the end of an old subscription is no news to a new one")
    func subscriptions() {
        let inbox = ChangeInbox()
        let first = inbox.begin()
        inbox.lose(first)
        #expect(inbox.isLost)
        let second = inbox.begin()
        inbox.lose(first)
        #expect(!inbox.isLost)
        inbox.lose(second)
        #expect(inbox.isLost)
    }
}

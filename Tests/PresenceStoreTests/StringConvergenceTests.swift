import Presence
import PresenceTesting
import Testing

@testable import PresenceStore

/// Several stores that take any write of strings, and exchange images late, twice, in any order: in the end all have the same.
@Suite("Convergence of strings")
struct StringConvergenceTests {
    private struct Run {
        static let keys = (0..<8).map { SlowModel.Name("key-\($0)") }
        let clock = TestClock()
        let stores: [ShardedStore]
        let readers: [EventReader]
        var underWay: [(to: Int, image: [UInt8])] = []
        var flushes: [(to: Int, stamp: Stamp)] = []
        var random: SeededRandom
        /// The keys that exist at each store, by what it announced.
        var told: [Set<[UInt8]>] = [[], [], []]

        init(_ random: SeededRandom) {
            self.random = random
            let clock = clock
            stores = (1...3).map { node in StringReplicaTests.store(UInt8(node), clock) }
            for store in stores { store.setKeyspaceInterest([.expired, .new, .generic, .string]) }
            readers = stores.map { $0.makeReader { _ in } }
        }

        private mutating func instant(_ range: ClosedRange<Int64>) -> Timestamp {
            clock.now().advanced(byMilliseconds: .random(in: range, using: &random))
        }

        /// Something that a client of one of the nodes does, or time.
        mutating func step() throws {
            let node = Int.random(in: stores.indices, using: &random)
            let store = stores[node]
            let key = random.pick(Run.keys)
            let now = clock.now()
            switch Int.random(in: 0..<40, using: &random) {
            case 0..<10:
                var options = StringSetOptions()
                switch Int.random(in: 0..<4, using: &random) {
                case 0: options.expiry = .keep
                case 1: options.expiry = .at(instant(-5...20_000))
                default: break
                }
                let length = random.chance(oneIn: 10) ? 2_000...3_000 : 0...40
                try store.setString(key, .init(random.bytes(length)), options, at: now)
            case 10..<14: store.remove(.string, key, at: now)
            case 14..<17:
                let deadline = instant(-5...20_000)
                try store.expire(.string, key.bytes.span, at: deadline, now: now)
            case 17, 18: store.persistString(key.bytes.span, at: now)
            case 19: _ = store.takeString(key.bytes.span, at: now) { _ in }
            case 20: try store.append(key, .init(random.bytes(0...20)), at: now)
            case 21..<31: send(key, from: node)
            case 31 where random.chance(oneIn: 4): try flush(from: node)
            default:
                clock.advance(byMilliseconds: .random(in: 0...3_000, using: &random))
                for store in stores where random.chance(oneIn: 2) { store.advance(to: clock.now()) }
            }
            if random.chance(oneIn: 2) { try deliver() }
            if random.chance(oneIn: 20), !flushes.isEmpty {
                let message = flushes.remove(at: Int.random(in: flushes.indices, using: &random))
                try take(message.stamp, at: message.to)
            }
            try listen()
        }

        mutating func send(_ key: SlowModel.Name, from node: Int) {
            guard let image = stores[node].imageOfString(key, at: clock.now()) else { return }
            for other in stores.indices where other != node && !random.chance(oneIn: 4) {
                underWay.append((other, image))
            }
        }

        mutating func flush(from node: Int) throws {
            let limit = stores[node].beginRemoveAll(at: clock.now())
            try sweep(node, limit)
            for other in stores.indices where other != node { flushes.append((other, limit)) }
        }

        /// A flush tells nobody of single keys: what was told is from then on what is there.
        private mutating func sweep(_ node: Int, _ limit: Stamp) throws {
            let store = stores[node]
            var cursor: UInt64 = 0
            repeat { cursor = store.removeAll(from: cursor, upTo: limit, at: clock.now()) } while cursor != 0
            try listen()
            told[node] = Set(Run.keys.filter { store.hasString($0) }.map(\.bytes))
        }

        private mutating func take(_ flush: Stamp, at node: Int) throws {
            if stores[node].beginFlush(upTo: flush, at: clock.now()) { try sweep(node, flush) }
        }

        /// One image that is under way arrives, perhaps not for the last time.
        mutating func deliver() throws {
            guard !underWay.isEmpty else { return }
            let place = Int.random(in: underWay.indices, using: &random)
            let message = underWay[place]
            if !random.chance(oneIn: 5) { underWay.remove(at: place) }
            try stores[message.to].merge(message.image)
        }

        /// All flushes arrive, then everything is told to everyone until nobody learns anything.
        mutating func heal() throws {
            for (node, stamp) in flushes { try take(stamp, at: node) }
            flushes = []
            for round in 0..<4 {
                var hasChanged = false
                for (from, source) in stores.enumerated() {
                    for image in source.imagesOfStrings(at: clock.now()) {
                        for (to, target) in stores.enumerated() where to != from {
                            if try target.merge(image) { hasChanged = true }
                        }
                    }
                }
                if !hasChanged { return }
                try #require(round < 3, "still learning after 4 rounds: \(random)")
            }
        }

        /// What each store announces is what it has: a key is new, or it goes, never twice.
        mutating func listen() throws {
            for (node, store) in stores.enumerated() {
                var events: [StoreEvent] = []
                for shard in 0..<store.shardCount { readers[node].read(shard: shard, limit: 10_000, into: &events) }
                for case .keyspace(let event, .string, let key) in events {
                    switch event {
                    case .new:
                        try #require(told[node].insert(key).inserted, "\(key) is new twice at \(node): \(random)")
                    case .deleted, .expired:
                        try #require(told[node].remove(key) != nil, "\(key) goes twice at \(node): \(random)")
                    default: try #require(told[node].contains(key), "\(event) of \(key) at \(node): \(random)")
                    }
                }
            }
        }

        mutating func expectAgreement() throws {
            for store in stores { store.advance(to: clock.now()) }
            try listen()
            let images = stores.map { store in Set(store.imagesOfStrings(at: clock.now())) }
            for (node, store) in stores.enumerated() {
                try #require(images[node] == images[0], "at \(node): \(random)")
                try #require(
                    store.digestsOfStrings(at: clock.now()) == stores[0].digestsOfStrings(at: clock.now()),
                    "at \(node): \(random)")
                for key in Run.keys {
                    try #require(
                        store.string(key, at: clock.now()) == stores[0].string(key, at: clock.now()),
                        "\(key) at \(node): \(random)")
                    try #require(
                        store.timeToLiveOfString(key, at: clock.now())
                            == stores[0].timeToLiveOfString(key, at: clock.now()),
                        "\(key) at \(node): \(random)")
                    try #require(
                        told[node].contains(key.bytes) == (store.string(key, at: clock.now()) != nil),
                        "\(key) at \(node): \(random)")
                }
                let counts = store.statistics()
                try #require(
                    counts.strings + counts.stringTombstones == store.recordsInAll(), "at \(node): \(random)")
                try #require(counts.strings == store.keyCount() && counts.droppedStringTombstones == 0, "\(random)")
            }
        }
    }

    @Test(
        "Whatever is done at three nodes, and however images travel: after healing all have the same, and told it",
        arguments: SeededRandom.cases(max(24, ModelTests.seedCount)))
    func converge(random: SeededRandom) throws {
        var run = Run(random)
        for round in 0..<6 {
            for _ in 0..<120 { try run.step() }
            if round % 2 == 1 {
                try run.heal()
                try run.listen()
                try run.expectAgreement()
            }
        }
        // All that can end has ended, and what is left of it too.
        run.clock.advance(byMilliseconds: 700_000)
        try run.heal()
        try run.expectAgreement()
        for store in run.stores { #expect(store.statistics().stringTombstones == 0, "\(run.random)") }
    }
}

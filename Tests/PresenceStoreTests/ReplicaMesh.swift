import Presence
import PresenceTesting
import Testing

@testable import PresenceStore

/// Some stores, each with a place in the changes of every other one: what links do, without links.
struct ReplicaMesh {
    let clock: TestClock
    let stores: [ShardedStore]
    /// Where `reader` stands in the changes of each shard of `source`: `cursors[source][reader][shard]`.
    private var cursors: [[[UInt64]]]
    /// Heartbeats that were told, each to one other store.
    private(set) var beatsTold = 0
    /// Images that were told likewise.
    private(set) var imagesTold = 0
    /// Images that were asked for since a heartbeat's session was not known.
    private(set) var imagesAskedFor = 0

    init(
        _ count: Int, _ clock: TestClock = TestClock(), _ change: (inout ShardedStore.Configuration) -> Void = { _ in }
    ) {
        self.clock = clock
        stores = (1...count).map { node in
            MergeTests.store(UInt8(node), clock) { configuration in
                configuration.replicaLogEntries = 4_096
                configuration.statusChangesPerMinute = 0
                configuration.storms.sharePercent = 0
                // Their time goes on in leaps.
                configuration.stallHold = 0
                change(&configuration)
            }
        }
        cursors = Array(
            repeating: Array(repeating: Array(repeating: 0, count: stores[0].shardCount), count: count), count: count)
    }

    /// What a reader finds in the changes of one shard.
    private enum Told {
        case image([UInt8])
        case beat(ReplicaBeat)
    }

    /// Everything that was noted is told to everyone.
    mutating func exchange() throws { try exchange(among: Array(stores.indices)) }

    /// The same among some: the others hear and say nothing.
    mutating func exchange(among nodes: [Int]) throws {
        for source in nodes {
            for reader in nodes where reader != source {
                for shard in 0..<stores[source].shardCount { try exchange(source, to: reader, shard) }
            }
        }
    }

    private mutating func exchange(_ source: Int, to reader: Int, _ shard: Int) throws {
        while true {
            let from = cursors[source][reader][shard]
            guard from != stores[source].replicaLogEnd(shard: shard) else { return }
            var told: [Told] = []
            let read = stores[source].readReplicaLog(
                shard: shard, from: from, limit: 100, at: clock.now(),
                image: { image in
                    told.append(.image(image.withUnsafeBufferPointer { Array($0) }))
                    return true
                },
                beat: { told.append(.beat($0)) })
            guard case .upTo(let position, _) = read else {
                Issue.record("overwritten")
                return
            }
            cursors[source][reader][shard] = position
            for message in told {
                switch message {
                case .image(let image):
                    imagesTold += 1
                    _ = try stores[reader].merge(image.span, from: UInt8(source + 1), at: clock.now())
                case .beat(let beat):
                    beatsTold += 1
                    guard stores[reader].merge(beat, from: UInt8(source + 1), at: clock.now()) == .unknown else {
                        break
                    }
                    imagesAskedFor += 1
                    for image in stores[source].images(from: beat.user, through: beat.user, at: clock.now()) {
                        _ = try stores[reader].merge(image.span, from: UInt8(source + 1), at: clock.now())
                    }
                }
            }
        }
    }

    /// Time goes on at all stores.
    mutating func wait(_ milliseconds: Int64) throws {
        clock.advance(byMilliseconds: milliseconds)
        for store in stores { store.advance(to: clock.now()) }
        try exchange()
    }

    /// What a store knows of a user, but for what its home alone knows to the last.
    func facts(of user: String, at store: Int) throws -> ReplicaFacts? {
        guard let image = stores[store].image(of: user) else { return nil }
        var facts = try UserImage.facts(in: image.span)
        #expect(UserImage.bytes(of: facts) == image, "straight from the record the same bytes")
        facts.facts.lastSeen = nil
        for other in facts.edges.keys {
            // What could be read of a last seen follows from the activity that was known where it was written.
            facts.edges[other]?.read = nil
            facts.edges[other]?.othersRead = nil
        }
        for (id, session) in facts.facts.sessions {
            // For how long the end of one is kept goes by its last heartbeat.
            if session.closed != nil { facts.forgetSession(id) }
            facts.facts.sessions[id]?.heartbeat = Timestamp(milliseconds: 0)
            facts.facts.sessions[id]?.home = 0
            facts.facts.sessions[id]?.activity = nil
        }
        return facts
    }

    /// Sessions of a user that have run out by what any store knows: at others they may be waited for, or go by the wheel's next tick.
    func sessionsThatRanOut(of user: String) throws -> Set<[UInt8]> {
        var ids: Set<[UInt8]> = []
        for store in stores {
            guard let image = store.image(of: user) else { continue }
            for (id, session) in try UserImage.facts(in: image.span).facts.sessions
            where session.heartbeat.advanced(byMilliseconds: session.ttlMilliseconds) <= clock.now() {
                ids.insert(id)
            }
        }
        return ids
    }

    /// The digests of all stores over everything.
    var digests: [UInt64] { stores.map { $0.digest(start: 0, bits: 0, at: clock.now()).digest } }
}

extension ShardedStore {
    /// The images of a part of the hash order, in pieces of about `room` bytes.
    func images(from start: UInt64, through end: UInt64, room: Int = 1_000, at now: Timestamp) -> [[UInt8]] {
        var images: [[UInt8]] = []
        var place = Optional(start)
        while let from = place {
            place = readImages(from: from, through: end, room: room, at: now) { image in
                images.append(image.withUnsafeBufferPointer { Array($0) })
            }
        }
        return images
    }
}

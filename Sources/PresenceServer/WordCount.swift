import PresenceRESP
import PresenceStore

/// Sessions by a word, for `PRESENCE.COUNT BY`: shard by shard, in slices with others' commands in between.
final class WordCount {
    /// The most different words that are put in order: more of them are no kinds of anything.
    static let maximumWords = 16_384
    /// Words that a slice adds up, and those of its last shard: half a millisecond's work.
    private static let sliceCount = 2_048

    private let kind: WordKind
    private var shard = 0
    private var counts: [[UInt8]: Int] = [:]

    private init(_ kind: WordKind) { self.kind = kind }

    /// Counts, and answers the client.
    static func tell(_ kind: WordKind, _ loop: ServerLoop, _ client: Client, _ reply: inout ReplyBuffer) {
        let count = WordCount(kind)
        loop.inSlices(for: client, &reply) {
            count.step(loop.store)
        } _: {
            count.write(to: &$0)
        }
    }

    /// Adds some shards; true if they were the last that matter.
    private func step(_ store: ShardedStore) -> Bool {
        var added = 0
        while shard < store.shardCount, added < WordCount.sliceCount, counts.count <= WordCount.maximumWords {
            let words = store.countSessions(by: kind, shard: shard)
            for (word, count) in words { counts[word, default: 0] += count }
            added += words.count
            shard += 1
        }
        return shard == store.shardCount || counts.count > WordCount.maximumWords
    }

    private func write(to reply: inout ReplyBuffer) {
        guard counts.count <= WordCount.maximumWords else {
            reply.error(
                "ERR there are more than \(WordCount.maximumWords) different words; max-words says how many a shard keeps"
            )
            return
        }
        let counts = ShardedStore.inOrder(counts)
        reply.map(counts.count)
        for (word, count) in counts {
            reply.bulk(word)
            reply.integer(count)
        }
    }
}

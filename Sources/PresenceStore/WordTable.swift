/// The few words that many sessions share (a device, a platform, a server), each kept once a shard and named by sixteen bits.
///
/// A word lives as long as a session uses it, so names of servers that come and go do not pile up. The table is bounded (`max-words`).
struct WordTable: ~Copyable {
    static let maximumLength = 128
    /// Word 0 is none.
    static let none: UInt16 = 0

    private struct Word {
        var bytes: [UInt8] = []
        /// Its hash, and the key under which `byHash` has it: of words with one hash the others are under the next keys.
        var hash: UInt64 = 0
        var key: UInt64 = 0
        /// Sessions that name it, tombstones too.
        var uses = 0
        /// Of these the ones that were not ended.
        var sessions = 0
        /// Of those the ones that make nobody present.
        var passive = 0
        /// Of the others, and of these, the ones that are at home at another node.
        var away = 0
        var passiveAway = 0
    }

    private var words = [Word()]
    private var byHash: [UInt64: UInt16] = [:]
    private var vacant: [UInt16] = []
    /// Words in use.
    var count: Int { byHash.count }
    /// Bytes of the words and their table entries.
    private(set) var capacityBytes = 0
    /// How often a word was refused because the table was full.
    private(set) var refusedCount = 0

    /// The number of a word, one use more; nil if the table is full.
    mutating func intern(_ bytes: Span<UInt8>, hash: UInt64, limit: Int) -> UInt16? {
        var key = hash
        while let known = byHash[key] {
            if matches(known, bytes) {
                retain(known)
                return known
            }
            key &+= 1
        }
        guard byHash.count < min(limit, Int(UInt16.max)) else {
            refusedCount += 1
            return nil
        }
        let number = vacant.popLast() ?? UInt16(words.count)
        let word = Word(bytes: BytesText.copy(bytes), hash: hash, key: key, uses: 1, sessions: 1)
        if Int(number) == words.count { words.append(word) } else { words[Int(number)] = word }
        byHash[key] = number
        capacityBytes += WordTable.cost(bytes.count)
        return number
    }

    /// One use more of a word, by something that is no session; nil if the table is full.
    mutating func hold(_ bytes: Span<UInt8>, hash: UInt64, limit: Int) -> UInt16? {
        guard let number = intern(bytes, hash: hash, limit: limit) else { return nil }
        words[Int(number)].sessions -= 1
        return number
    }

    /// The number of a word in use.
    func number(of bytes: Span<UInt8>, hash: UInt64) -> UInt16? {
        var key = hash
        while let known = byHash[key] {
            if matches(known, bytes) { return known }
            key &+= 1
        }
        return nil
    }

    /// The hash of a word in use.
    func hash(of number: UInt16) -> UInt64 { words[Int(number)].hash }

    /// Sessions that use a word and were not ended.
    func sessionCount(_ number: UInt16) -> Int { words[Int(number)].sessions }

    /// Of those the ones that make nobody present.
    func passiveCount(_ number: UInt16) -> Int { words[Int(number)].passive }

    /// So many sessions more that use it make nobody present.
    mutating func notePassive(_ number: UInt16, _ more: Int) {
        if number != WordTable.none { words[Int(number)].passive += more }
    }

    /// Of the sessions that make somebody present, or nobody, the ones that are at home at another node.
    func awayCount(_ number: UInt16, isPassive: Bool) -> Int {
        isPassive ? words[Int(number)].passiveAway : words[Int(number)].away
    }

    /// So many of these more.
    mutating func noteAway(_ number: UInt16, isPassive: Bool, _ more: Int) {
        guard number != WordTable.none else { return }
        if isPassive { words[Int(number)].passiveAway += more } else { words[Int(number)].away += more }
    }

    /// One use more of a word in use.
    mutating func retain(_ number: UInt16) {
        guard number != WordTable.none else { return }
        words[Int(number)].uses += 1
        words[Int(number)].sessions += 1
    }

    /// The session that uses it has become a tombstone.
    mutating func endSession(_ number: UInt16) {
        if number != WordTable.none { words[Int(number)].sessions -= 1 }
    }

    /// One use less: of a session, or of a tombstone, whose `endSession` went before.
    mutating func release(_ number: UInt16, isSession: Bool) {
        guard number != WordTable.none else { return }
        words[Int(number)].uses -= 1
        if isSession { words[Int(number)].sessions -= 1 }
        guard words[Int(number)].uses == 0 else { return }
        capacityBytes -= WordTable.cost(words[Int(number)].bytes.count)
        close(words[Int(number)].key)
        words[Int(number)] = Word()
        vacant.append(number)
    }

    /// Frees a key, and moves up those behind it that a search would not find any more.
    private mutating func close(_ freed: UInt64) {
        var hole = freed
        byHash[hole] = nil
        var key = hole &+ 1
        while let number = byHash[key] {
            if key &- words[Int(number)].hash >= key &- hole {
                byHash[key] = nil
                byHash[hole] = number
                words[Int(number)].key = hole
                hole = key
            }
            key &+= 1
        }
    }

    /// The bytes of a word in use; nil for none.
    func bytes(_ number: UInt16) -> [UInt8]? {
        number == WordTable.none ? nil : words[Int(number)].bytes
    }

    /// Calls `body` with the bytes of a word in use where they lie; nil for none.
    @inline(__always)
    func withBytes(_ number: UInt16, _ body: (Span<UInt8>?) -> Void) {
        if number == WordTable.none { body(nil) } else { WordTable.lend(words.span[Int(number)].bytes, body) }
    }

    /// Borrowed, so that no reference is counted: event loops on other processors read the same words.
    @inline(__always)
    private static func lend(_ bytes: borrowing [UInt8], _ body: (Span<UInt8>?) -> Void) { body(bytes.span) }

    /// Whether `number` is this word; none is the empty word.
    func matches(_ number: UInt16, _ bytes: Span<UInt8>) -> Bool {
        let word = words[Int(number)].bytes
        guard word.count == bytes.count else { return false }
        for place in word.indices where word[place] != bytes[place] { return false }
        return true
    }

    /// Every word that sessions use which were not ended, with their number.
    func forEach(_ body: (_ number: UInt16, _ bytes: [UInt8], _ sessions: Int) -> Void) {
        for (number, word) in words.enumerated() where word.sessions > 0 {
            body(UInt16(number), word.bytes, word.sessions)
        }
    }

    private static func cost(_ length: Int) -> Int { MemoryLayout<Word>.stride + 24 + 32 + length }
}

/// Commands that are sent together, and answered together.
struct Requests: Sendable {
    /// The commands as they go over the wire.
    private(set) var bytes: [UInt8] = []
    /// How many replies come.
    private(set) var count = 0

    init() {}

    /// One command.
    init(_ words: String...) {
        add(words.map { Array($0.utf8) })
    }

    /// One more command.
    mutating func add(_ words: String...) {
        add(words.map { Array($0.utf8) })
    }

    /// One more command, of any bytes.
    mutating func add(_ words: [[UInt8]]) {
        bytes.append(contentsOf: "*\(words.count)\r\n".utf8)
        for word in words {
            bytes.append(contentsOf: "$\(word.count)\r\n".utf8)
            bytes.append(contentsOf: word)
            bytes.append(contentsOf: [0x0D, 0x0A])
        }
        count += 1
    }
}

extension [UInt8] {
    /// The bytes of a word that is written in the code.
    init(_ word: String) {
        self = Swift.Array(word.utf8)
    }
}

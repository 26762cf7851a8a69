import Foundation

/// Commands to send one after the other, and the reply that each must get.
struct LoadCommands: AskedCommands {
    private var bytes: [UInt8] = []
    private var ends: [Int] = []
    /// What replies there are, and which is whose.
    private var replies: [ExpectedReply]
    private var kinds: [UInt32] = []

    /// Commands are added; each has one of these replies.
    init(_ replies: [ExpectedReply]) { self.replies = replies }

    /// Commands of one kind.
    init(_ users: some Sequence<Int>, _ reply: ExpectedReply, _ words: (Int) -> [String]) {
        self.init([reply])
        for user in users { add(words(user)) }
    }

    var count: Int { ends.count }

    /// - Parameter kind: the place of its reply among all.
    mutating func add(_ words: [String], kind: Int = 0) {
        bytes += Connection.encoded(words)
        ends.append(bytes.count)
        kinds.append(UInt32(kind))
    }

    subscript(place: Int) -> ArraySlice<UInt8> { bytes[(place == 0 ? 0 : ends[place - 1])..<ends[place]] }

    func replyLength(_ place: Int, in bytes: UnsafeRawBufferPointer) throws -> Int? {
        do {
            return try replies[Int(kinds[place])].length(in: bytes)
        } catch {
            throw BenchError("\(opening(place)) was answered \(error)")
        }
    }

    /// The first words of a command.
    private func opening(_ place: Int) -> String {
        // Lines are: the count, then a length and a word in turn.
        let lines = String(decoding: self[place], as: UTF8.self).components(separatedBy: "\r\n")
        let words = stride(from: 2, to: lines.count, by: 2).map { String(lines[$0].prefix(60)) }
        return words.prefix(4).joined(separator: " ") + (words.count > 4 ? " ..." : "")
    }
}

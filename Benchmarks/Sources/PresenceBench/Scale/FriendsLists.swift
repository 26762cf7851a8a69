/// Friends lists of 100 users, drawn anew for each, from all.
struct FriendsLists: ProbeQuestions {
    static let length = 100
    let users: Int
    private static let chance = BitMixer(bits: 48, seed: 5)
    private static let head = "*\(length + 1)\r\n$13\r\nPRESENCE.MGET\r\n"

    /// A user on a list.
    func user(_ index: Int, _ place: Int) -> Int {
        Int(FriendsLists.chance.mixed(UInt64(index * FriendsLists.length + place))) % users
    }

    func write(_ index: Int, to output: inout [UInt8]) {
        output += Array(FriendsLists.head.utf8)
        for place in 0..<FriendsLists.length {
            let key = NumberedUser.key(user(index, place))
            output += Array("$\(key.utf8.count)\r\n\(key)\r\n".utf8)
        }
    }

    func read(_ index: Int, _ bytes: ArraySlice<UInt8>) throws -> (length: Int, offline: [UInt8])? {
        let words = ["*\(FriendsLists.length)\r\n", "$6\r\nonline\r\n", "$7\r\noffline\r\n"].map { Array($0.utf8) }
        var rest = bytes
        var offline: [UInt8] = []
        func take(_ word: [UInt8]) -> Bool {
            guard rest.starts(with: word) else { return false }
            rest.removeFirst(word.count)
            return true
        }
        // A reply that has not come whole may end anywhere: it is read again with the rest.
        let isPart = bytes.count < 1_306
        guard take(words[0]) else { return try FriendsLists.part(isPart, bytes) }
        for place in 0..<FriendsLists.length where !take(words[1]) {
            guard take(words[2]) else { return try FriendsLists.part(isPart, rest) }
            offline.append(UInt8(place))
        }
        return (bytes.count - rest.count, offline)
    }

    private static func part(_ isPart: Bool, _ bytes: ArraySlice<UInt8>) throws -> (length: Int, offline: [UInt8])? {
        let text = String(decoding: bytes.prefix(200), as: UTF8.self)
        guard isPart, bytes.isEmpty || bytes.first == UInt8(ascii: "$") || bytes.first == UInt8(ascii: "*") else {
            throw WrongReply(text)
        }
        return nil
    }
}

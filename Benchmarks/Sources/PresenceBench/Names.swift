import PresenceStore
import PresenceTesting

/// Users and their sessions by name: UUIDs of 36 bytes and connection ids of 20, one behind the other in the order in which they are used.
///
/// They are read in order, as a server has them at hand from its socket: what a measurement waits for are the store's records, not the names.
struct Names {
    static let userLength = 36
    static let sessionLength = 20
    private static let stride = userLength + sessionLength

    private(set) var bytes: [UInt8]
    let count: Int

    /// Names that follow from the seed.
    init(count: Int, seed: UInt64 = 1) {
        let digits = Array("0123456789abcdef".utf8)
        var random = SeededRandom(seed: seed)
        var bytes = [UInt8]()
        bytes.reserveCapacity(count * Names.stride)
        for _ in 0..<count {
            var high = random.next()
            var low = random.next()
            for place in 0..<Names.userLength {
                switch place {
                case 8, 13, 18, 23:
                    bytes.append(UInt8(ascii: "-"))
                case 14:
                    bytes.append(UInt8(ascii: "4"))
                default:
                    bytes.append(digits[Int(high & 15)])
                    high = high >> 4 | low << 60
                    low >>= 4
                }
            }
            var word = random.next()
            for _ in 0..<Names.sessionLength {
                bytes.append(digits[Int(word & 15)])
                word = word >> 4 | word << 60
            }
        }
        self.bytes = bytes
        self.count = count
    }

    /// The same names in another order.
    func shuffled(seed: UInt64 = 2) -> Names {
        var random = SeededRandom(seed: seed)
        var copy = self
        copy.bytes.removeAll(keepingCapacity: true)
        for index in (0..<count).shuffled(using: &random) {
            copy.bytes.append(contentsOf: bytes[index * Names.stride..<(index + 1) * Names.stride])
        }
        return copy
    }

    /// Where the name of a user is.
    func user(_ index: Int) -> Range<Int> {
        let start = index &* Names.stride
        return Range(uncheckedBounds: (start, start &+ Names.userLength))
    }

    /// Where the name of his session is.
    func session(_ index: Int) -> Range<Int> {
        let start = index &* Names.stride &+ Names.userLength
        return Range(uncheckedBounds: (start, start &+ Names.sessionLength))
    }

    /// User, session, user, session, ... of all, as batches want them.
    var pairs: [KeyRange] {
        (0..<count).flatMap { index in
            [user(index), session(index)].map { KeyRange(offset: $0.lowerBound, length: $0.count) }
        }
    }
}

extension Names {
    /// A name as text.
    func text(_ range: Range<Int>) -> String { String(decoding: bytes[range], as: UTF8.self) }
}

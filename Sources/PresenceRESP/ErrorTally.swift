/// How many errors of which code were answered: `ERR`, `WRONGTYPE`, `NOAUTH` and so on.
///
/// Codes are ours or Redis's, so there are few; after ``limit`` of them, further ones are counted together. Costs a short walk an error, and
/// nothing where there is none.
public struct ErrorTally: Sendable {
    /// Codes that are told apart.
    public static let limit = 32

    /// The counts by code, in the order in which the codes first came.
    public private(set) var counts: [(code: [UInt8], count: Int)] = []

    /// No errors.
    public init() {}

    /// All errors together.
    public var total: Int { counts.reduce(0) { $0 + $1.count } }

    /// Counts an error with this text: its code is what stands before the first blank.
    mutating func count(_ text: Span<UInt8>) {
        var length = 0
        while length < text.count, text[length] != UInt8(ascii: " ") { length += 1 }
        for index in counts.indices where counts[index].code.count == length {
            let code = counts[index].code
            if (0..<length).allSatisfy({ code[$0] == text[$0] }) {
                counts[index].count += 1
                return
            }
        }
        add((0..<length).map { text[$0] }, 1)
    }

    /// Adds what another has counted.
    public mutating func add(_ other: ErrorTally) {
        for (code, count) in other.counts { add(code, count) }
    }

    private mutating func add(_ code: [UInt8], _ count: Int) {
        let known = counts.count < ErrorTally.limit ? code : Array("OTHER".utf8)
        if let index = counts.firstIndex(where: { $0.code == code }) ?? counts.firstIndex(where: { $0.code == known }) {
            counts[index].count += count
        } else {
            counts.append((known, count))
        }
    }
}

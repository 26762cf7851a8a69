import PresenceRESP
import Testing

@Suite("Prefixes of keys")
struct BytePrefixTests {
    @Test("a prefix of any length begins what it begins, wherever that lies, and nothing else", arguments: 0...20)
    func everyLength(_ length: Int) {
        let letters = (0..<length).map { UInt8(ascii: "a") + UInt8($0) }
        let prefix = BytePrefix(letters)
        #expect(prefix.count == length && prefix.bytes == letters)
        for before in 0..<4 {
            for behind in 0..<10 {
                let text = [UInt8](repeating: 1, count: before) + letters + [UInt8](repeating: 2, count: behind)
                let key = before..<before + length + behind
                let isBegun = prefix.begins(key, of: text.span)
                #expect(isBegun)
                // One byte of it is another.
                for place in 0..<length {
                    var other = text
                    other[before + place] ^= 0x20
                    let begins = prefix.begins(key, of: other.span)
                    #expect(!begins, "\(place) of \(length)")
                }
                // It goes on behind the key.
                guard length > 0 else { continue }
                let isCut = prefix.begins(before..<before + length - 1, of: text.span)
                #expect(!isCut)
            }
        }
    }
}

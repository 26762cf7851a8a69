import PresenceTesting
import Testing

@testable import PresenceReplication

@Suite("The checksum is CRC-32C")
struct CRC32CTests {
    private func checksum(_ bytes: [UInt8]) -> UInt32 {
        var checksum = CRC32C()
        checksum.update(bytes.span, 0..<bytes.count)
        return checksum.value
    }

    @Test("the vectors of RFC 3720, appendix B.4, and the usual one")
    func vectors() {
        #expect(checksum(Array("123456789".utf8)) == 0xE306_9283)
        #expect(checksum([UInt8](repeating: 0, count: 32)) == 0x8A91_36AA)
        #expect(checksum([UInt8](repeating: 0xFF, count: 32)) == 0x62A8_AB43)
        #expect(checksum((0..<32).map { UInt8($0) }) == 0x46DD_794E)
        #expect(checksum((0..<32).reversed().map { UInt8($0) }) == 0x113F_DB5C)
        #expect(checksum([]) == 0)
    }

    @Test("eight bytes a step are as one bit a step, in any pieces")
    func steps() {
        for seeded in SeededRandom.cases(200) {
            var random = seeded
            let bytes = random.bytes(0...100)
            var slow = UInt32.max
            for byte in bytes {
                slow ^= UInt32(byte)
                for _ in 0..<8 { slow = slow & 1 == 1 ? slow >> 1 ^ 0x82F6_3B78 : slow >> 1 }
            }
            let cut = Int.random(in: 0...bytes.count, using: &random)
            var pieces = CRC32C()
            pieces.update(bytes.span, 0..<cut)
            pieces.update(bytes.span, cut..<bytes.count)
            #expect(checksum(bytes) == ~slow, "\(seeded)")
            #expect(pieces.value == ~slow, "\(seeded)")
        }
    }
}

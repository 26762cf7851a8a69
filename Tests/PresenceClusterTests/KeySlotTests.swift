import PresenceTesting
import Testing

@testable import PresenceCluster

@Suite("A key's slot")
struct KeySlotTests {
    @Test("is that of the specification, and of a real Redis 7")
    func known() {
        // The specification's own check value of the checksum.
        let check = Array("123456789".utf8)
        #expect(KeySlot.checksum(check.span, 0..<check.count) == 0x31C3)
        // What redis-server 7.0.15 answers to CLUSTER KEYSLOT.
        let slots = [
            ("", 0), ("x", 16_287), ("a", 15_495), ("foo{bar}", 5_061), ("bar", 5_061), ("foo{}{bar}", 8_363),
            ("foo{{bar}}zap", 4_015), ("{bar", 4_015), ("foo{bar}{zap}", 5_061), ("presence:user:alice", 14_072),
        ]
        for (key, slot) in slots { #expect(KeySlot.slot(of: key) == slot, "\(key)") }
    }

    @Test("is that of the tag alone, if there is one")
    func tags() {
        func tag(_ key: String) -> String {
            let bytes = Array(key.utf8)
            return String(decoding: bytes[KeySlot.tag(of: bytes.span)], as: UTF8.self)
        }
        for (key, expected) in [
            ("{user1000}.following", "user1000"), ("foo{}{bar}", "foo{}{bar}"), ("foo{{bar}}zap", "{bar"),
            ("foo{bar}{zap}", "bar"), ("a}b{c", "a}b{c"), ("}{", "}{"), ("{", "{"), ("", ""), ("{a}", "a"),
            ("}{a}", "a"),
        ] {
            #expect(tag(key) == expected, "\(key)")
        }
    }

    @Test("is within bounds, and keys spread evenly")
    func spread() {
        var counts = [Int](repeating: 0, count: 64)
        for number in 0..<64_000 {
            let slot = KeySlot.slot(of: "presence:user:\(number)")
            #expect((0..<KeySlot.count).contains(slot))
            counts[slot / 256] += 1
        }
        #expect(counts.allSatisfy { (800...1_200).contains($0) })
    }
}

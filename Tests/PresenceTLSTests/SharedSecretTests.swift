import PresenceTLS
import Testing

@Suite("A shared secret")
struct SharedSecretTests {
    private let secret = SharedSecret([UInt8](0..<32))

    private func hexadecimal(_ bytes: [UInt8]) -> String {
        bytes.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
    }

    @Test("gives keys by HMAC-SHA-256: the test cases of RFC 4231")
    func vectors() throws {
        #expect(
            hexadecimal(try SharedSecret([UInt8](repeating: 0x0B, count: 20)).derive("Hi There"))
                == "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7")
        #expect(
            hexadecimal(try SharedSecret(Array("Jefe".utf8)).derive("what do ya want for nothing?"))
                == "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843")
        #expect(
            hexadecimal(
                try SharedSecret([UInt8](repeating: 0xAA, count: 131))
                    .derive("Test Using Larger Than Block-Size Key - Hash Key First"))
                == "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54")
    }

    @Test("gives the nodes of a cluster the key by which they know each other, another one for each cluster")
    func peerKey() throws {
        let key = try secret.peerKey(ofCluster: "shop")
        #expect(String(decoding: key.identity, as: UTF8.self) == "presenced peers 1 shop")
        #expect(hexadecimal(key.key) == "a2e7ac0cd62ca4af5b25f07361939a1a54672b5bfcbdd2651e3c584aed7e037d")
        #expect(try secret.peerKey(ofCluster: "shop2").key != key.key)
        let longest = try secret.peerKey(ofCluster: String(repeating: "n", count: 64))
        #expect(TLSSharedKey.identityBytes.contains(longest.identity.count))
        #expect(TLSSharedKey.keyBytes.contains(longest.key.count))
    }

    @Test("gives all nodes the same secret of the hash, which the key of the links does not tell")
    func hashSecret() throws {
        let hash = try secret.hashSecret()
        #expect(hash == (0xAB36_5675_06CF_E958, 0xE2CE_5D2E_A451_CF9A))
        #expect(try SharedSecret([UInt8](1..<33)).hashSecret() != hash)
    }

    @Test("has a fingerprint that tells two of them apart, and nothing else")
    func fingerprint() throws {
        #expect(try secret.fingerprint() == "31f7e79d8f32ec9aad5eb4b0377ae3dc")
        #expect(try SharedSecret([UInt8](1..<33)).fingerprint() != secret.fingerprint())
        #expect(try !hexadecimal(secret.peerKey(ofCluster: "shop").key).contains(secret.fingerprint()))
    }
}

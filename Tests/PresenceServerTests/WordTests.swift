import PresenceTesting
import Testing

@testable import PresenceServer

/// Words, numbers and patterns: what every argument of a command is read with.
@Suite struct WordTests {
    private func word(_ text: String) -> Word {
        let bytes = Array(text.utf8)
        return Word(bytes.span, 0..<bytes.count)
    }

    @Test func wordsAreComparedWithoutCase() {
        #expect(word("presence.connect") == "PRESENCE.CONNECT")
        #expect(word("Ex") == "EX")
        #expect(word("keepttl") != "KEEPTT")
        #expect(word("[\\]^_`{|}~@") == Word("[\\]^_`{|}~@"))
        #expect(word("[") != word("{"))
    }

    @Test func aZeroByteIsNotTheEndOfAWord() {
        #expect(word("GET\0") != "GET")
        #expect(word("") != word("\0"))
    }

    @Test func longWordsAreNoWord() {
        #expect(word(String(repeating: "a", count: 24)) == .none)
        #expect(word(String(repeating: "a", count: 23)) != .none)
    }

    @Test func everyByteIsFoldedAsASCII() {
        for byte in UInt8.min...UInt8.max {
            let lower = byte >= 0x41 && byte <= 0x5a ? byte + 0x20 : byte
            let bytes = [byte, byte, byte]
            let folded = [lower, lower, lower]
            let isSame = Word(bytes.span, 0..<3) == Word(folded.span, 0..<3)
            #expect(isSame)
        }
    }

    @Test(arguments: [
        ("0", 0), ("-1", -1), ("9223372036854775807", Int64.max), ("-9223372036854775808", Int64.min),
    ])
    func numbersAreRead(_ text: String, _ value: Int64) {
        let bytes = Array(text.utf8)
        let number = Numbers.integer(bytes.span, 0..<bytes.count)
        #expect(number == value)
    }

    @Test(arguments: ["", "-", "+1", "01", "-0", "1 ", "1.0", "9223372036854775808", "0x1", "99999999999999999999999"])
    func whatRedisTakesForNoNumberIsNone(_ text: String) {
        let bytes = Array(text.utf8)
        let number = Numbers.integer(bytes.span, 0..<bytes.count)
        #expect(number == nil)
    }

    @Test(arguments: [
        ("*", "", true), ("*", "anything", true), ("h?llo", "hello", true), ("h?llo", "hllo", false),
        ("h*llo", "heeeello", true), ("h[ae]llo", "hallo", true), ("h[ae]llo", "hillo", false),
        ("h[^e]llo", "hallo", true), ("h[^e]llo", "hello", false), ("h[a-b]llo", "hbllo", true),
        ("h[b-a]llo", "hallo", true), ("\\*", "*", true), ("\\*", "a", false), ("a\\", "a\\", true),
        ("[abc", "b", true), ("*a*b*", "xxaxxbxx", true), ("*a*b*", "xxbxxaxx", false), ("", "", true),
        ("", "a", false),
        ("a*", "a", true), ("**", "", true), ("[\\]]", "]", true), ("user:*:x", "user:1:x", true),
    ])
    func patternsMatchAsRedisDoes(_ pattern: String, _ text: String, _ isMatch: Bool) {
        #expect(matches(pattern, text) == isMatch)
    }

    private func matches(_ pattern: String, _ text: String, ignoringCase: Bool = false) -> Bool {
        let pattern = Array(pattern.utf8)
        let text = Array(text.utf8)
        return GlobPattern.matches(pattern.span, text.span, ignoringCase: ignoringCase)
    }

    @Test func patternsMayIgnoreCase() {
        #expect(matches("PRESENCE.*", "presence.beat", ignoringCase: true))
        #expect(!matches("A", "a"))
    }

    /// Many stars and a text that nearly matches: Redis's recursion would take a life here.
    @Test func aPatternOfManyStarsIsAnsweredAtOnce() {
        let pattern = String(repeating: "a*", count: 40) + "b"
        #expect(!matches(pattern, String(repeating: "a", count: 10_000)))
    }
}

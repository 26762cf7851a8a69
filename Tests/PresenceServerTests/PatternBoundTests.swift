import PresenceTesting
import Testing

@testable import PresenceServer

@Suite("What patterns cost is bounded")
struct PatternBoundTests {
    /// Matches by the definition: a row for each place of the pattern, a bit for each length of the text.
    private func matchesByDefinition(_ pattern: [UInt8], _ text: [UInt8]) -> Bool {
        var reached = Set([0])
        var index = 0
        while index < pattern.count {
            if pattern[index] == UInt8(ascii: "*") {
                if let first = reached.min() { reached = Set(first...text.count) }
                index += 1
                continue
            }
            // One element: it takes a byte or not, whatever is around it.
            var end = index + 1
            while end < pattern.count, !isWhole(pattern[index..<end]) { end += 1 }
            let element = Array(pattern[index..<end])
            reached = Set(
                reached.filter { $0 < text.count && GlobPattern.matches(element.span, [text[$0]].span) }.map { $0 + 1 })
            index = end
        }
        return reached.contains(text.count)
    }

    private func isWhole(_ element: ArraySlice<UInt8>) -> Bool {
        switch element.first {
        case UInt8(ascii: "\\"): element.count == 2
        case UInt8(ascii: "["): element.count > 1 && element.last == UInt8(ascii: "]")
        default: true
        }
    }

    @Test("both ways of matching say what the definition says")
    func waysAgree() {
        let elements = ["a", "b", "?", "*", "*", "[ab]", "[^a]", "[a-b]", "\\a", "\\*", "*a", "**"].map {
            Array($0.utf8)
        }
        for var random in SeededRandom.cases(3) {
            for _ in 0..<700 {
                var pattern: [UInt8] = []
                for _ in 0..<Int.random(in: 0...(random.chance(oneIn: 20) ? 150 : 9), using: &random) {
                    pattern += random.pick(elements)
                }
                let text = (0..<Int.random(in: 0...12, using: &random)).map { _ in
                    random.pick([UInt8(ascii: "a"), UInt8(ascii: "a"), UInt8(ascii: "b"), UInt8(ascii: "*")])
                }
                let expected = matchesByDefinition(pattern, text)
                let shown = String(decoding: pattern, as: UTF8.self) + " " + String(decoding: text, as: UTF8.self)
                #expect(GlobPattern.matches(pattern.span, text.span) == expected, "\(shown) \(random)")
                #expect(
                    GlobPattern.matchesByPlaces(pattern.span, text.span, ignoringCase: false) == expected,
                    "\(shown) \(random)")
            }
        }
    }

    @Test("a text that nearly matches everywhere costs little more than to read it")
    func work() {
        let run = String(repeating: "a", count: 500)
        for (pattern, isMatch) in [
            ("*\(run)b", false), ("*\(run)\(run)*", true), (String(repeating: "*a", count: 500) + "b", false),
        ] {
            let text = Array(repeating: UInt8(ascii: "a"), count: 30_000)
            let pattern = Array(pattern.utf8)
            var work = 0
            #expect(GlobPattern.matches(pattern.span, text.span, work: &work) == isMatch)
            #expect(work < 30 * text.count)
        }
    }

    @Test("a call of SCAN ends early where patterns and keys are long, and KEYS goes on in slices")
    func slices() throws {
        let server = EmbeddedServer()
        let client = try server.connectClient()
        let run = String(repeating: "a", count: 900)
        for number in 0..<60 { _ = try client.ask("SET \(run)\(run)\(number) 1\r\n") }
        let first = try client.ask("SCAN 0 COUNT 10000 MATCH *\(run)b*\r\n")
        #expect(!first.hasPrefix("*2\r\n$1\r\n0\r\n"))
        var cursor = "0"
        var calls = 0
        repeat {
            let lines = try client.ask("SCAN \(cursor) COUNT 10000 MATCH *\(run)b*\r\n").split(separator: "\r\n")
            cursor = String(lines[2])
            #expect(lines[3] == "*0")
            calls += 1
        } while cursor != "0"
        #expect((2..<100).contains(calls))
        #expect(try client.ask("KEYS *\(run)b*\r\n") == "", "it should not be done in one slice")
        server.eventLoop.advanceTime(by: .seconds(1))
        #expect(try client.read() == "*0\r\n")
    }

    @Test("patterns and channels that are too long are refused, and too many patterns")
    func refusals() throws {
        let client = try EmbeddedServer().connectClient()
        let longest = String(repeating: "x", count: 1_024)
        #expect(try client.ask("KEYS \(longest)\r\n") == "*0\r\n")
        for command in [
            "KEYS", "SCAN 0 MATCH", "PSUBSCRIBE", "PSUBSCRIBE a", "PUBSUB CHANNELS", "COMMAND LIST FILTERBY PATTERN",
        ] {
            #expect(
                try client.ask("\(command) \(longest)x\r\n") == "-ERR a pattern may have at most 1024 bytes\r\n",
                "\(command)")
        }
        for command in ["SUBSCRIBE \(longest)x", "SUBSCRIBE a \(longest)x", "PUBLISH \(longest)x message"] {
            #expect(try client.ask(command + "\r\n") == "-ERR a channel may have at most 1024 bytes\r\n")
        }
        #expect(try client.ask("PUBLISH \(longest) message\r\n") == ":0\r\n")
        let refusal =
            "-ERR a connection may have at most 1000 patterns, of 32768 bytes together; SUBSCRIBE takes more channels\r\n"
        let many = (0..<1_001).map { "\($0)*" }.joined(separator: " ")
        #expect(try client.ask("PSUBSCRIBE \(many)\r\n") == refusal)
        let long = (0..<32).map { String(repeating: "\($0 % 10)", count: 1_000) + "\($0)" }.joined(separator: " ")
        #expect(try client.ask("PSUBSCRIBE \(long)\r\n").hasPrefix("*3\r\n$10\r\npsubscribe"))
        #expect(try client.ask("PSUBSCRIBE \(longest)\r\n") == refusal)
        // What is given up makes room.
        _ = try client.ask("PUNSUBSCRIBE\r\n")
        #expect(try client.ask("PSUBSCRIBE \(longest)\r\n").hasPrefix("*3\r\n$10\r\npsubscribe"))
    }

    @Test("all connections together have a bound of patterns, too")
    func patternsOfAll() throws {
        let server = EmbeddedServer()
        for part in 0..<10 {
            let names = (0..<1_000).map { "\(part)-\($0)*" }.joined(separator: " ")
            #expect(try server.connectClient().ask("PSUBSCRIBE \(names)\r\n").hasPrefix("*3"))
        }
        let client = try server.connectClient()
        #expect(
            try client.ask("PSUBSCRIBE one-more*\r\n")
                == "-ERR all connections together may have at most 10000 patterns\r\n")
    }
}

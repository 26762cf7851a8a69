import Presence
import PresenceRESP
import Testing

@testable import PresenceServer

/// What keeps passwords secret: how they are compared, what of them is shown.
struct SecretsTests {
    private static func matches(_ password: Password, _ text: String) -> Bool {
        let bytes = Array(text.utf8)
        return password.matches(bytes.span)
    }

    @Test func aPasswordMatchesItselfAlone() {
        for text in ["a", "secret", String(repeating: "p", count: 512)] {
            let password = Password(text)
            #expect(!password.isEmpty)
            #expect(Self.matches(password, text))
            for wrong in [
                text + "x", text + "\0", String(text.dropLast()), "", text.uppercased(),
                String(repeating: "z", count: 4000),
            ] {
                #expect(!Self.matches(password, wrong))
            }
        }
    }

    @Test func noPasswordIsEmpty() {
        #expect(Password("").isEmpty)
        #expect(!Self.matches(Password(""), "\0\0"))
    }

    @Test func failuresAreLoggedOnceASecond() {
        var failures = FailedPasswords()
        let start = Timestamp(milliseconds: 1_000_000)
        #expect(failures.add(from: "1.2.3.4:5", at: start) == "failed authentication from 1.2.3.4:5")
        for milliseconds in [0, 1, 500, 999] {
            #expect(failures.add(from: "1.2.3.4:5", at: start.advanced(byMilliseconds: Int64(milliseconds))) == nil)
        }
        #expect(
            failures.add(from: "6.7.8.9:1", at: start.advanced(byMilliseconds: 1000))
                == "failed authentication from 6.7.8.9:1; 4 more since the last such line")
        #expect(
            failures.add(from: "6.7.8.9:1", at: start.advanced(byMilliseconds: 2000))
                == "failed authentication from 6.7.8.9:1")
    }

    @Test(arguments: [
        ("AUTH x", [1]), ("auth default x", [1, 2]), ("AUTH a b c d", [1, 2, 3, 4]), ("AUTH", []),
        ("HELLO 3", []), ("HELLO 3 AUTH u p", [3, 4]), ("hello 3 setname auth AUTH u p SETNAME n", [5, 6]),
        ("HELLO 3 FOO AUTH u p", [4, 5]), ("HELLO 3 AUTH u", [3, 4]),
        ("CONFIG SET requirepass x", [3]), ("config set timeout 1 RequirePass x", [5]), ("CONFIG GET requirepass", []),
        ("SET requirepass x", []), ("GET AUTH", []),
    ])
    func passwordsAreFoundInCommands(line: String, expected: [Int]) {
        var reader = RequestReader()
        let bytes = Array((line + "\r\n").utf8)
        let step = reader.next(in: bytes.span, from: 0)
        #expect(step == .command)
        let secrets = Secrets(reader, bytes.span)
        let found = (0..<reader.argumentCount).filter { secrets.contains($0) }
        // A name or password that is missing has a place all the same.
        let count = reader.argumentCount
        #expect(found == expected.filter { $0 < count })
    }

    @Test func argumentsAreSpelledAsRedisSpellsThem() {
        func quoted(_ bytes: [UInt8]) -> String {
            var line: [UInt8] = []
            MonitorLine.quote(bytes.span, bytes.indices, into: &line)
            return String(decoding: line, as: UTF8.self)
        }
        #expect(quoted(Array("plain text".utf8)) == #""plain text""#)
        #expect(quoted([0, 1, 7, 8, 9, 10, 13, 27, 34, 92, 127, 255]) == #""\x00\x01\a\b\t\n\r\x1b\"\\\x7f\xff""#)
        #expect(quoted([]) == #""""#)
        let long = quoted(Array(repeating: 120, count: MonitorLine.maximumArgumentBytes + 5))
        #expect(long.hasSuffix(#"x... (5 more bytes)""#))
    }
}

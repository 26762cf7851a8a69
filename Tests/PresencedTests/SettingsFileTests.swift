import Testing

@testable import presenced

@Suite("A line of cluster.conf")
struct SettingsFileTests {
    @Test("is a name and words, with any blanks between them")
    func words() throws {
        #expect(try SettingsFile.words(of: "port 6399") == ["port", "6399"])
        #expect(try SettingsFile.words(of: " \tbind  127.0.0.1\t-::1 \r") == ["bind", "127.0.0.1", "-::1"])
        #expect(try SettingsFile.words(of: "") == [])
        #expect(try SettingsFile.words(of: "   ") == [])
    }

    @Test(
        "reads quotes as Redis does",
        arguments: [
            (#"logfile """#, ["logfile", ""]),
            (#"logfile ''"#, ["logfile", ""]),
            (#"requirepass "two words""#, ["requirepass", "two words"]),
            (#"requirepass 'two "words"'"#, ["requirepass", #"two "words""#]),
            (#"requirepass "a\"b\\c""#, ["requirepass", #"a"b\c"#]),
            (#"requirepass 'it\'s \n'"#, ["requirepass", #"it's \n"#]),
            (#"requirepass "\x41\n\t\r\a\b\q""#, ["requirepass", "A\n\t\r\u{7}\u{8}q"]),
            (#"requirepass "\xc3\xa9""#, ["requirepass", "é"]),
            (##"requirepass pass#word"##, ["requirepass", "pass#word"]),
        ])
    func quotes(line: String, words: [String]) throws {
        #expect(try SettingsFile.words(of: line) == words)
    }

    @Test(
        "says what is wrong with it",
        arguments: [
            (#"logfile "abc"#, "a quote is not closed"),
            (#"logfile 'abc\'"#, "a quote is not closed"),
            (#"logfile "abc\"#, "a quote is not closed"),
            (#"logfile "a"b"#, "a space is missing after a closing quote"),
            (#"logfile "\x4""#, #"\x needs two hexadecimal digits"#),
            (#"logfile "\xzz""#, #"\x needs two hexadecimal digits"#),
            (#"logfile "\xff""#, "the line is not UTF-8"),
        ])
    func errors(line: String, message: String) {
        #expect(throws: ValueError(message: message)) { try SettingsFile.words(of: line) }
    }

    @Test("is left out if it is empty or a comment, and keeps its number")
    func lines() {
        let text = "# a comment with \"one quote\n\n  # another\nport 1\r\nlogfile \"\ntimeout 2"
        var failures: [Int] = []
        let lines = SettingsFile.lines(of: text) { number, _ in failures.append(number) }
        #expect(
            lines == [
                .init(number: 4, name: "port", words: ["1"]), .init(number: 6, name: "timeout", words: ["2"]),
            ])
        #expect(failures == [5])
    }
}

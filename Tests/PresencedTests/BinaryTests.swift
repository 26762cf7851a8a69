import Testing

@testable import presenced

@Suite("The binary")
struct BinaryTests {
    @Test("tells its version and exits")
    func version() throws {
        let ended = try RunningPresenced.run("--version")
        #expect(ended.status == 0)
        #expect(ended.output == "presenced \(presencedVersion)\n")
    }

    @Test("lists every problem of its settings on standard error, and does not serve")
    func problems() throws {
        let ended = try RunningPresenced.run("--prot", "1", "--shards", "3")
        #expect(ended.status == 1)
        #expect(ended.output.isEmpty)
        #expect(
            ended.errors == """
                presenced: --prot: unknown setting 'prot'; did you mean port or tls-protocols or protected-mode?
                presenced: --shards: 3 is out of bounds; allowed: 1 to 1024, a power of two

                """)
    }

    @Test("checks a configuration without serving")
    func check() throws {
        let ended = try RunningPresenced.run("check-config", "--session-ttl", "60s")
        #expect(ended.status == 0)
        #expect(ended.output.hasPrefix("ok\n"))
        #expect(ended.output.hasSuffix("\nsession-ttl 60s\n"))
        #expect(ended.errors.isEmpty)
    }

    @Test("prints the documents that are committed")
    func documents() throws {
        #expect(try RunningPresenced.run("documentation", "settings").output == SettingsDocumentation.reference)
        #expect(try RunningPresenced.run("documentation", "example").output == SettingsDocumentation.example)
    }

    @Test("serves, and ends in order at SIGTERM")
    func serves() throws {
        let presenced = try RunningPresenced()
        #expect(presenced.stop() == 0)
    }
}

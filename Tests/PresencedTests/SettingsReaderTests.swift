import Testing

@testable import presenced

@Suite("Settings")
struct SettingsReaderTests {
    /// The problems of a file and arguments, or none.
    private func problems(_ text: String? = nil, _ arguments: [String] = []) -> [String] {
        do {
            _ = try SettingsReader.read(file: text.map { ("cluster.conf", $0) }, arguments: arguments)
            return []
        } catch {
            return error.lines
        }
    }

    @Test("have defaults that need no file and fit together")
    func defaults() throws {
        #expect(try SettingsReader.read(file: nil, arguments: []) == Settings())
        #expect(Settings().brokenRelations() == [])
        #expect(Settings().advice() == [])
        #expect(Settings().port == 6399)
    }

    @Test("come from the file, and the command line wins over it")
    func precedence() throws {
        let settings = try SettingsReader.read(
            file: ("cluster.conf", "PORT 7000\ntimeout 5m\n"), arguments: ["--port", "7001", "--maxmemory=64mb"])
        #expect(settings.port == 7001)
        #expect(settings.timeout == 300)
        #expect(settings.maxmemory == 64 << 20)
    }

    @Test("of the command line may have several words, or one that is a list")
    func lists() throws {
        let several = try SettingsReader.read(file: nil, arguments: ["--bind", "127.0.0.1", "-::1", "--port", "7"])
        #expect(several.bind == ["127.0.0.1", "-::1"])
        #expect(several.port == 7)
        #expect(
            try SettingsReader.read(file: nil, arguments: ["--bind", "127.0.0.1 -::1"]).bind == ["127.0.0.1", "-::1"])
        #expect(
            try SettingsReader.read(file: nil, arguments: ["--requirepass", "two words"]).requirepass == "two words")
        #expect(try SettingsReader.read(file: nil, arguments: ["--requirepass="]).requirepass.isEmpty)
    }

    @Test("may set the two classes of client-output-buffer-limit on two lines")
    func repeatable() throws {
        let text = "client-output-buffer-limit normal 1mb 1mb 1\nclient-output-buffer-limit pubsub 2mb 2mb 2\n"
        let settings = try SettingsReader.read(file: ("cluster.conf", text), arguments: [])
        #expect(settings.outputLimits.normal.hardBytes == 1 << 20)
        #expect(settings.outputLimits.pubsub.hardBytes == 2 << 20)
    }

    @Test("that are wrong are all listed, each with its line")
    func allProblems() {
        let text = """
            session-tll 90s
            port 7
            port 8
            logfile "abc
            maxmemory lots
            """
        #expect(
            problems(text, ["--shards", "3", "-x", "--prot", "1", "--timeout"]) == [
                "cluster.conf:1: unknown setting 'session-tll'; did you mean session-ttl?",
                "cluster.conf:3: port is already set on line 2",
                "cluster.conf:4: a quote is not closed",
                "cluster.conf:5: maxmemory: 'lots' is not a size such as 1048576 or 64mb; allowed: 0 to 16tb",
                "--shards: one value is expected, 2 are given; allowed: 1 to 1024, a power of two",
                "--prot: unknown setting 'prot'; did you mean port or tls-protocols or protected-mode?",
                "--timeout: a value is missing; allowed: 0s to 365d",
            ])
        #expect(problems(nil, ["stray"]) == ["unexpected argument 'stray'; settings are given as --name value"])
    }

    @Test("that do not exist are answered with the nearest that do")
    func nearest() {
        #expect(Setting.names(near: "sesion-ttl") == ["session-ttl"])
        #expect(Setting.names(near: "max-clients").first == "maxclients")
        #expect(Setting.names(near: "TIMEOUTS") == ["timeout"])
        #expect(Setting.names(near: "xyzzyplugh").isEmpty)
        #expect(
            problems(nil, ["--xyzzyplugh", "1"]) == [
                "--xyzzyplugh: unknown setting 'xyzzyplugh'; docs/CONFIGURATION.md lists all"
            ])
    }

    @Test(
        "must fit together",
        arguments: [
            (
                "session-ttl 400s",
                "cluster.conf:1: session-ttl 400s is above heartbeat-hard-limit 300s, which ends every session"
            ),
            (
                "heartbeat-hard-limit 60s",
                "cluster.conf:1: session-ttl 120s is above heartbeat-hard-limit 60s, which ends every session"
            ),
            (
                "heartbeat-interval 120s",
                "cluster.conf:1: heartbeat-interval 120s is not below session-ttl 120s: "
                    + "sessions would end between two beats"
            ),
            ("idle-after 1800s", "cluster.conf:1: idle-after 1800s is not below away-after 1800s"),
            (
                "disconnect-grace 301s",
                "cluster.conf:1: disconnect-grace 301s is above heartbeat-hard-limit 300s: nobody is shown live past it"
            ),
            (
                "lost-grace 301s",
                "cluster.conf:1: lost-grace 301s is above heartbeat-hard-limit 300s: nobody is shown live past it"
            ),
            (
                "manual-clock yes",
                "cluster.conf:1: manual-clock yes needs enable-debug-command yes: time could never move"
            ),
            (
                "maxmemory 4mb",
                "cluster.conf:1: maxmemory 4mb leaves nothing beside the change rings: "
                    + "shards 32 times change-ring-size 128kb"
            ),
        ])
    func relations(line: String, problem: String) {
        #expect(problems(line) == [problem])
    }

    @Test("that were refused do not cause a second problem in what they stand in relation to")
    func noEchoes() {
        let text = "session-ttl 40x\nheartbeat-hard-limit 60s\n"
        #expect(problems(text).count == 1)
    }

    @Test("that are allowed but unwise are answered with advice")
    func advice() {
        var open = Settings()
        open.bind = ["*"]
        #expect(open.advice().count == 1)
        #expect(open.advice()[0].contains("protected-mode"))
        open.protectedMode = false
        #expect(open.advice()[0].contains("set requirepass"))
        open.requirepass = "secret"
        #expect(open.advice().isEmpty)
        var tight = Settings()
        tight.heartbeatInterval = 70_000
        #expect(tight.advice().count == 1)
    }

    @Test("have one name each, in lower case, and a bounded documentation")
    func table() {
        let names = Settings.table.map(\.name)
        #expect(Set(names).count == names.count)
        for setting in Settings.table {
            #expect(setting.name == setting.name.lowercased())
            #expect(setting.documentation.hasSuffix("."))
            #expect(!setting.documentation.contains("|"))
        }
    }
}

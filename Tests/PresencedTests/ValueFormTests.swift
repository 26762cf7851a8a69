import PresenceServer
import Testing

@testable import presenced

@Suite("The value of a setting")
struct ValueFormTests {
    @Test(
        "may be a size with a unit",
        arguments: [
            ("0", 0), ("1048576", 1_048_576), ("7b", 7), ("1k", 1_000), ("1kb", 1_024), ("64MB", 64 << 20),
            ("3m", 3_000_000),
            ("2gb", 2 << 30), ("1g", 1_000_000_000), ("1tb", 1 << 40),
        ])
    func sizes(text: String, bytes: Int) {
        #expect(ByteUnits.parse(text) == bytes)
    }

    @Test(
        "may be a duration with a unit, seconds without",
        arguments: [
            ("0", 0), ("90", 90_000), ("1500ms", 1_500), ("90s", 90_000), ("2M", 120_000), ("1h", 3_600_000),
            ("1d", 86_400_000),
        ])
    func durations(text: String, milliseconds: Int) {
        #expect(DurationUnits.parse(text) == milliseconds)
    }

    @Test(
        "is refused if it is no number, has another unit, or does not fit",
        arguments: ["", "-1", "+1", "1.5s", "s", "1 s", "1x", "99999999999999999999", "9223372036854775807d", "٣s"])
    func notNumbers(text: String) {
        #expect(DurationUnits.parse(text) == nil)
        #expect(ByteUnits.parse(text) == nil)
    }

    @Test("is spelled so that reading it again gives the same")
    func spelling() {
        for milliseconds in [0, 1, 999, 1_000, 1_500, 60_000, 120_000, 3_600_000, 3_601_000, 86_400_000, 90_000_000] {
            #expect(DurationUnits.parse(DurationUnits.spell(milliseconds)) == milliseconds)
        }
        for bytes in [0, 1, 1_023, 1_024, 1_025, 1 << 20, 3 << 30, 1 << 40] {
            #expect(ByteUnits.parse(ByteUnits.spell(bytes)) == bytes)
        }
        #expect(DurationUnits.spell(120_000) == "120s")
        #expect(DurationUnits.spell(1_500) == "1500ms")
        #expect(ByteUnits.spell(64 << 20) == "64mb")
    }

    @Test(
        "of a setting is checked, and the error says what is allowed",
        arguments: [
            ("tcp-backlog", "0", "0 is out of bounds; allowed: 1 to 65535"),
            ("port", "65536", "65536 is out of bounds; allowed: 0 to 65535"),
            ("port", "http", "'http' is not a whole number; allowed: 0 to 65535"),
            ("shards", "33", "33 is out of bounds; allowed: 1 to 1024, a power of two"),
            ("shards", "2048", "2048 is out of bounds; allowed: 1 to 1024, a power of two"),
            ("protected-mode", "maybe", "'maybe' is neither yes nor no"),
            ("loglevel", "loud", "'loud' is not one of: debug, verbose, notice, warning, nothing"),
            ("session-ttl", "4s", "4s is out of bounds; allowed: 5s to 1d"),
            ("session-ttl", "soon", "'soon' is not a duration such as 90s, 1500ms or 2m; allowed: 5s to 1d"),
            ("timeout", "1500ms", "'1500ms' is not a number of whole seconds; allowed: 0s to 365d"),
            ("maxmemory", "many", "'many' is not a size such as 1048576 or 64mb; allowed: 0 to 16tb"),
            ("proto-max-bulk-len", "1kb", "1kb is out of bounds; allowed: 1mb to 9223372036854775807"),
            ("key-prefix", "", "0 bytes are out of bounds; allowed: text of 1 to 64 bytes"),
            ("notify-keyspace-events", "Kl", "Invalid event class character. Use 'Ag$xeKEn'."),
            ("enable-debug-command", "maybe", "'maybe' is not one of: no, yes, local"),
            ("bind", "", "'' is not an address such as 127.0.0.1, ::1, -::1 or *"),
            ("bind", "-", "'-' is not an address such as 127.0.0.1, ::1, -::1 or *"),
            ("bind", "10.0.0.1/8", "'10.0.0.1/8' is not an address such as 127.0.0.1, ::1, -::1 or *"),
        ])
    func errors(name: String, value: String, message: String) throws {
        let setting = try #require(Setting.named(name))
        var settings = Settings()
        #expect(throws: ValueError(message: message)) { try setting.write(&settings, [value]) }
        #expect(settings == Settings())
    }

    @Test("is one word, unless the setting is a list")
    func count() throws {
        let port = try #require(Setting.named("tcp-backlog"))
        var settings = Settings()
        #expect(throws: ValueError(message: "a value is missing; allowed: 1 to 65535")) {
            try port.write(&settings, [])
        }
        #expect(throws: ValueError(message: "one value is expected, 2 are given; allowed: 1 to 65535")) {
            try port.write(&settings, ["1", "2"])
        }
        #expect(
            throws: ValueError(
                message: "one value is expected, 3 are given (a comment needs a line of its own); allowed: 1 to 65535")
        ) { try port.write(&settings, ["1", "#", "why"]) }
        let bind = try #require(Setting.named("bind"))
        try bind.write(&settings, ["10.0.0.1", "-fe80::1%eth0", "*"])
        #expect(settings.bind == ["10.0.0.1", "-fe80::1%eth0", "*"])
        #expect(throws: ValueError(message: "0 addresses are given; allowed: 1 to 16")) {
            try bind.write(&settings, [])
        }
    }

    @Test("of client-output-buffer-limit sets one class and keeps the other")
    func outputLimits() throws {
        let setting = try #require(Setting.named("client-output-buffer-limit"))
        var settings = Settings()
        try setting.write(&settings, ["pubsub", "1mb", "512kb", "5"])
        #expect(settings.outputLimits.pubsub == .init(hardBytes: 1 << 20, softBytes: 512 << 10, softSeconds: 5))
        #expect(settings.outputLimits.normal == OutputLimits().normal)
        #expect(setting.read(settings) == "normal 268435456 67108864 60 pubsub 1048576 524288 5")
    }

    @Test(
        "of client-output-buffer-limit is refused with the part that is wrong",
        arguments: [
            ([], "'normal|pubsub HARD SOFT SECONDS' is expected, such as pubsub 32mb 8mb 60"),
            (["pubsub", "1mb", "1mb"], "'normal|pubsub HARD SOFT SECONDS' is expected, such as pubsub 32mb 8mb 60"),
            (["replica", "1", "1", "1"], "'replica' is not a class of clients; allowed: normal, pubsub"),
            (["normal", "1x", "1", "1"], "'1x 1' are not two sizes such as 32mb 8mb (0: no bound)"),
            (["normal", "1", "1", "1h"], "'1h' is not a number of seconds from 0 to 86400"),
            (["normal", "1mb", "2mb", "1"], "the soft bound 2mb is above the hard bound 1mb"),
        ])
    func outputLimitErrors(words: [String], message: String) throws {
        let setting = try #require(Setting.named("client-output-buffer-limit"))
        var settings = Settings()
        #expect(throws: ValueError(message: message)) { try setting.write(&settings, words) }
    }

    @Test(
        "of notify-keyspace-events is a set of letters",
        arguments: [
            ("", ""), ("Ex", "xE"), ("KEA", "AKE"), ("xxE", "xE"), ("g", "g"), ("En$", "$nE"), ("Kex$g", "AK"),
            ("nKEA", "AnKE"), ("KExegn", "gxenKE"),
        ])
    func keyspaceLetters(value: String, canonical: String) throws {
        let setting = try #require(Setting.named("notify-keyspace-events"))
        var settings = Settings()
        try setting.write(&settings, [value])
        #expect(setting.read(settings) == canonical)
    }

    @Test(
        "that CONFIG GET shows is one that CONFIG SET takes, for every setting", arguments: Settings.table.map(\.name))
    func roundTrip(name: String) throws {
        let setting = try #require(Setting.named(name))
        var settings = Settings()
        try setting.write(
            &settings, setting.isList ? SettingsFile.words(of: setting.read(settings)) : [setting.read(settings)])
        #expect(settings == Settings())
    }
}

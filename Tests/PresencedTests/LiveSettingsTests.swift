import PresenceServer
import Synchronization
import Testing

@testable import presenced

@Suite("CONFIG")
struct LiveSettingsTests {
    /// Settings with a record of everything that was applied.
    private final class Applied: Sendable {
        let all = Mutex<[(settings: Settings, names: [String])]>([])
    }

    private let applied = Applied()
    private let live: LiveSettings

    init() {
        let applied = applied
        live = LiveSettings(Settings())
        live.attach { settings, names in applied.all.withLock { $0.append((settings, names)) } }
    }

    private func value(_ name: String) -> String? { live.get(matching: name).first?.value }

    @Test("GET matches names as globs, in any case")
    func get() {
        #expect(live.get(matching: "*").map(\.name) == Settings.table.map(\.name))
        #expect(live.get(matching: "HEARTBEAT-*").map(\.name) == ["heartbeat-interval", "heartbeat-hard-limit"])
        #expect(live.get(matching: "p?rt").map(\.value) == ["6399"])
        #expect(live.get(matching: "save").isEmpty)
    }

    @Test("GET spells Redis's settings as Redis does and ours with their unit")
    func spelling() {
        #expect(value("maxmemory") == "0")
        #expect(value("proto-max-bulk-len") == "536870912")
        #expect(value("timeout") == "0")
        #expect(value("tcp-keepalive") == "300")
        #expect(value("session-ttl") == "120s")
        #expect(value("protected-mode") == "yes")
        #expect(value("notify-keyspace-events") == "gxE")
        #expect(value("bind") == "127.0.0.1 -::1")
    }

    @Test("SET applies a change before it returns")
    func set() throws {
        try live.set([("session-ttl", "60"), ("Maxmemory", "64mb")])
        #expect(value("session-ttl") == "60s")
        #expect(value("maxmemory") == "67108864")
        let all = applied.all.withLock { $0 }
        #expect(all.count == 1)
        #expect(all[0].names == ["session-ttl", "maxmemory"])
        #expect(all[0].settings.sessionTTL == 60_000)
        #expect(all[0].settings.maxmemory == 64 << 20)
    }

    @Test("GET waits for no change: a transaction may ask while it holds what a change waits for")
    func getWhileApplied() throws {
        let seen = Mutex<[String?]>([])
        live.attach { [live] _, _ in
            seen.withLock { $0.append(live.get(matching: "session-ttl").first?.value) }
        }
        try live.set([("session-ttl", "60s")])
        #expect(seen.withLock { $0 } == ["120s"])
        #expect(value("session-ttl") == "60s")
    }

    @Test("SET of what is already so applies nothing")
    func unchanged() throws {
        try live.set([("session-ttl", "120s")])
        #expect(applied.all.withLock { $0.isEmpty })
    }

    @Test("SET of several pairs may break a rule between two settings on the way, not at the end")
    func together() throws {
        try live.set([("session-ttl", "400s"), ("heartbeat-hard-limit", "500s")])
        #expect(value("session-ttl") == "400s")
        #expect(throws: ConfigurationPortError.self) { try live.set([("heartbeat-hard-limit", "300s")]) }
        #expect(value("heartbeat-hard-limit") == "500s")
    }

    @Test("SET with one wrong pair changes nothing and names it")
    func atomic() {
        let cases: [([(String, String)], ConfigurationPortError)] = [
            ([("timeout", "5"), ("nope", "1")], .unknown(name: "nope")),
            ([("timeout", "5"), ("PORT", "7000")], .immutable(name: "port")),
            ([("timeout", "5"), ("timeout", "6")], .duplicate(name: "timeout")),
            (
                [("timeout", "5"), ("maxclients", "0")],
                .invalid(name: "maxclients", reason: "0 is out of bounds; allowed: 1 to 1000000")
            ),
            (
                [("timeout", "5"), ("idle-after", "2h")],
                .invalid(name: "idle-after", reason: "idle-after 2h is not below away-after 1800s")
            ),
            (
                [("timeout", "5"), ("client-output-buffer-limit", "pubsub 1mb \"")],
                .invalid(name: "client-output-buffer-limit", reason: "a quote is not closed")
            ),
        ]
        for (pairs, expected) in cases {
            #expect(throws: expected) { try live.set(pairs.map { (name: $0.0, value: $0.1) }) }
            #expect(value("timeout") == "0")
        }
        #expect(applied.all.withLock { $0.isEmpty })
    }

    @Test("SET takes exactly the settings that are marked live")
    func immutables() {
        for setting in Settings.table where !setting.isLive {
            #expect(throws: ConfigurationPortError.immutable(name: setting.name)) {
                try live.set([(setting.name, setting.read(Settings()))])
            }
        }
    }
}

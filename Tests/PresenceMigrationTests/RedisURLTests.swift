import Testing

@testable import PresenceMigration

@Suite("A server's URL")
struct RedisURLTests {
    @Test("has a host; the rest may be left out")
    func short() throws {
        let url = try RedisURL("redis://example.org", defaultPort: 6379)
        #expect((url.host, url.port, url.database) == ("example.org", 6379, 0))
        #expect((url.usesTLS, url.user, url.password) == (false, nil, nil))
        #expect("\(url)" == "redis://example.org:6379")
    }

    @Test("has user, password, port and database")
    func long() throws {
        let url = try RedisURL("rediss://ann:p%40ss%3Aword%25@[::1]:7000/3", defaultPort: 6379)
        #expect((url.host, url.port, url.database) == ("::1", 7000, 3))
        #expect((url.usesTLS, url.user, url.password) == (true, "ann", "p@ss:word%"))
        #expect("\(url)" == "rediss://[::1]:7000/3", "the password is not shown")
    }

    @Test("may have a password alone")
    func passwordAlone() throws {
        let url = try RedisURL("redis://:secret@h", defaultPort: 6399)
        #expect((url.user, url.password, url.port) == (nil, "secret", 6399))
    }

    @Test(
        "that is none is refused with the reason",
        arguments: [
            ("localhost:6379", "redis://"), ("http://localhost", "rediss://"), ("redis://", "no host"),
            ("redis://:6379", "no host"), ("redis://h:0", "port"), ("redis://h:65536", "port"), ("redis://h:x", "port"),
            ("redis://h/x", "number"), ("redis://h/-1", "number"), ("redis://::1", "brackets"), ("redis://[::1", "]"),
            ("redis://[::1]x", "port"), ("redis://:a%2@h", "hexadecimal"), ("redis://ann@h", "colon"),
            ("redis://h?db=1", "parameters"),
        ])
    func bad(_ text: String, _ reason: String) {
        let error = #expect(throws: MigrationError.self) { try RedisURL(text, defaultPort: 6379) }
        #expect(error?.description.contains(reason) == true, "\(error?.description ?? "")")
        #expect(error?.description.contains("redis://[user][:password]@host") == true)
    }

    @Test("is never shown with its password, even if it is wrong")
    func secret() {
        let error = #expect(throws: MigrationError.self) { try RedisURL("redis://:hunter2@h:x", defaultPort: 6379) }
        #expect(error?.description.contains("hunter2") == false)
    }
}

import ArgumentParser
import Foundation

/// How large, how long, how fast.
struct ScaleOptions: ParsableArguments {
    @Option(help: "Users online at once.")
    var users = 30_000_000
    @Option(help: "Seconds for which all of them are held, after loading.")
    var seconds = 600
    @Option(help: "Seconds between two heartbeats of a user; longer where the machine does not hold it.")
    var interval = 30
    @Option(help: "Seconds that a session lives after a heartbeat.")
    var ttl = 75
    @Option(help: "Users a second that stop beating.")
    var leaving = 1_000
    @Option(help: "Friends lists of 100 a second.")
    var lists = 20
    @Option(help: "Users of a storm; at most --users.")
    var storm = 1_000_000
    @Option(
        help:
            "Nice value of the threads that beat and connect: they yield the cores to the server, as clients on other machines would."
    )
    var nice = 10

    func validate() throws {
        try Bounds.check("--users", users, 1_000...1_000_000_000)
        try Bounds.check("--seconds", seconds, 5...86_400)
        try Bounds.check("--ttl", ttl, 10...99)
        try Bounds.check("--interval", interval, 1...49)
        try Bounds.check("--leaving", leaving, 1...1_000_000)
        try Bounds.check("--lists", lists, 1...1_000)
        try Bounds.check("--storm", storm, 1_000...4_000_000)
        try Bounds.check("--nice", nice, 0...19)
        guard interval * 2 < ttl else { throw ValidationError("--ttl is more than two of --interval") }
    }

    /// These, with as many users as the free memory has room for; says so if that is fewer.
    func fitted() -> ScaleOptions {
        // 120 B a user is the goal; the rest is room for what grows by doubling, and for others on this machine.
        let room = MachineMemory.available / 170
        guard users > room else { return self }
        var copy = self
        copy.users = room / 1_000 * 1_000
        Progress.say("scale: this machine has free memory for \(grouped(copy.users)) users, not \(grouped(users))")
        return copy
    }
}

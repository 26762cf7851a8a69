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
        guard (1_000...1_000_000_000).contains(users), seconds >= 5, interval >= 1, (10...99).contains(ttl),
            interval * 2 < ttl, leaving >= 1, (1...1_000).contains(lists), (1_000...4_000_000).contains(storm),
            (0...19).contains(nice)
        else {
            throw ValidationError(
                "1000 users, 5 seconds, a TTL of 10 to 99 seconds and more than two intervals, 1 to 1000 lists, a storm of 1000 to 4 million"
            )
        }
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

import Foundation
import PresenceCluster
import PresenceLinks
import PresenceStore

/// Follows a cluster and prints what its own copy says, until standard input ends:
///
///     follower CLUSTER NAME SECRET-FILE 'a resp 10.0.0.1:6399 peer 10.0.0.1:7399' 'cache number 9 peer 10.0.0.9:7399'
///
/// The last words are the `node` lines of the nodes' `cluster.conf`; NAME is the one of them that this process is.
@main struct FollowerExample {
    static func main() async throws {
        let words = CommandLine.arguments.dropFirst()
        guard words.count >= 5 else {
            print("usage: follower CLUSTER NAME SECRET-FILE 'NODE LINE' 'NODE LINE' ...")
            exit(2)
        }
        let (cluster, name, secretFile) = (words[1], words[2], words[3])
        let nodes = try words.dropFirst(3).enumerated().map { try ClusterNode($1, usualNumber: $0 + 1) }
        let secret = try String(contentsOfFile: secretFile, encoding: .utf8)

        let follower = try Follower(cluster: cluster, nodes: nodes, own: name, secret: secret)
        let store = follower.store
        try await follower.start()
        while !follower.isReady { try await Task.sleep(for: .milliseconds(10)) }

        // What is announced from here on: a service that says that it is ready misses nothing after that.
        let events = store.events()
        say("ready: \(store.statistics().presentUsers) online")
        let printing = Task {
            for await event in events {
                guard case .status(let change) = event else { continue }
                let user = String(decoding: change.userID, as: UTF8.self)
                say("\(user) is \(store.status(of: user)): \(change.old) to \(change.new), \(change.reason.word)")
                if change.new == .online { say(Self.pace(of: user, in: store)) }
            }
        }
        await Self.inputEnds()
        printing.cancel()
        await follower.stop()
        say("stopped")
    }

    /// How long it takes to read a status: no server is asked.
    private static func pace(of user: String, in store: some PresenceReading) -> String {
        let count = 100_000
        var online = 0
        let took = ContinuousClock().measure {
            for _ in 0..<count where store.status(of: user) == .online { online += 1 }
        }
        return "\(online) of \(count) reads said online, \(Int(took / .nanoseconds(count))) ns each"
    }

    /// Prints a line at once, also into a pipe.
    private static func say(_ line: String) { FileHandle.standardOutput.write(Data((line + "\n").utf8)) }

    private static func inputEnds() async {
        await Task.detached { while readLine() != nil {} }.value
    }
}

import Presence
import PresenceStore
import PresenceTesting

/// Leases of gateways, done to both.
extension ModelRun {
    private mutating func randomServer() -> Name {
        Name(stringLiteral: "server-\(Int.random(in: 0...4, using: &random))")
    }

    mutating func lease() throws(Difference) {
        let server = randomServer()
        let lifetime = Int64.random(in: 1...12_000, using: &random)
        note("lease \(server) for \(lifetime)")
        leaseEnds.insert(now.advanced(byMilliseconds: lifetime))
        let expected = model.lease(server, forMilliseconds: lifetime)
        for user in model.users(of: server) { touch(.presence, user) }
        var found = 0
        do throws(StoreError) {
            found = try store.lease(server.bytes.span, forMilliseconds: lifetime, at: now)
        } catch {
            throw difference("\(error)")
        }
        // Those who ended a moment ago may not have been seen yet.
        try agree(found >= expected, true, "\(found) sessions of a lease, \(expected) live")
    }

    mutating func drop() throws(Difference) {
        // Of a user who loses sessions to a lease's end and to a drop in the same millisecond the store tells one change, and the model two.
        guard !leaseEnds.contains(now) else { return }
        let server = randomServer()
        note("drop \(server)")
        for user in model.users(of: server) { touch(.presence, user) }
        let expected = model.drop(server)
        var found = 0
        do throws(StoreError) {
            found = try store.drop(server.bytes.span, at: now)
        } catch {
            throw difference("\(error)")
        }
        try agree(found >= expected, true, "\(found) sessions of a drop, \(expected) live")
    }
}

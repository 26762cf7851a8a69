import Presence
import PresenceTesting

/// What is true of every user: what one node would show that everybody reaches at once, and whose clock is right.
///
/// It is the slow model, one of each user, told of all that clients do at the instant at which a node takes it: so the ends of TTLs, graces and leases, who is
/// idle or away, and what was set by hand are as they are computed, by rules that no node shares. A sign of life that a node took of a session which is gone
/// by then (somebody ended it beyond a cut) opens it again: that node would have said so, and the client would have.
struct Truth {
    private var models: [String: SlowModel]

    init(users: [String], _ policy: Policy) {
        let model = SlowModel(at: Timestamp(milliseconds: 0), policy: policy)
        models = Dictionary(uniqueKeysWithValues: users.map { ($0, model) })
    }

    /// What is to be seen of a user at an instant, in milliseconds of simulated time.
    mutating func status(of user: String, at milliseconds: Int64) -> Status {
        tell(user, milliseconds) { $0.status(of: Truth.name(user)) } ?? .offline
    }

    mutating func open(_ client: Workload.Client, server: String, at milliseconds: Int64) {
        _ = tell(client.user, milliseconds) { model in
            model.connect(
                Truth.name(client.user), session: Truth.name(client.session), server: Truth.name(server),
                ttlMilliseconds: Workload.ttl, isPassive: client.isPassive)
        }
    }

    /// A sign of life: a heartbeat, or that its gateway has it and keeps it by a lease.
    mutating func sign(
        _ client: Workload.Client, server: String, isActive: Bool, isLeased: Bool = false, at milliseconds: Int64
    ) {
        let (user, session) = (Truth.name(client.user), Truth.name(client.session))
        let isKnown = tell(client.user, milliseconds) { model in
            isLeased
                ? model.liveSessions(of: user).contains(session)
                : model.beat(user, session: session, isActive: isActive)
        }
        guard isKnown == false else { return }
        open(client, server: server, at: milliseconds)
        if isActive { _ = tell(client.user, milliseconds) { $0.beat(user, session: session, isActive: true) } }
    }

    mutating func close(_ client: Workload.Client, reason: Reason, at milliseconds: Int64) {
        _ = tell(client.user, milliseconds) {
            $0.disconnect(Truth.name(client.user), session: Truth.name(client.session), reason: reason)
        }
    }

    mutating func set(_ user: String, _ status: ManualStatus?, at milliseconds: Int64) {
        _ = tell(user, milliseconds) { $0.setManual(Truth.name(user), status) }
    }

    mutating func remove(_ user: String, at milliseconds: Int64) {
        _ = tell(user, milliseconds) { $0.remove(user: Truth.name(user)) }
    }

    mutating func removeAll(at milliseconds: Int64) { tellAll(milliseconds) { $0.removeAll() } }

    mutating func lease(_ server: String, at milliseconds: Int64) {
        tellAll(milliseconds) { $0.lease(Truth.name(server), forMilliseconds: Workload.lease) }
    }

    mutating func drop(_ server: String, at milliseconds: Int64) {
        tellAll(milliseconds) { $0.drop(Truth.name(server)) }
    }

    private static func name(_ text: String) -> SlowModel.Name { SlowModel.Name(Array(text.utf8)) }

    private mutating func tell<Result>(
        _ user: String, _ milliseconds: Int64, _ body: (inout SlowModel) -> Result
    ) -> Result? {
        guard let place = models.index(forKey: user) else { return nil }
        models.values[place].advance(to: Timestamp(milliseconds: milliseconds))
        // Nobody reads these, and they would be kept.
        _ = models.values[place].takeEvents()
        return body(&models.values[place])
    }

    private mutating func tellAll(_ milliseconds: Int64, _ body: (inout SlowModel) -> Void) {
        for user in models.keys.sorted() { _ = tell(user, milliseconds, body) }
    }
}

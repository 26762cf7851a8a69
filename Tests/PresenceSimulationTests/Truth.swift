import Presence
import PresenceTesting

/// What is true of every user: what one node would show that everybody reaches at once, and whose clock is right.
///
/// It is the slow model, one of each user, told of all that clients do at the instant at which a node takes it: so the ends of TTLs, graces and leases, who is
/// idle or away, and what was set by hand are as they are computed, by rules that no node shares. A sign of life that a node took of a session which is gone
/// by then (somebody ended it beyond a cut) opens it again: that node would have said so, and the client would have. But for one that was ended elsewhere just
/// before: the word of it is under way, no node says so, and the client finds out with his next sign of life. And nobody ends what he has not heard of: a session
/// that was opened elsewhere while a `DEL` was on its way, or just before, lives.
struct Truth {
    /// For so long an end is under way to nodes that are linked, in milliseconds: a link's delay, and what nodes do in turns.
    private static let underWay: Int64 = 50

    private var models: [String: SlowModel]
    /// When all sessions of a user were ended last.
    private var ends: [String: Int64] = [:]

    init(users: [String], _ policy: Policy) {
        let model = SlowModel(at: Timestamp(milliseconds: 0), policy: policy)
        models = Dictionary(uniqueKeysWithValues: users.map { ($0, model) })
    }

    /// What is to be seen of a user at an instant, in milliseconds of simulated time.
    mutating func status(of user: String, at milliseconds: Int64) -> Status {
        guard let place = models.index(forKey: user) else { return .offline }
        models.values[place].goOn(to: milliseconds)
        return models.values[place].status(of: SlowModel.Name(user))
    }

    mutating func take(_ deed: Deed) {
        for user in deed.user.map({ [$0] }) ?? models.keys.sorted() {
            guard let place = models.index(forKey: user) else { continue }
            let lastEnd = ends[user] ?? .min / 2
            models.values[place].take(deed, of: user, opensAgain: deed.at - lastEnd > Truth.underWay)
            switch deed.kind {
            case .remove, .removeAll: ends[user] = deed.at
            default: break
            }
        }
    }
}

extension SlowModel {
    /// Time goes on to an instant, in milliseconds of simulated time.
    mutating func goOn(to milliseconds: Int64) {
        advance(to: Timestamp(milliseconds: milliseconds))
        // Nobody reads these, and they would be kept.
        _ = takeEvents()
    }

    /// What somebody did happens to a user.
    ///
    /// - Parameter opensAgain: whether a sign of life of a session that is over opens it.
    mutating func take(_ deed: Deed, of user: String, opensAgain: Bool = true) {
        goOn(to: deed.at)
        let name = Name(user)
        switch deed.kind {
        case .open(let client, let server): open(client, server)
        case .sign(let client, let server, let isActive, let isLeased):
            let session = Name(client.session)
            let isKnown =
                isLeased
                ? liveSessions(of: name).contains(session) : beat(name, session: session, isActive: isActive)
            guard !isKnown, opensAgain else { return }
            open(client, server)
            if isActive { beat(name, session: session, isActive: true) }
        case .close(let client, let reason): disconnect(name, session: Name(client.session), reason: reason)
        case .set(let status): setManual(name, status)
        case .remove(let unheard):
            let live = liveSessions(of: name)
            let heard = live.subtracting(unheard.map { Name($0) })
            guard heard != live else { return _ = remove(user: name) }
            for session in heard { disconnect(name, session: session, reason: .deleted) }
        case .removeAll: removeAll()
        case .lease(let server): lease(Name(server), forMilliseconds: Workload.lease)
        case .drop(let server): drop(Name(server))
        }
    }

    private mutating func open(_ client: Workload.Client, _ server: String) {
        connect(
            Name(client.user), session: Name(client.session), server: Name(server), ttlMilliseconds: Workload.ttl,
            isPassive: client.isPassive)
    }
}

extension SlowModel.Name {
    init(_ text: String) { self.init(Array(text.utf8)) }
}

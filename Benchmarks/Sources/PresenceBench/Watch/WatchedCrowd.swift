import PresenceTesting

/// Who watches whom, and who changes when: by numbers, the same in every run.
///
/// The friends of a viewer follow each other in name; users change one after the other in an order that has nothing to do with it, over and over.
struct WatchedCrowd {
    /// What users are set to, a round after the other.
    static let statuses = ["dnd", "away", "idle"]

    let users: Int
    let viewers: Int
    /// Users on each viewer's list, at most all.
    let friends: Int
    /// What is added to a user's number for his name.
    private let first: Int
    /// Who changes at each place of a round, and the place of each.
    private let order: [Int]
    private let places: [Int]

    init(users: Int, viewers: Int, friends: Int, first: Int = 0) {
        self.users = users
        self.viewers = viewers
        self.friends = friends
        self.first = first
        var random = SeededRandom(seed: 1)
        order = (0..<users).shuffled(using: &random)
        var places = Array(repeating: 0, count: users)
        for (place, user) in order.enumerated() { places[user] = place }
        self.places = places
    }

    // MARK: Lists

    /// A user on the list of a viewer.
    func friend(_ index: Int, of viewer: Int) -> Int { (viewer * friends + index) % users }

    /// At which place of the viewer's list a user is; nil if he is not on it.
    func index(of user: Int, for viewer: Int) -> Int? {
        guard (0..<users).contains(user), (0..<viewers).contains(viewer) else { return nil }
        let index = (user - viewer * friends % users + users) % users
        return index < friends ? index : nil
    }

    /// The viewer, and the place on his list, that names in a frame stand for; nil if the user is not on the list, or nobody has one.
    func place(ofUser user: Int, forViewer viewer: Int) -> (viewer: Int, index: Int)? {
        let viewer = viewer - first - users
        return index(of: user - first, for: viewer).map { (viewer, $0) }
    }

    func key(_ user: Int) -> String { Heartbeat.key(Heartbeat.name(first + user)) }

    /// The name of a viewer: none of the users'.
    func viewerName(_ viewer: Int) -> String { Heartbeat.name(first + users + viewer) }

    // MARK: Changes

    /// Whom a change is of, and to which of the statuses.
    func change(_ number: Int) -> (user: Int, status: Int) {
        (order[number % users], number / users % WatchedCrowd.statuses.count)
    }

    /// The latest of the first `count` changes that set this user to this status; nil if there is none.
    func latestChange(of user: Int, to status: Int, among count: Int) -> Int? {
        guard let round = latestRound(of: user, among: count) else { return nil }
        let cycle = WatchedCrowd.statuses.count
        let back = (round - status % cycle + cycle) % cycle
        return round >= back ? places[user] + (round - back) * users : nil
    }

    /// How many of the first `count` changes are of this user, less one; nil if none is.
    func latestRound(of user: Int, among count: Int) -> Int? {
        count > places[user] ? (count - 1 - places[user]) / users : nil
    }
}

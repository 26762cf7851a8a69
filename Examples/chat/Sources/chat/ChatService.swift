import PresenceStore

/// A chat's presence: what its connections tell, and what its people set.
final class ChatService: Sendable {
    let store: ShardedStore
    private let ticker: Ticker
    private let enemies: Enemies

    init(enemies: Enemies = Enemies()) {
        self.enemies = enemies
        var configuration = ShardedStore.Configuration()
        configuration.sessionTTLMilliseconds = 90_000
        configuration.viewFilter = { target, viewer in enemies.areEnemies(target, viewer) }
        store = ShardedStore(configuration)
        ticker = Ticker(store)
    }

    // MARK: Connections

    /// A device of a person came.
    func connected(_ person: String, _ connection: String, device: String) throws {
        try store.connect(person, session: connection, device: device)
    }

    /// What a device says every 30 s: that it is alive, and whether somebody typed or clicked since.
    func heartbeat(_ person: String, _ connection: String, hasActed: Bool) throws {
        if !store.beat(person, session: connection, isActive: hasActed) {
            // It was silent for too long, or this process began anew: a beat opens nothing, connecting does.
            try store.connect(person, session: connection)
        }
    }

    /// A device said goodbye, or its connection broke: a loss is announced only if it lasts.
    func closed(_ person: String, _ connection: String, isBroken: Bool) {
        store.disconnect(person, session: connection, reason: isBroken ? .heartbeatTimeout : .wsDisconnect)
    }

    // MARK: What people set

    /// Do not disturb, for a time and with a reason that others may read.
    func doNotDisturb(_ person: String, for milliseconds: Int64, _ reason: String) throws {
        let end = store.clock.now().advanced(byMilliseconds: milliseconds)
        try store.set(person, UserSettings(status: .dnd, activity: Array(reason.utf8), until: end))
    }

    /// Only friends may see that this person is here, and nobody when he was last seen.
    func showToFriendsOnly(_ person: String) throws {
        try store.set(person, UserSettings(visibility: .friends, lastSeen: .nobody))
    }

    /// The game's word on two players. Those who watch them look again.
    func setEnemies(_ one: String, _ other: String, _ areEnemies: Bool) {
        enemies.set(one, other, areEnemies)
        for player in [one, other] { store.viewsChanged(of: player.utf8.span) }
    }
}

import ArgumentParser

/// Work that a server is loaded with: what is asked, and what must be answered.
enum LoadWorkload: String, CaseIterable, ExpressibleByArgument {
    case heartbeat, active, get, set
    case presenceGet = "presence-get"
    case friendsList = "friends-list"
    case connectStorm = "connect-storm"
    case fanOut = "fan-out"
    case expiry, mixed, view
    case connectKnown = "connect-known"

    /// What is done when nothing is named: what takes as long as it is asked to.
    static let usual: [LoadWorkload] = [.heartbeat, .active, .get, .set, .presenceGet, .friendsList]

    /// Bytes of a string value, about those of the source document's record.
    static let valueBytes = 250
    /// Neighbours have other values, so that a reply to another command is a wrong one.
    static let values = 250
    /// The value of the string with that number.
    static func value(_ number: Int) -> String {
        let mark = "value \(number % values) "
        return mark + String(repeating: "x", count: valueBytes - mark.utf8.count)
    }
    /// Friends of one list.
    static let friends = 100

    /// How a server can do this work: in several ways where there is no command for it.
    func ways(of traits: ServerTraits) -> [LoadWay] {
        // The floor answers all commands alike: only what is answered so is comparable.
        if traits.isFloor { return self == .heartbeat ? [.heartbeat(.beat)] : [] }
        let isPresenced = traits.isPresenced
        return switch self {
        case .heartbeat: Heartbeat.all(of: traits).map { .heartbeat($0) }
        // A new TTL alone would not say that somebody was active.
        case .active:
            isPresenced ? [.active] : Heartbeat.all(of: traits).filter { $0 != .expire }.map { .heartbeat($0) }
        case .get: [.get]
        case .set: [.set]
        case .presenceGet: isPresenced ? [.presenceGet] : [.get]
        case .friendsList: isPresenced ? [.presenceList] : [.list]
        case .connectStorm: StormWork.all(of: traits).map { .storm($0) }
        case .fanOut: isPresenced ? [.fanOut(.message), .fanOut(.event)] : [.fanOut(.message)]
        case .expiry: [.expiry]
        case .mixed: [.mixed]
        // Its own MGET comes first: the others are held against it.
        case .view: isPresenced ? [.list, .presenceList, .view(.strangers), .view(.related)] : [.list]
        case .connectKnown: isPresenced ? KnownWork.allCases.map { .known($0) } : []
        }
    }

    /// Whether its commands go out over all connections: then it can be done at a rate, in pipelines and by several processes.
    var isLoop: Bool { whyAlone == nil }

    /// Why it cannot be divided among processes, nor sent at a rate or in other pipelines; nil if it can.
    var whyAlone: String? {
        switch self {
        case .fanOut: "one publishes, and sends the next messages when all subscribers have all"
        case .expiry: "one hears all ends, and holds each against when it connected him"
        case .connectKnown: "all come, and when every watcher was told all go"
        default: nil
        }
    }
}

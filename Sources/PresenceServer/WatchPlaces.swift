import Presence

/// Where the lists of viewers are told, and a queue of those that nobody listens to, in the order in which they were last listened to or asked for.
///
/// A list is in the queue once, however often it is asked for. Coming, going and looking at the first of the queue are O(1).
struct WatchPlaces<List> {
    /// One viewer's list.
    struct Place {
        let viewer: [UInt8]
        let list: List
        /// The event loop that tells it: that of a subscriber, if there is one.
        var home: Int
        /// Since when nobody is subscribed; nil while somebody is.
        fileprivate(set) var idleSince: Timestamp?
        /// Its neighbours in the queue; -1 for none.
        fileprivate var before = -1
        fileprivate var after = -1
    }

    private var places: [Place?] = []
    private var vacant: [Int] = []
    private var numbers: [[UInt8]: Int] = [:]
    private var first = -1
    private var last = -1
    /// How many lists nobody listens to.
    private(set) var idleCount = 0

    var count: Int { numbers.count }

    /// The place of a viewer's list, if he has one.
    subscript(viewer: [UInt8]) -> Place? { numbers[viewer].flatMap { places[$0] } }

    /// The list that nobody has listened to for longest.
    var firstIdle: Place? { first == -1 ? nil : places[first] }

    /// Remembers a list as one that nobody listens to since `now`, in place of any other of that viewer.
    mutating func put(_ list: List, of viewer: [UInt8], home: Int, at now: Timestamp) {
        remove(viewer)
        let number = vacant.popLast() ?? places.count
        if number == places.count { places.append(nil) }
        places[number] = Place(viewer: viewer, list: list, home: home)
        numbers[viewer] = number
        enqueue(number, now)
    }

    /// Nobody listens to a viewer's list since `now`: it is the last of the queue.
    mutating func setIdle(_ viewer: [UInt8], at now: Timestamp) {
        guard let number = numbers[viewer] else { return }
        dequeue(number)
        enqueue(number, now)
    }

    /// Somebody listens to a viewer's list.
    mutating func setListened(_ viewer: [UInt8]) {
        if let number = numbers[viewer] { dequeue(number) }
    }

    /// Another event loop tells a viewer's list.
    mutating func move(_ viewer: [UInt8], to home: Int) {
        if let number = numbers[viewer] { places[number]?.home = home }
    }

    /// Forgets a viewer's list, and returns it.
    @discardableResult
    mutating func remove(_ viewer: [UInt8]) -> List? {
        guard let number = numbers.removeValue(forKey: viewer) else { return nil }
        dequeue(number)
        let list = places[number]?.list
        places[number] = nil
        vacant.append(number)
        return list
    }

    // MARK: Queue

    private mutating func enqueue(_ number: Int, _ now: Timestamp) {
        places[number]?.idleSince = now
        places[number]?.before = last
        places[number]?.after = -1
        if last == -1 { first = number } else { places[last]?.after = number }
        last = number
        idleCount += 1
    }

    private mutating func dequeue(_ number: Int) {
        guard let place = places[number], place.idleSince != nil else { return }
        if place.before == -1 { first = place.after } else { places[place.before]?.after = place.after }
        if place.after == -1 { last = place.before } else { places[place.after]?.before = place.before }
        places[number]?.idleSince = nil
        idleCount -= 1
    }
}

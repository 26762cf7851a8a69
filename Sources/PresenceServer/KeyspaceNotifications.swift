import PresenceStore

/// The letters of `notify-keyspace-events`: on which channels, and which events. Redis's, where there is something to tell.
public struct KeyspaceNotifications: OptionSet, Sendable {
    /// One bit for each letter.
    public let rawValue: UInt8

    /// The set with these bits.
    public init(rawValue: UInt8) { self.rawValue = rawValue }

    /// `K`: messages on `__keyspace@0__:<key>`.
    public static let keyspace = KeyspaceNotifications(rawValue: 1)
    /// `E`: messages on `__keyevent@0__:<event>`.
    public static let keyevent = KeyspaceNotifications(rawValue: 2)
    /// `g`: `del`, `expire`, `persist`.
    public static let generic = KeyspaceNotifications(rawValue: 4)
    /// `x`: `expired`.
    public static let expired = KeyspaceNotifications(rawValue: 8)
    /// `$`: `set`, `incrby`, `append`.
    public static let string = KeyspaceNotifications(rawValue: 16)
    /// `e`: `evicted`.
    public static let evicted = KeyspaceNotifications(rawValue: 32)
    /// `n`: `new`. Not part of `A`.
    public static let new = KeyspaceNotifications(rawValue: 64)
    /// `A`: all events that existed before `n` did.
    public static let all: KeyspaceNotifications = [.generic, .string, .expired, .evicted]

    /// The letters of single events, in the order in which Redis prints them.
    private static let events: [(letter: Character, event: KeyspaceNotifications)] = [
        ("g", .generic), ("$", .string), ("x", .expired), ("e", .evicted), ("n", .new),
    ]
    /// The letters of channels, in that order.
    private static let channels: [(letter: Character, event: KeyspaceNotifications)] = [
        ("K", .keyspace), ("E", .keyevent),
    ]

    /// Why letters cannot be read.
    public struct UnknownLetter: Error, Equatable {
        /// Redis's text, with the letters that mean something here.
        public let message = "Invalid event class character. Use 'Ag$xeKEn'."
    }

    /// The set that these letters name, in any order; no letter is no notification.
    ///
    /// - Throws: ``UnknownLetter``, also for Redis's letters of types that are not served here: `l s h z t d m`.
    public init(letters: String) throws(UnknownLetter) {
        var set: KeyspaceNotifications = []
        for letter in letters {
            if letter == "A" {
                set.formUnion(.all)
            } else if let known = (Self.events + Self.channels).first(where: { $0.letter == letter }) {
                set.formUnion(known.event)
            } else {
                throw UnknownLetter()
            }
        }
        self = set
    }

    /// The letters as Redis orders them: `A` for all that it stands for, then `n`, then the channels. Redis prints no `n` behind an `A`, and
    /// so forgets it when it rewrites its file.
    public var letters: String {
        var text = ""
        if isSuperset(of: .all) { text = contains(.new) ? "An" : "A" } else { text = spell(Self.events) }
        return text + spell(Self.channels)
    }

    private func spell(_ letters: [(letter: Character, event: KeyspaceNotifications)]) -> String {
        String(letters.filter { contains($0.event) }.map(\.letter))
    }

    /// The events that the store must record for these letters: none without a channel to publish them on.
    var interest: KeyspaceEvents {
        guard contains(.keyspace) || contains(.keyevent) else { return [] }
        var events: KeyspaceEvents = []
        if contains(.generic) { events.insert(.generic) }
        if contains(.string) { events.insert(.string) }
        if contains(.expired) { events.insert(.expired) }
        if contains(.evicted) { events.insert(.evicted) }
        if contains(.new) { events.insert(.new) }
        return events
    }
}

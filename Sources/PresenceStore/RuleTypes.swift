import Presence

// The rules' types that the store's operations take and return, so that who embeds the store imports it alone.

/// What others see of a user.
public typealias Status = Presence.Status
/// What a user set by hand.
public typealias ManualStatus = Presence.ManualStatus
/// What a session brings with it.
public typealias SessionStatus = Presence.SessionStatus
/// Why a status changed.
public typealias Reason = Presence.Reason
/// One change of what services see of a user.
public typealias StatusChange = Presence.StatusChange
/// The settings that the rules depend on.
public typealias Policy = Presence.Policy
/// An instant, in milliseconds since 1970.
public typealias Timestamp = Presence.Timestamp
/// The place of a write in the order of all writes; an event's version.
public typealias Stamp = Presence.Stamp
/// Who may see that a user is here.
public typealias Visibility = Presence.Visibility
/// Who may see when a user was last seen.
public typealias LastSeenVisibility = Presence.LastSeenVisibility
/// What a viewer may read of when a user was last seen.
public typealias LastSeen = Presence.LastSeen
/// How long ago somebody was seen, to those who may know no more.
public typealias CoarseLastSeen = Presence.CoarseLastSeen
/// Why a viewer sees what he sees.
public typealias ViewRule = Presence.ViewRule
/// One user as one viewer sees him.
public typealias ViewRow = Presence.ViewRow
/// One change of a user's activity text.
public typealias ActivityChange = Presence.ActivityChange

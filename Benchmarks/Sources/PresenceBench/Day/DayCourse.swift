/// The course of a day of presence: how many are there, and what they do, by the fraction (0...1) of the day's commands that have been sent.
///
/// It counts in commands and not in seconds: the day is the same work on every server, and a slow one takes longer for it.
enum DayCourse {
    /// A part of the day that is told by itself.
    enum Phase: String, CaseIterable {
        /// People come.
        case morning
        /// Those who are there live on; some go, others come in their place.
        case day
        /// People go, all of them.
        case evening

        /// The fraction of the day at which it is over.
        var end: Double {
            switch self {
            case .morning: 0.3
            case .day: 0.7
            case .evening: 1
            }
        }
    }

    /// The share of all users who are there by day.
    static let peak = 0.8

    /// The share of all users who are there: none, then a rise that begins and ends gently, as many for the day, and a fall like the rise.
    static func online(at fraction: Double) -> Double {
        switch phase(at: fraction) {
        case .morning: peak * gentle(fraction / Phase.morning.end)
        case .day: peak
        case .evening: peak * (1 - gentle((fraction - Phase.day.end) / (1 - Phase.day.end)))
        }
    }

    static func phase(at fraction: Double) -> Phase {
        Phase.allCases.first { fraction < $0.end } ?? .evening
    }

    /// From 0 to 1 and level at both ends.
    private static func gentle(_ part: Double) -> Double {
        let part = min(1, max(0, part))
        return part * part * (3 - 2 * part)
    }

    /// What those do who are there: how many of a thousand commands are which, beside the connects and ends that the curve asks for.
    struct Shares: Equatable {
        var beats: Int
        /// Beats with activity.
        var active: Int
        /// Friends lists.
        var lists: Int
        /// Single records.
        var records: Int
        /// Changes of status by hand.
        var changes: Int
        /// Ends of somebody in whose place another comes.
        var ends: Int

        static let whole = 1_000

        var sum: Int { beats + active + lists + records + changes + ends }
    }

    /// In the morning people look who is there, by day they act, in the evening their devices do little more than beat.
    static func shares(at fraction: Double) -> Shares {
        switch phase(at: fraction) {
        case .morning: Shares(beats: 620, active: 90, lists: 170, records: 80, changes: 30, ends: 10)
        case .day: Shares(beats: 690, active: 100, lists: 80, records: 60, changes: 40, ends: 30)
        case .evening: Shares(beats: 790, active: 50, lists: 70, records: 60, changes: 20, ends: 10)
        }
    }

    /// Of so many ends one is a loss: nothing is said, and the session runs out.
    static let endsALoss = 5

    /// The least number of commands a user that a day has: with fewer, the curve is steeper than one coming or going a command.
    static let leastCommandsAUser = 8
    private static let commandsASecond = 500_000.0

    /// How many commands a day has: as many as are due in `seconds` with a rate, otherwise half a million for each of them, and at least so many that the curve can be followed.
    static func length(users: Int, seconds: Double, rate: Double?) -> Int {
        guard let rate else { return max(Int(commandsASecond * seconds), leastCommandsAUser * users) }
        return Int(rate * seconds)
    }

    /// What the rows of the table are.
    static func note(users: Int, length: Int) -> String {
        let parts = Phase.allCases.map { phase in
            "\(phase.rawValue) to command \(grouped(Int(phase.end * Double(length)))), then \(grouped(Int((online(at: phase.end) * Double(users)).rounded()))) are online"
        }
        return
            "*mixed*: a day of \(grouped(length)) commands: \(parts.joined(separator: "; ")). One in \(endsALoss) ends is a loss. Two watched, and heard every change."
    }
}

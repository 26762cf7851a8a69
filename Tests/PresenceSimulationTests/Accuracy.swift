import Presence

/// How much of the time of users was shown wrong: at every node, of every user, against what is true.
///
/// Left out is only what nobody is shown: a node that is down or stopped answers nobody, and one that has not copied yet says so, so that clients are sent to
/// others.
struct Accuracy {
    /// Why a node shows otherwise than it is.
    enum Cause {
        /// It cannot know better.
        case unknown(String)
        /// It waits for those who may, as it should.
        case awaited(String)
        /// Neither.
        case known
    }

    /// User-milliseconds in all, those that were looked at, and those at which a node showed otherwise than it was.
    private(set) var all: Int64 = 0
    private(set) var looked: Int64 = 0
    private(set) var wrong: Int64 = 0
    /// Those shown wrong by who could not know better, and by who waited for the word of others.
    private(set) var unknown: Int64 = 0
    private(set) var awaited: Int64 = 0
    /// Those shown wrong, by what was the matter.
    private(set) var causes: [String: Int64] = [:]
    /// Since when a node shows a user otherwise than he is, in milliseconds, and what he is.
    private var since: [Int: (at: Int64, status: Status)] = [:]

    /// The share of time that was shown wrong.
    var share: Double { share(wrong) }
    /// The same without what the node could not know.
    var knownShare: Double { share(wrong - unknown) }
    /// The same of what it could know and waited for nobody with.
    var inexcusableShare: Double { share(wrong - unknown - awaited) }

    private func share(_ part: Int64) -> Double { looked == 0 ? 0 : Double(part) / Double(looked) }

    mutating func leaveOut(_ elapsed: Int64) { all += elapsed }

    /// Takes down what a node shows of a user.
    ///
    /// - Parameters:
    ///   - place: a number of the node and the user.
    ///   - cause: why it shows otherwise.
    ///   - matter: what is the matter with the node.
    /// - Returns: for how long it has shown otherwise than this, in milliseconds; 0 if it is right. Another change begins anew: each is waited for.
    mutating func look(
        _ shown: Status, true status: Status, at place: Int, _ elapsed: Int64, _ now: Int64,
        _ cause: @autoclosure () -> Cause, _ matter: @autoclosure () -> String
    ) -> Int64 {
        all += elapsed
        looked += elapsed
        guard shown != status else {
            since[place] = nil
            return 0
        }
        wrong += elapsed
        causes["\(take(cause(), elapsed) ?? matter()): \(Accuracy.kind(shown, status))", default: 0] += elapsed
        if let begin = since[place], begin.status == status { return now - begin.at }
        since[place] = (now, status)
        return 0
    }

    /// Counts time that was shown wrong for a reason, and says it.
    private mutating func take(_ cause: Cause, _ elapsed: Int64) -> String? {
        switch cause {
        case .unknown(let reason):
            unknown += elapsed
            return "cannot know (\(reason))"
        case .awaited(let reason):
            awaited += elapsed
            return "waits (\(reason))"
        case .known: return nil
        }
    }

    private static func kind(_ shown: Status, _ status: Status) -> String {
        if shown == .offline { return "here, and shown offline" }
        return status == .offline ? "gone, and shown" : "another status"
    }

    mutating func add(_ other: Accuracy) {
        all += other.all
        looked += other.looked
        wrong += other.wrong
        unknown += other.unknown
        awaited += other.awaited
        causes.merge(other.causes, uniquingKeysWith: +)
    }

    /// In words.
    var report: String {
        func percent(_ part: Int64, of whole: Int64) -> String {
            let hundredths = whole == 0 ? 0 : (part * 10_000 + whole / 2) / whole
            return "\(hundredths / 100).\(hundredths % 100 < 10 ? "0" : "")\(hundredths % 100) %"
        }
        let parts = causes.sorted { ($0.value, $1.key) > ($1.value, $0.key) }
            .map { "\n  \(percent($0.value, of: wrong)) \($0.key)" }
        return "of \(all / 1_000) user-seconds \(percent(looked, of: all)) were looked at; of these "
            + "\(percent(wrong, of: looked)) were shown wrong\(parts.joined())"
    }
}

import Presence

/// How much of the time of users was shown wrong: at every node, of every user, against what is true.
///
/// Left out is only what nobody is shown: a node that is down or stopped answers nobody, and one that has not copied yet says so, so that clients are sent to
/// others.
struct Accuracy {
    /// User-milliseconds in all, those that were looked at, and those at which a node showed otherwise than it was.
    private(set) var all: Int64 = 0
    private(set) var looked: Int64 = 0
    private(set) var wrong: Int64 = 0
    /// Those shown wrong, by what was the matter.
    private(set) var causes: [String: Int64] = [:]
    /// Since when a node shows a user otherwise than he is, in milliseconds, and what he is.
    private var since: [Int: (at: Int64, status: Status)] = [:]

    /// The share of time that was shown wrong.
    var share: Double { looked == 0 ? 0 : Double(wrong) / Double(looked) }

    mutating func leaveOut(_ elapsed: Int64) { all += elapsed }

    /// Takes down what a node shows of a user.
    ///
    /// - Parameters:
    ///   - place: a number of the node and the user.
    ///   - cause: what is the matter with the node.
    /// - Returns: for how long it has shown otherwise than this, in milliseconds; 0 if it is right. Another change begins anew: each is waited for.
    mutating func look(
        _ shown: Status, true status: Status, at place: Int, _ elapsed: Int64, _ now: Int64,
        _ cause: @autoclosure () -> String
    ) -> Int64 {
        all += elapsed
        looked += elapsed
        guard shown != status else {
            since[place] = nil
            return 0
        }
        wrong += elapsed
        causes["\(cause()): \(Accuracy.kind(shown, status))", default: 0] += elapsed
        if let begin = since[place], begin.status == status { return now - begin.at }
        since[place] = (now, status)
        return 0
    }

    private static func kind(_ shown: Status, _ status: Status) -> String {
        if shown == .offline { return "here, and shown offline" }
        return status == .offline ? "gone, and shown" : "another status"
    }

    mutating func add(_ other: Accuracy) {
        all += other.all
        looked += other.looked
        wrong += other.wrong
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

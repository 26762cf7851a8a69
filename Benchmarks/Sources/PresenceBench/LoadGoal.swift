/// What presenced is to cost at most in one work, as the share of what the better of the others costs.
///
/// The shares are those of the project's design; `docs/BENCHMARKS.md` tells which are held.
struct LoadGoal {
    /// Whether it is held.
    struct Verdict: Equatable {
        var share: Double
        var isHeld: Bool

        var text: String { fixed(share, 2) + (isHeld ? " yes" : " no") }
    }

    /// At most this share.
    let share: Double
    /// Of their way with that name; nil: of any, where they have one.
    let way: String?

    private init(_ share: Double, of way: Heartbeat? = nil) {
        self.share = share
        self.way = way?.name
    }

    func verdict(_ measured: Double) -> Verdict {
        // As it is shown: to two places.
        Verdict(share: share, isHeld: Double(fixed(measured, 2)) ?? measured <= share)
    }

    /// The goals of a way of a work; none where there is none.
    static func all(of work: String, way: String, _ conditions: LoadConditions) -> [LoadGoal] {
        guard let work = LoadWorkload(rawValue: work), let pipeline = conditions.pipeline else { return [] }
        return switch (work, pipeline) {
        case (.heartbeat, 1): [LoadGoal(1.0, of: .script)]
        case (.heartbeat, 16): [LoadGoal(0.85, of: .expire), LoadGoal(0.22, of: .script)]
        case (.heartbeat, 100): [LoadGoal(0.4, of: .expire), LoadGoal(0.08, of: .script)]
        case (.get, 1): [LoadGoal(1.15)]
        case (.get, 16): [LoadGoal(0.8)]
        case (.get, 64): [LoadGoal(0.5)]
        case (.set, 16): [LoadGoal(0.75)]
        case (.set, 64): [LoadGoal(0.5)]
        case (.presenceGet, 16): [LoadGoal(1.0)]
        case (.friendsList, 1), (.friendsList, 16), (.friendsList, 64): [LoadGoal(0.25)]
        // The same text there and here, to a thousand.
        case (.fanOut, 16) where conditions.subscribers == 1_000 && way == FanOutWork.message.name: [LoadGoal(0.5)]
        default: []
        }
    }
}

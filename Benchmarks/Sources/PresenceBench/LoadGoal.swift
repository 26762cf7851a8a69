/// What presenced is to cost at most in one work, as the share of what the better of the others costs.
///
/// The shares are those of the project's design; `docs/BENCHMARKS.md` tells which are held.
struct LoadGoal {
    /// At most this share.
    let share: Double
    /// Of their way with that name; nil: of the better of all their ways.
    let way: String?

    private init(_ share: Double, of way: Heartbeat? = nil) {
        self.share = share
        self.way = way?.name
    }

    /// The goals of a work with so many commands a write; none where there is none.
    static func all(of work: String, pipeline: Int?) -> [LoadGoal] {
        guard let work = LoadWorkload(rawValue: work), let pipeline else { return [] }
        return switch (work, pipeline) {
        case (.heartbeat, 1): [LoadGoal(1.0, of: .script)]
        case (.heartbeat, 16): [LoadGoal(0.22, of: .script), LoadGoal(0.85, of: .expire)]
        case (.heartbeat, 100): [LoadGoal(0.08, of: .script), LoadGoal(0.4, of: .expire)]
        case (.get, 1): [LoadGoal(1.15)]
        case (.get, 16): [LoadGoal(0.8)]
        case (.get, 64): [LoadGoal(0.5)]
        case (.set, 16): [LoadGoal(0.75)]
        case (.set, 64): [LoadGoal(0.5)]
        case (.presenceGet, 16): [LoadGoal(1.0)]
        case (.friendsList, 1), (.friendsList, 16), (.friendsList, 64): [LoadGoal(0.25)]
        default: []
        }
    }
}

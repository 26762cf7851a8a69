/// What one stage of a work gave in one round: of most works the only one.
struct LoadStage {
    var outcome: LoadOutcome
    /// Nanoseconds that the server worked meanwhile.
    var processor: UInt64
    var residentBytes: Int

    /// What the stages of a work are called in tables; behind several stands the whole.
    static func all(of work: LoadWorkload, _ way: LoadWay) -> [String] {
        way.stages.map { "\(work.rawValue): \($0)" } + [work.rawValue]
    }

    /// Puts the sum of several stages behind them.
    static func withWhole(_ stages: [LoadStage]) -> [LoadStage] {
        guard stages.count > 1, var whole = stages.first else { return stages }
        for stage in stages.dropFirst() {
            whole.outcome.append(stage.outcome)
            whole.processor += stage.processor
            whole.residentBytes = stage.residentBytes
        }
        return stages + [whole]
    }
}

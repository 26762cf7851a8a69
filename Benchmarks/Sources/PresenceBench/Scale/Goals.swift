/// A table of what was measured beside what was meant: goals are told, not asserted.
extension Table {
    static func ofGoals(_ title: String) -> Table { Table(title, ["", "measured", "goal", ""]) }

    /// A figure without a goal.
    mutating func add(_ what: String, _ measured: String) { add(what, measured, "", "") }

    mutating func add(_ what: String, _ measured: String, goal: String, isHeld: Bool) {
        add(what, measured, goal, isHeld ? "held" : "not held")
    }

    mutating func add(_ what: String, _ measured: Double, atMost goal: Double, _ unit: String, digits: Int = 1) {
        add(
            what, "\(fixed(measured, digits)) \(unit)", goal: "at most \(fixed(goal, 0)) \(unit)",
            isHeld: measured <= goal)
    }

    /// Three percentiles in milliseconds; the goal is of p99, or of the greatest.
    mutating func add(
        _ what: String, _ sample: Sample, p99AtMost p99Goal: Double? = nil, greatestAtMost goal: Double? = nil
    ) {
        let p99 = sample.percentile(0.99)
        let greatest = sample.percentile(1)
        let text = [sample.median, p99, greatest].map { fixed($0, 1) }.joined(separator: " / ") + " ms"
        let name = what + ": p50 / p99 / greatest"
        if let p99Goal {
            add(name, text, goal: "p99 at most \(fixed(p99Goal, 0)) ms", isHeld: p99 <= p99Goal)
        } else if let goal {
            add(name, text, goal: "greatest at most \(fixed(goal, 0)) ms", isHeld: greatest <= goal)
        } else {
            add(name, text)
        }
    }
}

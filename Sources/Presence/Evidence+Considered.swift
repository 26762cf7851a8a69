/// One rule as it stands at an instant: for explanations.
public struct ConsideredRule: Sendable, Hashable {
    /// What became of it.
    public enum Outcome: Sendable, Hashable {
        /// It decides.
        case decides
        /// What it asks for is there, and a rule before it decides.
        case givesWay
        /// What it asks for is not there.
        case doesNotApply
    }

    /// The rule.
    public var rule: Rule
    /// What became of it.
    public var outcome: Outcome

    /// A rule and what became of it.
    public init(rule: Rule, outcome: Outcome) {
        self.rule = rule
        self.outcome = outcome
    }
}

extension Evidence {
    /// All rules at an instant at which the evidence holds, in the order in which they are asked; exactly one decides.
    public func consideredRules(at now: Timestamp) -> [ConsideredRule] {
        let winner = verdict(at: now).rule
        return Rule.allCases.map { rule in
            let outcome: ConsideredRule.Outcome =
                rule == winner ? .decides : applies(rule, at: now) ? .givesWay : .doesNotApply
            return ConsideredRule(rule: rule, outcome: outcome)
        }
    }

    /// Whether what a rule asks for is there, whichever decides.
    private func applies(_ rule: Rule, at now: Timestamp) -> Bool {
        let hasPresentSession = now < latestPresentDeadline
        switch rule {
        case .noSession: return liveSessions == 0
        case .passiveOnly: return liveSessions > 0 && !hasPresentSession
        // With a session there is no end to hold back.
        case .grace: return now < heldUntil && !hasPresentSession
        case .manual: return manual(at: now)?.status != nil
        case .invisible: return manual(at: now) == .invisible
        case .sessionStatus: return strongestBrought != nil
        case .noActivityReport: return hasPresentSession && lacksReport
        case .activity: return hasPresentSession && latestActivity > .distantPast
        }
    }
}

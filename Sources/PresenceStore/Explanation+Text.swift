import Presence

/// The explanation as people read it, line by line.
extension Explanation {
    /// The text: what he is and why first, then the facts, the rules, what comes next, and the viewer's part.
    public var lines: [String] {
        guard isKnown else {
            var lines = [
                "\(Explanation.text(id)) is offline: nothing is known of this user, neither sessions nor settings"
            ]
            if viewer != nil { lines += viewerLines }
            return lines
        }
        return headLines + factLines + ruleLines + nextLines + viewerLines
    }

    private var headLines: [String] {
        let since = version == .zero ? "" : ", since \(instant(version.timestamp))"
        let by = lastChange.map { change in
            ", by \(change.reason.word)" + (change.connection.map { " of session \(Explanation.text($0))" } ?? "")
        }
        var lines = ["\(Explanation.text(id)) is \(verdict.publicStatus.word)\(since)\(by ?? ""): \(reason)"]
        if verdict.status != verdict.publicStatus {
            lines.append("  the user's own status is \(verdict.status.word); others see \(verdict.publicStatus.word)")
        }
        lines.append(
            "  version \(version.rawValue); to Redis's commands his key \(verdict.isPresent ? "exists" : "does not exist")"
        )
        return lines
    }

    private var reason: String {
        switch verdict.rule {
        case .noSession: "no session is live"
        case .passiveOnly: "only passive sessions are live, and they make nobody online"
        case .grace where verdict.publicStatus == .offline:
            "\(nobodyLive); others were told so, and the grace of the last one keeps his key alone"
        case .grace: "\(nobodyLive), but the end of the last is not announced yet"
        case .manual: "set by hand"
        case .invisible: "invisible, set by hand"
        case .sessionStatus: "a session brings that status"
        case .noActivityReport: "a session is live that never reported activity"
        case .activity: "by the time of the last activity"
        }
    }

    /// That no session makes him present.
    private var nobodyLive: String {
        sessions.contains { $0.facts.closed == nil && now < $0.deadline }
            ? "only passive sessions are live" : "no session is live"
    }

    // MARK: Facts

    private var factLines: [String] {
        var lines = ["facts"]
        if let value = manual.value {
            lines.append(
                "  set by hand: \(value.word), \(write(manual.stamp)), "
                    + end(manual.until, ended: manual.value(at: now) == nil))
        } else {
            lines.append(
                "  set by hand: nothing"
                    + (manual.stamp == .zero
                        ? "" : ", taken back \(instant(manual.stamp.timestamp)) at node \(manual.stamp.node)"))
        }
        if let text {
            lines.append(
                "  activity text: \(Explanation.quoted(text.value)), \(write(text.stamp)), \(end(text.until, ended: false))"
            )
        } else {
            lines.append("  activity text: none")
        }
        lines.append("  last seen: " + (lastSeen.map { instant($0) } ?? "never, as far as others could see"))
        lines.append(
            "  privacy: visible to \(privacy.visibility.word), last seen to \(privacy.lastSeen.word); "
                + "\(relationCount) friends and blocked users, on \(watcherCount) lists of viewers")
        if sessions.isEmpty { lines.append("  sessions: none") }
        for session in sessions { lines += self.lines(of: session) }
        return lines
    }

    private func lines(of session: SessionFacts) -> [String] {
        let facts = session.facts
        var traits: [String] = []
        if let device = session.device { traits.append("device \(Explanation.text(device))") }
        if let platform = session.platform { traits.append("platform \(Explanation.text(platform))") }
        if let server = session.server { traits.append("server \(Explanation.text(server))") }
        if let brought = facts.brought { traits.append("brings \(brought.word)") }
        if facts.isPassive { traits.append("passive") }
        let detail = traits.isEmpty ? "" : " (" + traits.joined(separator: ", ") + ")"
        var lines: [String] = []
        if let closed = facts.closed {
            // A deletion ends a grace, and leaves the end that it followed.
            let isLater = !closed.leavesGrace && (closed.isLoss || closed.isOfGateway)
            var end = closed
            if isLater { end.leavesGrace = true }
            let how =
                switch facts.reason(of: end, policy) {
                case .deleted: "deleted"
                case .dropped: "dropped"
                case .disconnect: "said goodbye"
                case .wsDisconnect: "its WebSocket closed"
                case .heartbeatTimeout, .hardLimit: "ran out"
                default: "lost"
                }
            lines.append(
                "  session \(Explanation.text(session.id))\(detail): \(how) \(instant(closed.at))"
                    + (isLater ? ", and its grace ended with the key" : ""))
        } else if now < session.deadline {
            lines.append("  session \(Explanation.text(session.id))\(detail): live, says \(session.status.word)")
        } else {
            lines.append("  session \(Explanation.text(session.id))\(detail): ran out \(instant(session.deadline))")
        }
        if now < session.graceEnd {
            let left = span(session.graceEnd.milliseconds(since: now))
            if verdict.publicStatus == .offline {
                lines.append("    its grace ends in \(left)")
            } else if verdict.rule == .grace {
                lines.append("    its end is held back for \(left)")
            } else {
                lines.append("    its end would be held back for \(left), if no other session lived")
            }
        }
        let isCut = facts.isCutByHardLimit(policy)
        let limit = isCut ? ", heartbeat-hard-limit rules" : ""
        // What ended has none that counts.
        let life = facts.closed == nil ? ", TTL \(span(facts.ttlMilliseconds))\(limit)" : ""
        lines.append(
            "    opened \(instant(facts.incarnation.timestamp)) at node \(facts.incarnation.node); "
                + "heartbeat \(instant(facts.heartbeat))\(life)")
        if facts.closed == nil {
            if let end = facts.leasedUntil {
                let before = isCut ? "; heartbeat-hard-limit ends it before, \(instant(session.deadline))" : ""
                lines.append(
                    "    the lease of its server is its heartbeat, and counts in place of its TTL: until \(instant(end)), if it is not renewed"
                        + before)
            }
            lines.append(
                "    activity: " + (facts.activity.map { instant($0) } ?? "never reported, which is not inactivity"))
        }
        return lines
    }

    // MARK: Rules and time

    private var ruleLines: [String] {
        ["rules, in the order in which they are asked"]
            + rules.map { considered in
                let outcome =
                    switch considered.outcome {
                    case .decides: "decides"
                    case .givesWay: "would hold, gives way"
                    case .doesNotApply: "does not apply"
                    }
                return "  \(considered.rule.word): \(outcome)"
            }
    }

    private var nextLines: [String] {
        var lines = [
            "clocks: now \(Explanation.iso(now)); idle after \(span(policy.idleAfter)), away after \(span(policy.awayAfter)), "
                + "hard limit \(span(policy.heartbeatHardLimit)), grace \(span(policy.disconnectGrace)) after a goodbye, "
                + "\(span(policy.lostGrace)) after a loss"
        ]
        for end in endsBeforeNext {
            lines.append("\(lines.count == 1 ? "next" : "then"): \(wait(for: end.at)): the \(end.what) ends")
        }
        let word = lines.count == 1 ? "next" : "then"
        guard let next else { return lines + ["\(word): nothing\(word == "next" ? "" : " else") changes by itself"] }
        let what =
            next.verdict.publicStatus == verdict.publicStatus
            ? "looked at again, \(next.verdict.publicStatus.word) as now"
            : "\(next.verdict.publicStatus.word) (\(next.verdict.rule.word))"
        lines.append("\(word): \(wait(for: next.at)), if nothing comes: \(what)")
        lines.append("held back: " + (held.map { heldText($0.until, byStorm: $0.byStorm) } ?? "nothing"))
        return lines
    }

    /// What was set by hand and ends before the status changes, in order: a text by itself, a status where it decides nothing as long as nobody is there.
    private var endsBeforeNext: [(at: Timestamp, what: String)] {
        let change = next?.at ?? .distantFuture
        var ends: [(at: Timestamp, what: String)] = []
        if let end = text?.until, end <= change { ends.append((end, "activity text")) }
        if manual.value(at: now) != nil, let end = manual.until, end < change {
            ends.append((end, "status set by hand"))
        }
        return ends.sorted { $0.at < $1.at }
    }

    private func wait(for instant: Timestamp) -> String {
        "in \(span(instant.milliseconds(since: now))), at \(Explanation.iso(instant))"
    }

    private func heldText(_ until: Timestamp, byStorm: Bool) -> String {
        let left = span(until.milliseconds(since: now))
        guard byStorm, let storm = policy.storm else { return "offline, for \(left), until the grace is over" }
        let isCut = sessions.contains { !$0.facts.isPassive && $0.facts.hardLimit(policy) == until }
        return "offline, for \(left), by the storm that began \(instant(storm.began))"
            + (isCut ? ", and no longer by heartbeat-hard-limit" : "")
    }

    private var viewerLines: [String] {
        guard let viewer else { return [] }
        let lastSeen: String =
            switch viewer.view.lastSeen {
            case .unknown: "no last seen"
            case .exact(let seen): "last seen \(instant(seen))"
            case .coarse: "last seen " + (viewer.view.lastSeen.span(at: now) ?? .longAgo).word.description
            }
        var lines = [
            "viewer \(Explanation.text(viewer.id)) sees \(viewer.view.status.word), \(lastSeen): \(viewer.rule.word)"
        ]
        if let since = viewer.blockedSince { lines.append("  blocked \(instant(since))") }
        if let since = viewer.friendSince { lines.append("  a friend, named so \(instant(since))") }
        if let since = viewer.hasBlockedSince {
            let isSeen = viewer.rule.hides ? "" : ", and sees him all the same"
            lines.append("  he blocked this user himself, \(instant(since))\(isSeen)")
        }
        if viewer.rule.hides {
            if viewer.rule != .refused {
                lines.append("  hidden: he goes on reading what he could when that began, and nothing newer")
            }
        } else if viewer.rule != .own, privacy.lastSeen != .everyone {
            lines.append("  last seen goes by LASTSEEN \(privacy.lastSeen.word)")
        }
        if let isWatching = viewer.isWatching {
            lines.append(
                "  " + (isWatching ? "on his list: changes are told to whoever listens to it" : "not on a list of his"))
        }
        return lines
    }

    // MARK: Words

    private func write(_ stamp: Stamp) -> String { "written \(instant(stamp.timestamp)) at node \(stamp.node)" }

    private func end(_ until: Timestamp?, ended: Bool) -> String {
        guard let until else { return "without end" }
        return ended ? "ended \(instant(until))" : "ends in \(span(until.milliseconds(since: now)))"
    }

    /// `2026-01-01T00:00:00.000Z (5 s ago)`
    private func instant(_ instant: Timestamp) -> String {
        let age = now.milliseconds(since: instant)
        return "\(Explanation.iso(instant)) (\(age < 0 ? "in \(span(-age))" : "\(span(age)) ago"))"
    }

    /// A duration in the two largest units that it has: `4 min 3 s`.
    private func span(_ milliseconds: Int64) -> String {
        let units: [(Int64, String)] = [(86_400_000, "d"), (3_600_000, "h"), (60_000, "min"), (1_000, "s"), (1, "ms")]
        guard let first = units.firstIndex(where: { milliseconds >= $0.0 }) else { return "0 ms" }
        let (size, name) = units[first]
        let whole = "\(milliseconds / size) \(name)"
        guard first + 1 < units.count else { return whole }
        let rest = milliseconds % size / units[first + 1].0
        return rest == 0 ? whole : "\(whole) \(rest) \(units[first + 1].1)"
    }

    private static func iso(_ instant: Timestamp) -> String {
        let bytes = [UInt8](capacity: 32) { out in instant.writeISO8601(into: &out) }
        return String(decoding: bytes, as: UTF8.self)
    }

    /// The bytes of a name in print: control characters, those behind the first 128 too, and what ends a line or turns its direction, byte by byte as `\x0a`; a
    /// backslash of its own as two.
    private static func text(_ bytes: [UInt8]) -> String {
        String(decoding: bytes, as: UTF8.self).unicodeScalars.reduce(into: "") { text, scalar in
            guard steersTerminal(scalar.value) else {
                if scalar == "\\" { text += "\\" }
                text.unicodeScalars.append(scalar)
                return
            }
            for byte in UTF8.encode(scalar) ?? .init() {
                text += "\\x" + (byte < 16 ? "0" : "") + String(byte, radix: 16)
            }
        }
    }

    /// The same in quotation marks, so that its end is seen.
    private static func quoted(_ bytes: [UInt8]) -> String {
        let marks = text(bytes).reduce(into: "") { $0 += $1 == "\"" ? "\\\($1)" : String($1) }
        return "\"\(marks)\""
    }

    private static func steersTerminal(_ scalar: UInt32) -> Bool {
        scalar < 0x20 || (0x7F...0x9F).contains(scalar) || (0x200E...0x200F).contains(scalar)
            || (0x2028...0x202E).contains(scalar) || (0x2066...0x2069).contains(scalar)
    }
}

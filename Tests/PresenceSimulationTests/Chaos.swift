import PresenceTesting

/// What goes wrong.
extension Simulation {
    /// One thing, or two.
    func misbehave() {
        switch scale.outage {
        case .stop: return stopForLong()
        case .kill: return killForLong()
        case .leave: return leave()
        case nil: break
        }
        lastTrouble = world
        let index = Int.random(in: nodes.indices, using: &failures)
        let other = (index + Int.random(in: 1..<nodes.count, using: &failures)) % nodes.count
        let length = Int64.random(in: 300...9_000, using: &failures)
        switch Int.random(in: 0..<12, using: &failures) {
        case 0, 1:
            note("cut \(index) \(other)")
            cut([[index, other], [other, index]], "both", length)
        case 2, 3:
            note("one way \(index) \(other)")
            cut([[index, other]], "one way", length)
        case 4:
            note("partition \(index)")
            cut(nodes.indices.filter { $0 != index }.flatMap { [[index, $0], [$0, index]] }, "partition", length)
        case 5, 6:
            let isNoticed = failures.chance(oneIn: 2)
            // One at a time: whoever holds the last copy of something stays.
            guard nodes.allSatisfy({ $0.isUp && !$0.isPaused && $0.replicator.isReady }) else { return }
            crash(index, isNoticed: isNoticed)
            later(.restart(index), milliseconds: length)
        case 7:
            guard nodes[index].isUp, !nodes[index].isPaused else { return }
            note("pause \(index)")
            nodes[index].isPaused = true
            later(.resume(index), milliseconds: length)
        case 8:
            let step = failures.pick([-3_600_000, -500, 500, 3_600_000]) as Int64
            note("step \(index) \(step)")
            nodes[index].clock.step(byMilliseconds: step)
        case 9:
            network.delay = failures.pick([0...1, 0...5, 0...40, 20...200])
        default:
            let loss = failures.pick([0, 0, 0, 300, 2_000])
            network.loss = scale.spoilsBytes ? loss : 0
        }
    }

    /// Long enough for sessions to run out.
    private func stopForLong() {
        guard nodes.allSatisfy({ !$0.isPaused }) else { return }
        let index = Int.random(in: nodes.indices, using: &failures)
        // Two stops between which it heard hardly anything would be one that the hard limit ends.
        guard milliseconds - nodes[index].resumedAt > nodes[index].stallHold else { return }
        note("stop \(index)")
        nodes[index].isPaused = true
        lastTrouble = world
        later(.resume(index), milliseconds: Int64.random(in: 2_000...50_000, using: &failures))
    }

    /// Long enough for sessions to run out, or for good. Whoever is left has copied all that there is.
    private func killForLong() {
        let there = nodes.indices.filter { nodes[$0].isUp }
        guard there.count > 1, there.allSatisfy({ nodes[$0].replicator.isReady }) else { return }
        let index = failures.pick(there)
        lastTrouble = world
        crash(index, isNoticed: failures.chance(oneIn: 2))
        guard !failures.chance(oneIn: 8) else { return }
        later(.restart(index), milliseconds: Int64.random(in: 500...50_000, using: &failures))
    }

    /// One ends as the service does: it serves nobody any more, hands over what it alone knows, and says goodbye.
    private func leave() {
        guard nodes.allSatisfy({ $0.isUp && !$0.isLeaving && $0.replicator.isReady }) else { return }
        let index = Int.random(in: nodes.indices, using: &failures)
        note("leave \(index)")
        lastTrouble = world
        nodes[index].leave()
        later(.left(index), milliseconds: 500)
    }

    /// It is gone, and comes back.
    func left(_ index: Int) {
        if nodes[index].replicator.isHandingOver { checkers.fail(self, "n\(index + 1) was not done with handing over") }
        crash(index, isNoticed: true)
        let pause = Int64.random(in: 300...20_000, using: &failures)
        // Chaos may be over, which brought all back who were gone by then.
        later(.restart(index), milliseconds: isChaotic ? pause : 300)
    }

    private func cut(_ ways: [[Int]], _ name: String, _ length: Int64) {
        network.cuts.formUnion(ways)
        later(.heal(name, ways), milliseconds: length)
    }
}

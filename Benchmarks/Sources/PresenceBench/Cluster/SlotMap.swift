/// Which port of the loopback interface serves which slots, as `CLUSTER SLOTS` tells clients.
struct SlotMap {
    private var ranges: [(slots: ClosedRange<Int>, port: Int)] = []

    /// Reads the reply; nil if it is none of `CLUSTER SLOTS`.
    init?(_ reply: Reply) {
        guard case .array(let entries) = reply else { return nil }
        for entry in entries {
            guard case .array(let parts) = entry, parts.count >= 3, case .integer(let first) = parts[0],
                case .integer(let last) = parts[1], first <= last, case .array(let master) = parts[2],
                master.count >= 2, case .integer(let port) = master[1]
            else { return nil }
            ranges.append((first...last, port))
        }
    }

    /// The port of who serves a slot; nil if nobody does.
    func port(of slot: Int) -> Int? { ranges.first { $0.slots.contains(slot) }?.port }
}

/// Lists that wait for their frames. Each is told once a window at most, and not all of them at once.
///
/// A window is divided into slots, which come around in time; a list is told when the slot of its number ends. So a change waits a window at most, half of
/// one on average, and frames are made in small parts: those of the last list do not wait for those of all others.
///
/// Instants and windows are microseconds of any clock that never goes back.
struct TellingSlots<List> {
    private static var most: Int { 16 }
    /// A slot is not shorter: each of them wakes the event loop.
    private static var shortest: Int64 { 3_000 }

    /// Who waits in each slot, where each number is among them, and when the slot ends; the end means nothing while nobody waits.
    private var slots: [(lists: [List], places: [UInt32: Int], end: Int64)]

    init() { slots = Array(repeating: ([], [:], 0), count: TellingSlots.most) }

    /// When the first slot ends in which somebody waits; nil if nobody does.
    ///
    /// - Complexity: O(slots), of which there are 16.
    var next: Int64? {
        var next: Int64?
        for slot in slots where !slot.lists.isEmpty { next = min(next ?? slot.end, slot.end) }
        return next
    }

    /// Puts a list into its slot: that ends at most `window` after `now`. It waits there once, however often it is put.
    ///
    /// - Parameter number: always the same of a list, and another for each that there is. Whoever waits under it is put out: it is the same, or is no more.
    mutating func add(_ list: List, number: UInt32, window: Int64, at now: Int64) {
        let count = max(1, min(Int64(TellingSlots.most), window / TellingSlots.shortest))
        let place = Int64(number) % count
        if slots[Int(place)].lists.isEmpty {
            let end = now - now % window + place * window / count
            slots[Int(place)].end = end > now ? end : end + window
        }
        if let index = slots[Int(place)].places[number] {
            slots[Int(place)].lists[index] = list
        } else {
            slots[Int(place)].places[number] = slots[Int(place)].lists.count
            slots[Int(place)].lists.append(list)
        }
    }

    /// Takes those out whose slots have ended, and appends them to `lists`.
    mutating func take(endedAt now: Int64, into lists: inout [List]) {
        for place in slots.indices where !slots[place].lists.isEmpty && slots[place].end <= now {
            lists += slots[place].lists
            let keepsMemory = slots[place].lists.count <= 1_024
            slots[place].lists.removeAll(keepingCapacity: keepsMemory)
            slots[place].places.removeAll(keepingCapacity: keepsMemory)
        }
    }
}

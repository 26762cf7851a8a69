/// Steps of long work in the order in which they came: first in, first out, each in constant time over all of them.
///
/// No more than a few for each client of the loop, since nothing more of his is read while one waits; and of the loop's own one for each shard whose changes
/// are handed on to lists, and one each for telling lists, giving lists up, and ending.
struct WaitingSteps {
    private var newest: [() -> Void] = []
    /// The oldest is the last.
    private var oldest: [() -> Void] = []

    var count: Int { newest.count + oldest.count }
    var isEmpty: Bool { newest.isEmpty && oldest.isEmpty }

    mutating func append(_ step: @escaping () -> Void) { newest.append(step) }

    /// Takes out the one that waits longest. There must be one.
    mutating func removeFirst() -> () -> Void {
        if oldest.isEmpty {
            oldest = newest.reversed()
            newest.removeAll(keepingCapacity: true)
        }
        return oldest.removeLast()
    }
}

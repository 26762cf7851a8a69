/// Batches about all users in random order, spelt beforehand: where the generator must take little.
///
/// Costs the bytes of all commands: 84 B a user in an `MBEAT`, 57 on a friends list.
struct SpeltBatches {
    let limit: Int
    let reply: [UInt8]
    private var bytes: [UInt8] = []
    private var ends: [Int] = [0]

    init(_ form: BatchForm, users: Int) {
        var form = form
        limit = form.limit
        reply = form.reply
        let order = Shuffle(count: users, seed: 3)
        for first in stride(from: 0, through: users - limit, by: limit) {
            form.encode(limit, lifetime: 10_000, number: { order[first + $0] }) { bytes.append(contentsOf: $0) }
            ends.append(bytes.count)
        }
    }

    var count: Int { ends.count - 1 }

    func withBytes(_ batch: Int, _ body: (UnsafeRawBufferPointer) throws -> Void) rethrows {
        try bytes.withUnsafeBytes { try body(UnsafeRawBufferPointer(rebasing: $0[ends[batch]..<ends[batch + 1]])) }
    }
}

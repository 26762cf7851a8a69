/// Who watches the users of one shard: doubly linked lists in one pool, each hung on the record of whom it is about, and the users whose watchers are
/// to be told that something changed.
/// ```
///  0        4      8      12
/// +--------+------+------+----------+
/// | watch  | row  | next | previous |   node 0 is none; the first of a list has how many there are in place of `previous`
/// +--------+------+------+----------+
/// ```
/// The highest bit of a node's watch says that it is a list of the user himself; the two highest bits of how many there are say how many of them are
/// such: one, and up to three while lists of his are being given up.
/// What is told is a level, not an event: a user is in the queue once, however often he changed, and a watcher looks for himself.
/// Adding, removing and each step of telling are O(1). Nodes lie in chunks, so nothing is ever copied as a whole.
struct ShardWatchers: ~Copyable {
    /// One watcher: a watch and the row that the user has in it.
    struct Mark: Sendable, Hashable {
        var watch: UInt32
        var row: UInt32
    }

    private static let nodeBytes = 16
    private static let nodesPerChunk = 256
    private static let himself: UInt32 = 1 << 31
    private static let oneOfHimself: UInt32 = 1 << 30
    /// The most watchers of one user that can be counted.
    static let most = 1 << 30 - 1

    private var chunks: [UnsafeMutableRawPointer] = []
    private var firstFree: UInt32 = 0
    private var fresh: UInt32 = 1
    /// Nodes in use.
    private(set) var count = 0
    /// Users whose watchers must look again, by the hashes of their names, and how many of them were taken.
    private var changed: [UInt64] = []
    private var taken = 0
    /// The node of the list under way that is told next; 0 for none.
    private(set) var next: UInt32 = 0
    /// How often somebody was put into the queue.
    private(set) var markCount: UInt64 = 0

    deinit {
        for chunk in chunks { chunk.deallocate() }
    }

    var capacityBytes: Int {
        chunks.count * ShardWatchers.nodesPerChunk * ShardWatchers.nodeBytes + changed.capacity * 8
    }

    // MARK: Lists

    /// How many watchers a list has.
    func length(of list: UInt32) -> Int { list == 0 ? 0 : Int(word(list, 12) % ShardWatchers.oneOfHimself) }

    /// How many of them are lists of the user himself.
    func ownLength(of list: UInt32) -> Int { list == 0 ? 0 : Int(word(list, 12) / ShardWatchers.oneOfHimself) }

    /// Puts a watcher before a list. Returns the list, and with it the node that the watcher has.
    mutating func add(_ mark: Mark, to list: UInt32, isHimself: Bool = false) -> UInt32 {
        let node = allocate()
        let isCounted = isHimself && ownLength(of: list) < 3
        let counts = (list == 0 ? 0 : word(list, 12)) + (isCounted ? ShardWatchers.oneOfHimself : 0)
        set(node, 0, isCounted ? mark.watch | ShardWatchers.himself : mark.watch)
        set(node, 4, mark.row)
        set(node, 8, list)
        set(node, 12, counts + 1)
        if list != 0 { set(list, 12, node) }
        count += 1
        return node
    }

    /// Takes a watcher out of a list. Returns the list as it is then, 0 if it is empty.
    mutating func remove(_ node: UInt32, from list: UInt32) -> UInt32 {
        if node == next { next = word(node, 8) }
        let after = word(node, 8)
        let isHimself = word(node, 0) & ShardWatchers.himself != 0
        let rest = word(list, 12) - 1 - (isHimself ? ShardWatchers.oneOfHimself : 0)
        var list = list
        if node == list {
            list = after
        } else {
            let before = word(node, 12)
            set(before, 8, after)
            if after != 0 { set(after, 12, before) }
        }
        if list != 0 { set(list, 12, rest) }
        set(node, 8, firstFree)
        firstFree = node
        count -= 1
        return list
    }

    // MARK: Telling

    /// Whether somebody is to be told something.
    var hasWork: Bool { next != 0 || taken < changed.count }

    /// Puts a user into the queue; the caller sees to it that he is in it once.
    mutating func enqueue(_ hash: UInt64) {
        changed.append(hash)
        markCount += 1
    }

    /// The next user of the queue; nil if there is none, or a list is under way.
    mutating func dequeue() -> UInt64? {
        guard next == 0, taken < changed.count else { return nil }
        defer {
            taken += 1
            if taken == changed.count {
                changed.removeAll(keepingCapacity: changed.capacity <= 4_096)
                taken = 0
            }
        }
        return changed[taken]
    }

    /// Begins to tell a list.
    mutating func begin(_ list: UInt32) { next = list }

    /// Hands out up to `limit` watchers of the list under way.
    mutating func take(_ limit: Int, into marks: inout [Mark]) {
        var left = limit
        while next != 0, left > 0 {
            marks.append(Mark(watch: word(next, 0) & ~ShardWatchers.himself, row: word(next, 4)))
            next = word(next, 8)
            left -= 1
        }
    }

    // MARK: Nodes

    private mutating func allocate() -> UInt32 {
        if firstFree != 0 {
            let node = firstFree
            firstFree = word(node, 8)
            return node
        }
        if Int(fresh) / ShardWatchers.nodesPerChunk >= chunks.count {
            chunks.append(
                .allocate(byteCount: ShardWatchers.nodesPerChunk * ShardWatchers.nodeBytes, alignment: 16))
        }
        defer { fresh += 1 }
        return fresh
    }

    private func word(_ node: UInt32, _ offset: Int) -> UInt32 {
        place(node).load(fromByteOffset: offset, as: UInt32.self)
    }

    private func set(_ node: UInt32, _ offset: Int, _ value: UInt32) {
        place(node).storeBytes(of: value, toByteOffset: offset, as: UInt32.self)
    }

    private func place(_ node: UInt32) -> UnsafeMutableRawPointer {
        chunks[Int(node) / ShardWatchers.nodesPerChunk]
            + Int(node) % ShardWatchers.nodesPerChunk * ShardWatchers.nodeBytes
    }
}

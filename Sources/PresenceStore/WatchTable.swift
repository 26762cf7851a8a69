/// All watches of a store, by number and by viewer. The lock is taken alone, or before those of watches and shards, never under them.
final class WatchTable: Sendable {
    private struct Tables {
        var byNumber: [Watch?] = [nil]
        var byViewer: [UInt64: UInt32] = [:]
        var vacant: [UInt32] = []
        /// What was refused because there were too many lists.
        var refused: UInt64 = 0
    }

    private let tables = Lock(Tables())

    var count: Int { tables.withLock { $0.byViewer.count } }
    var refusedCount: UInt64 { tables.withLock { $0.refused } }

    func watch(ofViewer viewer: UInt64) -> Watch? {
        tables.withLock { tables in tables.byViewer[viewer].flatMap { tables.byNumber[Int($0)] } }
    }

    /// The watch of a viewer, made if there is none and there may be one more; nil if there may not.
    func watch(
        ofViewer viewer: UInt64, limit: Int, orMake make: (UInt32) -> Watch
    ) -> (watch: Watch, isNew: Bool)? {
        tables.withLock { tables in
            if let number = tables.byViewer[viewer], let watch = tables.byNumber[Int(number)] { return (watch, false) }
            guard tables.byViewer.count < limit else {
                tables.refused += 1
                return nil
            }
            let number = tables.vacant.popLast() ?? UInt32(tables.byNumber.count)
            let watch = make(number)
            if Int(number) == tables.byNumber.count {
                tables.byNumber.append(watch)
            } else {
                tables.byNumber[Int(number)] = watch
            }
            tables.byViewer[viewer] = number
            return (watch, true)
        }
    }

    /// Forgets a watch; false if it was forgotten already, though another may have its viewer and its number by now.
    func remove(_ watch: Watch) -> Bool {
        tables.withLock { tables in
            guard tables.byViewer[watch.viewerHash] == watch.number, tables.byNumber[Int(watch.number)] === watch
            else { return false }
            tables.byViewer[watch.viewerHash] = nil
            tables.byNumber[Int(watch.number)] = nil
            tables.vacant.append(watch.number)
            return true
        }
    }

    /// The watches that marks name; nil in place of one that is gone.
    func watches(of marks: [ShardWatchers.Mark]) -> [Watch?] {
        tables.withLock { tables in
            marks.map { Int($0.watch) < tables.byNumber.count ? tables.byNumber[Int($0.watch)] : nil }
        }
    }
}

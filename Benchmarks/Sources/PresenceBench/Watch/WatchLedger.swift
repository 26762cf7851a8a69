import Foundation
import Histogram

/// What was changed and when, and what each viewer was told of it: how late, and whether anything is missing.
///
/// A row says a status, not which change it tells: it is the latest that set this status, unless a row is later than three rounds of changes.
struct WatchLedger {
    private let crowd: WatchedCrowd
    private let due: (Int) -> Int64
    /// Changes that are not measured, since the server was not warm.
    private var firstMeasured: Int
    /// When each user's latest changes to each status were written.
    private var written: [Int64]
    /// The round of the change that was told last, for each row of each list; -1 for none.
    private var told: [Int32]
    /// Changes that were written.
    private(set) var changes = 0
    /// Rows that came, of measured changes and of all.
    private(set) var (measured, rows) = (0, 0)
    /// Changes that were told as one with a later one of the same user, once for each viewer.
    private(set) var joined = 0
    private(set) var sinceWritten = WatchLedger.histogram()
    private(set) var sinceDue = WatchLedger.histogram()

    /// - Parameter due: when a change was meant to be written, in nanoseconds.
    init(_ crowd: WatchedCrowd, firstMeasured: Int, due: @escaping (Int) -> Int64) {
        self.crowd = crowd
        self.due = due
        self.firstMeasured = firstMeasured
        written = Array(repeating: 0, count: crowd.users * WatchedCrowd.statuses.count)
        told = Array(repeating: -1, count: crowd.viewers * crowd.friends)
    }

    private static func histogram() -> Histogram<UInt64> {
        Histogram(
            lowestDiscernibleValue: 1_000, highestTrackableValue: 60_000_000_000, numberOfSignificantValueDigits: .three
        )
    }

    /// The next change is written.
    mutating func write(at instant: Int64) {
        let (user, status) = crowd.change(changes)
        written[user * WatchedCrowd.statuses.count + status] = instant
        changes += 1
    }

    /// The server is warm: what is written from now on is measured.
    mutating func measure() { firstMeasured = changes }

    /// A row came.
    ///
    /// - Throws: if it is of nobody on that list, or tells what was not written or was told already.
    mutating func hear(viewer: Int, user: Int, status: Int, at instant: Int64) throws {
        guard let (viewer, index) = crowd.place(ofUser: user, forViewer: viewer) else {
            throw BenchError("viewer \(viewer) was told of \(user), who is not on his list")
        }
        guard let change = crowd.latestChange(of: user, to: status, among: changes) else {
            throw BenchError(
                "viewer \(viewer) was told that \(user) is \(WatchedCrowd.statuses[status]), who never was")
        }
        let place = viewer * crowd.friends + index
        let (round, last) = (Int32(change / crowd.users), told[place])
        guard round > last else { throw BenchError("viewer \(viewer) was told the same of \(user) twice") }
        joined += Int(round - last) - 1
        told[place] = round
        rows += 1
        guard change >= firstMeasured else { return }
        measured += 1
        let writtenAt = written[user * WatchedCrowd.statuses.count + status]
        _ = sinceWritten.record(UInt64(max(1, instant - writtenAt)))
        _ = sinceDue.record(UInt64(max(1, instant - due(change))))
    }

    /// How many rows of lists do not know yet what their users were set to last.
    var missing: Int {
        var count = 0
        for viewer in 0..<crowd.viewers {
            for index in 0..<crowd.friends {
                let round = crowd.latestRound(of: crowd.friend(index, of: viewer), among: changes) ?? -1
                if Int(told[viewer * crowd.friends + index]) != round { count += 1 }
            }
        }
        return count
    }
}

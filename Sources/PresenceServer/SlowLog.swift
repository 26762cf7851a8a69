import Presence
import PresenceRESP
import Synchronization

/// The commands that took long, the newest first: what `SLOWLOG` tells.
///
/// One lock, taken alone, only by a command that was slow and by whoever reads the log. Bounded by `slowlog-max-len`, and an entry by Redis's own bounds:
/// 32 arguments of 128 bytes.
final class SlowLog: Sendable {
    /// One command.
    struct Entry: Sendable {
        let id: Int
        let at: Timestamp
        let microseconds: Int64
        let arguments: [[UInt8]]
        let address: String
        let clientName: [UInt8]
    }

    /// The entries, the oldest first. What is forgotten leaves a gap at the begin, which is closed once it is as long as what is kept: so forgetting
    /// costs no walk, however many are kept.
    private struct State {
        var entries: [Entry?] = []
        var gap = 0
        var nextID = 0
        var limit: Int

        mutating func trim() {
            while entries.count - gap > limit {
                entries[gap] = nil
                gap += 1
            }
            guard gap > entries.count / 2 else { return }
            entries.removeFirst(gap)
            gap = 0
        }
    }

    private let state: Mutex<State>

    /// An empty log that keeps so many commands.
    init(limit: Int) {
        state = Mutex(State(limit: limit))
    }

    /// Keeps a command that took `microseconds`.
    func record(
        _ microseconds: Int64, at now: Timestamp, _ client: Client, _ request: borrowing RequestReader,
        _ bytes: Span<UInt8>
    ) {
        let shown = min(request.argumentCount, SlowLog.maximumArguments)
        var arguments: [[UInt8]] = []
        let secrets = Secrets(request, bytes)
        for index in 0..<shown {
            let left = request.argumentCount - index
            if index == SlowLog.maximumArguments - 1, left > 1 {
                arguments.append(Array("... (\(left) more arguments)".utf8))
            } else if secrets.contains(index) {
                arguments.append(Array("(redacted)".utf8))
            } else {
                arguments.append(SlowLog.shortened(bytes, request.argument(index)))
            }
        }
        let address = client.handler.describeConnection().remote
        state.withLock { state in
            guard state.limit > 0 else { return }
            let entry = Entry(
                id: state.nextID, at: now, microseconds: microseconds, arguments: arguments, address: address,
                clientName: client.name)
            state.nextID += 1
            state.entries.append(entry)
            state.trim()
        }
    }

    private static let maximumArguments = 32
    private static let maximumArgumentBytes = 128

    private static func shortened(_ bytes: Span<UInt8>, _ range: Range<Int>) -> [UInt8] {
        guard range.count > maximumArgumentBytes else { return Text.array(bytes, range) }
        let kept = Text.array(bytes, range.lowerBound..<range.lowerBound + maximumArgumentBytes)
        return kept + Array("... (\(range.count - maximumArgumentBytes) more bytes)".utf8)
    }

    /// Another bound; entries above it are forgotten.
    func setLimit(_ limit: Int) {
        state.withLock { state in
            state.limit = limit
            state.trim()
        }
    }

    /// The newest entries, at most `count`, the newest first.
    func newest(_ count: Int) -> [Entry] {
        state.withLock { state in
            state.entries.suffix(min(count, state.entries.count - state.gap)).reversed().compactMap { $0 }
        }
    }

    /// How many entries there are.
    var count: Int { state.withLock { $0.entries.count - $0.gap } }

    /// Forgets all entries. Their numbers go on rising.
    func reset() {
        state.withLock { state in
            state.entries = []
            state.gap = 0
        }
    }
}

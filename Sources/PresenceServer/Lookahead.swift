import PresenceRESP
import PresenceStore

/// Asks for the records of the next commands of a pipeline before they run, so that their waits for memory overlap.
///
/// A look-up of a cold record waits two or three times, 100 ns and more each. What the commands do and when is the same with and without.
struct Lookahead {
    /// Where the first command begins that was not looked at.
    private var end = 0

    /// Commands of these lengths are heartbeats or rare: heartbeats are looked up as a batch of their own.
    private static func isBatched(_ name: Range<Int>) -> Bool {
        name.count == "PRESENCE.BEAT".utf8.count || name.count == "PRESENCE.ACTIVE".utf8.count
    }

    /// Looks at the command that begins at `offset` and at those behind it, unless that was done.
    ///
    /// - Parameter next: where the one behind it begins: if nothing has come there, there is nothing to overlap.
    @inline(__always)
    mutating func look(_ bytes: Span<UInt8>, at offset: Int, next: Int, _ loop: ServerLoop) {
        if offset >= end, next < bytes.count { prefetch(bytes, offset, loop) }
    }

    private mutating func prefetch(_ bytes: Span<UInt8>, _ offset: Int, _ loop: ServerLoop) {
        var keys = InlineArray<16, KeyPlace>(repeating: KeyPlace(.string, 0..<0))
        var count = 0
        let reached = CommandScout.scan(bytes, from: offset) { name, argument in
            guard count < ShardedStore.prefetchLimit, !Lookahead.isBatched(name) else { return false }
            let key = loop.locate(bytes, argument)
            keys[count] = KeyPlace(key.kind, key.name)
            count &+= 1
            return true
        }
        end = max(reached, offset &+ 1)
        if count > 1 { loop.withStore { $0.prefetch(bytes, keys.span.extracting(..<count)) } }
    }

    /// Asks for the keys that are a command's arguments from `index` on.
    static func prefetch(
        from index: Int, _ request: borrowing RequestReader, _ bytes: Span<UInt8>, _ loop: ServerLoop
    ) {
        var keys = InlineArray<16, KeyPlace>(repeating: KeyPlace(.string, 0..<0))
        let count = min(request.argumentCount - index, ShardedStore.prefetchLimit)
        for place in 0..<count {
            let key = loop.locate(bytes, request.argument(index + place))
            keys[place] = KeyPlace(key.kind, key.name)
        }
        if count > 1 { loop.withStore { $0.prefetch(bytes, keys.span.extracting(..<count)) } }
    }
}

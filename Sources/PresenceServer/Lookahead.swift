import PresenceRESP
import PresenceStore

/// Asks for the records of the next commands of a pipeline before they run, so that their waits for memory overlap.
///
/// A look-up of a cold record waits two or three times, 100 ns and more each. What the commands do and when is the same with and without.
enum Lookahead {
    /// Commands of these lengths are heartbeats or rare: heartbeats are looked up as a batch of their own.
    private static func isBatched(_ name: Range<Int>) -> Bool {
        name.count == "PRESENCE.BEAT".utf8.count || name.count == "PRESENCE.ACTIVE".utf8.count
    }

    /// Asks for the first keys of the commands that were read together.
    static func prefetch(_ reader: borrowing RequestReader, _ bytes: Span<UInt8>, _ loop: ServerLoop) {
        var keys = InlineArray<16, KeyPlace>(repeating: KeyPlace(.string, 0..<0))
        var count = 0
        for index in 0..<min(reader.commandsRead, ShardedStore.prefetchLimit) {
            let command = reader.command(index)
            guard !command.argument.isEmpty, !isBatched(command.name) else { continue }
            let key = loop.locate(bytes, command.argument)
            keys[count] = KeyPlace(key.kind, key.name)
            count &+= 1
        }
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

import Presence
import PresenceRESP
import PresenceStore

/// `SET` on the key of a user: the table of what each value does.
enum PresenceRecords {
    /// Why a record was not taken: it is not one, or the store refused it.
    enum Failure: Error {
        case record(RecordError)
        case store(StoreError)

        var message: String {
            switch self {
            case .record(let error): "ERR " + error.message
            case .store(let error): error.message
            }
        }
    }

    /// The session that a record without `connectionId` means.
    private static let defaultSession = Array("default".utf8)

    /// Does what the record in `value` says; false if the condition of `options` is not met.
    ///
    /// - Parameter reply: gets the record that was there, or nothing, if `options` ask for it.
    static func set(
        _ loop: ServerLoop, _ user: Range<Int>, _ value: Range<Int>, _ options: StringOptions, _ bytes: Span<UInt8>,
        _ reply: inout ReplyBuffer
    ) throws(Failure) -> Bool {
        let json = bytes.extracting(value)
        let record: PresenceRecord
        do throws(RecordError) {
            record = try PresenceRecord.parse(json)
        } catch {
            throw .record(error)
        }
        if record.unknownFieldCount > 0 { loop.counters.unknownFields.add(record.unknownFieldCount) }
        return try record.withTexts(in: json) { texts throws(Failure) in
            do throws(StoreError) {
                if let session = record.connectionID {
                    return try write(
                        record, texts, bytes.extracting(user), texts.extracting(session), options, loop, &reply)
                }
                return try write(record, texts, bytes.extracting(user), defaultSession.span, options, loop, &reply)
            } catch {
                throw .store(error)
            }
        }
    }

    private static func write(
        _ record: PresenceRecord, _ texts: Span<UInt8>, _ user: Span<UInt8>, _ session: Span<UInt8>,
        _ options: StringOptions, _ loop: ServerLoop, _ reply: inout ReplyBuffer
    ) throws(StoreError) -> Bool {
        let none = 0..<0
        let device = texts.extracting(record.device ?? none)
        let platform = texts.extracting(record.platform ?? none)
        let server = texts.extracting(record.server ?? none)
        let write = RecordWrite(
            status: record.status, activity: record.lastSeen,
            ttlMilliseconds: options.end?.milliseconds(since: loop.now), keepsTTL: options.keepsTTL,
            condition: options.condition, endsAllSessions: record.connectionID == nil)
        guard options.returnsOld else {
            return try loop.store.write(
                user, session: session, device: device, platform: platform, server: server, write, at: loop.now)
        }
        var existed = false
        let isSet = try loop.store.write(
            user, session: session, device: device, platform: platform, server: server, write, at: loop.now
        ) { old in
            existed = true
            reply.bulk(old)
        }
        if existed {
            loop.counters.hits.add(1)
        } else {
            loop.counters.misses.add(1)
            reply.null()
        }
        return isSet
    }
}

/// What a migration has done so far.
package struct MigrationCounts: Hashable, Sendable {
    /// A key that was not copied, and why: the first few are shown.
    package struct Example: Hashable, Sendable {
        var key: [UInt8]
        var why: String
    }

    /// How many examples of each kind are kept.
    static let maximumExamples = 5

    /// Keys looked at; one that changes is looked at again.
    package internal(set) var keys = 0
    /// Records written to the target, by what they were in the source.
    package internal(set) var json = 0
    package internal(set) var hashes = 0
    package internal(set) var words = 0
    /// Sessions ended, since their key was deleted, says offline, or has a newer session.
    package internal(set) var ended = 0
    /// Keys that were not written: the user is offline.
    package internal(set) var offline = 0
    /// Keys that were gone when they were read.
    package internal(set) var gone = 0
    /// Keys of kinds that hold no presence, by kind.
    package internal(set) var otherKinds: [String: Int] = [:]
    /// Keys that hold no record.
    package internal(set) var bad = 0
    package internal(set) var badExamples: [Example] = []
    /// Records that the target refused.
    package internal(set) var refused = 0
    package internal(set) var refusedExamples: [Example] = []
    /// Records without a TTL: they got the target's `session-ttl`.
    package internal(set) var withoutTTL = 0
    /// Records whose TTL was above the target's `heartbeat-hard-limit`: they got that.
    package internal(set) var shortened = 0
    /// Fields that the target does not keep.
    package internal(set) var droppedFields = 0
    /// How often a connection was lost, and everything was read again.
    package internal(set) var losses = 0
    /// How often more keys changed than can wait, and everything was read again.
    package internal(set) var overflows = 0
    /// Changes that the source told of.
    package internal(set) var changes = 0

    /// Records written to the target.
    package var written: Int { json + hashes + words }

    mutating func note(_ form: SourceRecord.Form) {
        switch form {
        case .json: json += 1
        case .hash: hashes += 1
        case .word: words += 1
        }
    }

    mutating func noteBad(_ key: [UInt8], _ why: String) {
        bad += 1
        if badExamples.count < Self.maximumExamples { badExamples.append(Example(key: key, why: why)) }
    }

    mutating func noteRefused(_ key: [UInt8], _ why: String) {
        refused += 1
        if refusedExamples.count < Self.maximumExamples { refusedExamples.append(Example(key: key, why: why)) }
    }
}

import Presence

@testable import PresenceStore

/// The image of plain facts, by the drawing of `UserImage` and nothing else: what the store writes straight from records must be the same bytes.
extension UserImage {
    static func bytes(of user: ReplicaFacts, form: ImageForm = .newest) -> [UInt8] {
        let facts = user.facts
        var writer = PlainWriter()
        var flags: UInt8 = user.isNamed ? 1 : 0
        if facts.lastSeen != nil { flags |= 2 }
        if facts.manual.stamp != .zero { flags |= 4 }
        if facts.text.stamp != .zero { flags |= 8 }
        if user.privacy != nil { flags |= 16 }
        if !user.edges.isEmpty { flags |= 32 }
        let id = StoredID(user.id)
        if form == .three, facts.sessions.count == 1 { flags |= 128 }
        var status = user.status.rawValue
        if form == .three, facts.manual.stamp != .zero {
            status += (facts.manual.value?.rawValue ?? 0) * 32
            if facts.manual.stamp != user.version { status += 8 }
            if facts.manual.until != nil { status += 16 }
        }
        writer.bytes += [form.rawValue, flags | (id.isPacked ? 64 : 0), status]
        writer.number(user.version.rawValue, 8)
        if let lastSeen = facts.lastSeen { writer.distance(lastSeen, from: user.version.timestamp) }
        writer.short(id.bytes)
        if form == .three {
            if facts.manual.stamp != .zero {
                if facts.manual.stamp != user.version { writer.stamp(facts.manual.stamp, from: user.version) }
                if let until = facts.manual.until { writer.distance(until, from: user.version.timestamp) }
            }
            if facts.text.stamp != .zero {
                writer.stamp(facts.text.stamp, from: user.version)
                writer.end(facts.text.until, from: user.version.timestamp)
                writer.short(facts.text.value ?? [])
            }
        }
        if form == .one, facts.manual.stamp != .zero {
            writer.number(facts.manual.stamp.rawValue, 8)
            writer.bytes.append(facts.manual.value?.rawValue ?? 0)
            writer.instant(facts.manual.until ?? .distantFuture)
        }
        if form == .one, facts.text.stamp != .zero {
            writer.number(facts.text.stamp.rawValue, 8)
            writer.instant(facts.text.until ?? .distantFuture)
            writer.short(facts.text.value ?? [])
        }
        if let privacy = user.privacy {
            writer.number(privacy.visibilityStamp.rawValue, 8)
            writer.number(privacy.lastSeenStamp.rawValue, 8)
            writer.bytes += [privacy.value.visibility.rawValue, privacy.value.lastSeen.rawValue]
            writer.lastSeen(privacy.value.strangersRead)
            writer.lastSeen(privacy.value.friendsRead)
        }
        if !user.edges.isEmpty {
            writer.number(UInt64(user.edges.count), 4)
            for (other, relation) in user.edges.sorted(by: { $0.key < $1.key }) { writer.edge(other, relation) }
        }
        if form == .one || facts.sessions.count != 1 { writer.bytes.append(UInt8(facts.sessions.count)) }
        let sessions = facts.sessions.map { (id: StoredID($0.key), facts: $0.value, words: user.words[$0.key]) }
        for session in sessions.sorted(by: { $0.id < $1.id }) {
            writer.session(session.id, session.facts, session.words ?? .init(), form == .three ? user.version : nil)
        }
        return writer.bytes
    }
}

/// An id as records and images keep it.
private struct StoredID: Comparable {
    var bytes: [UInt8]
    var isPacked: Bool

    init(_ id: [UInt8]) {
        (bytes, isPacked) = id.withUnsafeBytes { text in
            let key = BytesKey(text)
            var stored = [UInt8](repeating: 0, count: key.storedCount)
            stored.withUnsafeMutableBytes { if !$0.isEmpty { key.store(to: $0.baseAddress!) } }
            return (stored, key.isPacked)
        }
    }

    static func < (left: StoredID, right: StoredID) -> Bool {
        left.isPacked == right.isPacked ? left.bytes.lexicographicallyPrecedes(right.bytes) : right.isPacked
    }
}

private struct PlainWriter {
    var bytes: [UInt8] = []

    mutating func number(_ value: UInt64, _ count: Int) {
        for place in 0..<count { bytes.append(UInt8(truncatingIfNeeded: value >> (8 * UInt64(place)))) }
    }

    mutating func instant(_ value: Timestamp) { number(UInt64(bitPattern: value.milliseconds), 8) }

    mutating func shrunk(_ value: UInt64) {
        if value < 128 {
            bytes.append(UInt8(value))
        } else {
            bytes.append(UInt8(value % 128) + 128)
            shrunk(value / 128)
        }
    }

    mutating func distance(_ value: Timestamp, from base: Timestamp) {
        let distance = value.milliseconds - base.milliseconds
        shrunk(distance < 0 ? UInt64(-distance) * 2 - 1 : UInt64(distance) * 2)
    }

    mutating func stamp(_ value: Stamp, from base: Stamp) {
        distance(value.timestamp, from: base.timestamp)
        shrunk(UInt64(value.counter) * 256 + UInt64(value.node))
    }

    mutating func end(_ value: Timestamp?, from base: Timestamp) {
        guard let value else { return shrunk(0) }
        let distance = value.milliseconds - base.milliseconds
        shrunk(distance < 0 ? UInt64(-distance) * 2 : UInt64(distance) * 2 + 1)
    }

    mutating func short(_ text: [UInt8]) {
        bytes.append(UInt8(text.count))
        bytes += text
    }

    mutating func lastSeen(_ value: LastSeen) {
        switch value {
        case .unknown: bytes += [UInt8](repeating: 0, count: 9)
        case .exact(let instant):
            bytes.append(1)
            self.instant(instant)
        case .coarse(let instant):
            bytes.append(2)
            self.instant(instant)
        }
    }

    mutating func edge(_ other: UInt64, _ relation: Relation) {
        number(other, 8)
        instant(relation.friendStamp.at)
        bytes.append(relation.friendStamp.node)
        instant(relation.blockStamp.at)
        bytes.append(relation.blockStamp.node)
        bytes.append(
            (relation.isFriend ? 1 : 0) + (relation.isBlocked ? 2 : 0) + (relation.read == nil ? 0 : 4)
                + (relation.othersRead == nil ? 0 : 8))
        if let read = relation.read { lastSeen(read) }
        if let read = relation.othersRead { lastSeen(read) }
    }

    mutating func session(_ id: StoredID, _ facts: Session, _ words: ReplicaFacts.Words, _ version: Stamp?) {
        var flags: UInt8 = (facts.isPassive ? 8 : 0) + (id.isPacked ? 128 : 0)
        flags += (facts.brought?.rawValue ?? 0) * 32
        if let closed = facts.closed {
            flags += 1 + (closed.isLoss ? 2 : 0) + (closed.leavesGrace ? 4 : 0) + (closed.isOfGateway ? 16 : 0)
        } else if facts.activity != nil {
            flags += 16
        }
        bytes += [flags, facts.home]
        short(id.bytes)
        if let version { stamp(facts.incarnation, from: version) } else { number(facts.incarnation.rawValue, 8) }
        distance(facts.heartbeat, from: facts.incarnation.timestamp)
        shrunk(UInt64(facts.ttlMilliseconds))
        if let moment = facts.closed?.at ?? facts.activity { distance(moment, from: facts.heartbeat) }
        for word in [words.device, words.platform, words.server] { short(word) }
    }
}

extension ShardedStore {
    /// The image of a user who is known, in one of its forms.
    func image(of user: String, form: ImageForm) -> [UInt8] {
        withUser(user.utf8.span, at: clock.now()) { state, key, hash, now in
            var image: [UInt8] = []
            state.appendUserImage(of: state.find(key, hash), form: form, at: now, to: &image)
            return image
        }
    }
}

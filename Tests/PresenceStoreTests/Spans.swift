import Presence
import PresenceStore
import PresenceTesting

/// Names of the model as the store takes them: bytes, and no words unless given.
extension ShardedStore {
    @discardableResult
    func connect(
        _ user: SlowModel.Name, session: SlowModel.Name, device: SlowModel.Name = "", platform: SlowModel.Name = "",
        server: SlowModel.Name = "", _ options: ConnectOptions = ConnectOptions(), at now: Timestamp
    ) throws(StoreError) -> Int {
        try connect(
            user.bytes.span, session: session.bytes.span, device: device.bytes.span, platform: platform.bytes.span,
            server: server.bytes.span, options, at: now)
    }

    @discardableResult
    func beat(_ user: SlowModel.Name, session: SlowModel.Name, isActive: Bool = false, at now: Timestamp) -> Bool {
        beat(user.bytes.span, session: session.bytes.span, isActive: isActive, at: now)
    }

    @discardableResult
    func disconnect(
        _ user: SlowModel.Name, session: SlowModel.Name, reason: Reason = .disconnect, at now: Timestamp
    ) -> Bool {
        disconnect(user.bytes.span, session: session.bytes.span, reason: reason, at: now)
    }

    @discardableResult
    func write(
        _ user: SlowModel.Name, session: SlowModel.Name, device: SlowModel.Name = "", platform: SlowModel.Name = "",
        server: SlowModel.Name = "", _ record: RecordWrite, at now: Timestamp
    ) throws(StoreError) -> Bool {
        try write(
            user.bytes.span, session: session.bytes.span, device: device.bytes.span, platform: platform.bytes.span,
            server: server.bytes.span, record, at: now)
    }

    @discardableResult
    func write(
        _ user: SlowModel.Name, session: SlowModel.Name, device: SlowModel.Name = "", platform: SlowModel.Name = "",
        server: SlowModel.Name = "", _ record: RecordWrite, at now: Timestamp, previous: (Span<UInt8>) -> Void
    ) throws(StoreError) -> Bool {
        try write(
            user.bytes.span, session: session.bytes.span, device: device.bytes.span, platform: platform.bytes.span,
            server: server.bytes.span, record, at: now, previous: previous)
    }

    @discardableResult
    func setString(
        _ key: SlowModel.Name, _ value: SlowModel.Name, _ options: StringSetOptions = StringSetOptions(),
        at now: Timestamp
    ) throws(StoreError) -> Bool {
        try setString(key.bytes.span, value.bytes.span, options, at: now)
    }

    func string(_ key: SlowModel.Name, at now: Timestamp) -> SlowModel.Name? {
        var value: SlowModel.Name?
        let isFound = getString(key.bytes.span, at: now) { span in value = SlowModel.Name(Array(copying: span)) }
        return isFound ? value : nil
    }

    @discardableResult
    func increment(_ key: SlowModel.Name, by step: Int64, at now: Timestamp) throws(StoreError) -> Int64 {
        try increment(key.bytes.span, by: step, at: now)
    }

    @discardableResult
    func append(
        _ key: SlowModel.Name, _ more: SlowModel.Name, maximumLength: Int = .max, at now: Timestamp
    ) throws(StoreError) -> Int {
        try append(key.bytes.span, more.bytes.span, maximumLength: maximumLength, at: now)
    }

    func string(
        _ key: SlowModel.Name, changing change: StringExpiryChange, at now: Timestamp
    ) -> SlowModel.Name? {
        var value: SlowModel.Name?
        let isFound = getString(key.bytes.span, changing: change, at: now) {
            value = SlowModel.Name(Array(copying: $0))
        }
        return isFound ? value : nil
    }

    func takeString(_ key: SlowModel.Name, at now: Timestamp) -> SlowModel.Name? {
        var value: SlowModel.Name?
        let isFound = takeString(key.bytes.span, at: now) { value = SlowModel.Name(Array(copying: $0)) }
        return isFound ? value : nil
    }

    func stringLength(_ key: SlowModel.Name, at now: Timestamp) -> Int? { stringLength(key.bytes.span, at: now) }

    @discardableResult
    func persistString(_ key: SlowModel.Name, at now: Timestamp) -> Bool { persistString(key.bytes.span, at: now) }

    func memoryUsage(_ kind: KeyKind, _ key: SlowModel.Name, at now: Timestamp) -> Int? {
        memoryUsage(kind, key.bytes.span, at: now)
    }

    func fingerprint(of kind: KeyKind, _ key: SlowModel.Name, at now: Timestamp) -> UInt64 {
        fingerprint(of: kind, key.bytes.span, at: now)
    }

    func status(of user: SlowModel.Name, at now: Timestamp) -> Status { status(of: user.bytes.span, at: now) }

    func exists(_ kind: KeyKind, _ key: SlowModel.Name, at now: Timestamp) -> Bool {
        exists(kind, key.bytes.span, at: now)
    }

    @discardableResult
    func remove(_ kind: KeyKind, _ key: SlowModel.Name, at now: Timestamp) -> Bool {
        remove(kind, key.bytes.span, at: now)
    }

    /// Every key that a whole walk hands out, in its order.
    func allKeys(count: Int = 10, at now: Timestamp) -> [(kind: KeyKind, key: SlowModel.Name)] {
        var found: [(kind: KeyKind, key: SlowModel.Name)] = []
        var cursor: UInt64 = 0
        repeat {
            cursor = scan(cursor: cursor, count: count, at: now) { kind, key in
                found.append((kind, SlowModel.Name(Array(copying: key))))
            }
        } while cursor != 0
        return found
    }
}

extension Array where Element == UInt8 {
    init(copying span: Span<UInt8>) {
        self = span.withUnsafeBytes { Array($0) }
    }
}

extension SlowModel.Name {
    init(_ text: String) { self.init(Array(text.utf8)) }
}

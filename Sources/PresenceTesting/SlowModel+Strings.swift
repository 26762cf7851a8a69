import Presence

/// A plain string with or without an end.
struct ModelString: Sendable {
    var value: SlowModel.Name
    var until: Timestamp?
}

/// Plain strings with a TTL: every key that has not the prefix of presences.
extension SlowModel {
    /// When a string ends.
    public enum Expiry: Hashable, Sendable {
        /// Never.
        case none
        /// When the string ended that it replaces; never, if there is none.
        case keep
        /// The first instant at which it is gone.
        case at(Timestamp)
    }

    /// When a string is set at all.
    public enum Condition: Hashable, Sendable {
        /// In any case.
        case always
        /// If there is none (`NX`).
        case ifAbsent
        /// If there is one (`XX`).
        case ifPresent
    }

    /// `SET` of a string.
    ///
    /// - Returns: false, and nothing happens, if the condition does not hold. An end that has passed deletes the key.
    @discardableResult
    public mutating func set(
        string key: Name, to value: Name, expiry: Expiry = .none, condition: Condition = .always
    ) -> Bool {
        switch condition {
        case .always: break
        case .ifAbsent: guard string(key) == nil else { return false }
        case .ifPresent: guard string(key) != nil else { return false }
        }
        let old = exists(string: key) ? strings[key]?.until : nil
        switch expiry {
        case .none: strings[key] = ModelString(value: value, until: nil)
        case .keep: strings[key] = ModelString(value: value, until: old)
        case .at(let instant): strings[key] = ModelString(value: value, until: instant)
        }
        return true
    }

    /// The value of a string, or nil.
    public func string(_ key: Name) -> Name? {
        guard let string = strings[key], now < string.until ?? .distantFuture else { return nil }
        return string.value
    }

    /// Whether there is a string of that key.
    public func exists(string key: Name) -> Bool { string(key) != nil }

    /// Milliseconds until a string is gone; `Int64.max` if it never goes, nil if there is none.
    public func timeToLive(string key: Name) -> Int64? {
        guard exists(string: key) else { return nil }
        return strings[key]?.until?.milliseconds(since: now) ?? .max
    }

    /// Gives a string an end; one that has passed deletes it.
    ///
    /// - Returns: false if there is none.
    @discardableResult
    public mutating func expire(string key: Name, at deadline: Timestamp) -> Bool {
        guard exists(string: key) else { return false }
        strings[key]?.until = deadline
        return true
    }

    /// Takes the end of a string away.
    ///
    /// - Returns: false if there is none, or it has no end.
    @discardableResult
    public mutating func persist(string key: Name) -> Bool {
        guard exists(string: key), strings[key]?.until != nil else { return false }
        strings[key]?.until = nil
        return true
    }

    /// What adding to a string comes to.
    public enum Increment: Hashable, Sendable {
        /// The sum, which is the value now.
        case sum(Int64)
        /// The value is no number in its one spelling; nothing happens.
        case notAnInteger
        /// The sum has more than 64 bits; nothing happens.
        case overflow
    }

    /// `INCRBY` of a string, 0 if there is none. Its end stays.
    @discardableResult
    public mutating func increment(string key: Name, by step: Int64) -> Increment {
        let text = string(key).map { String(decoding: $0.bytes, as: UTF8.self) } ?? "0"
        guard let old = Int64(text), String(old) == text else { return .notAnInteger }
        let (sum, isTooLarge) = old.addingReportingOverflow(step)
        if isTooLarge { return .overflow }
        set(string: key, to: Name(stringLiteral: String(sum)), expiry: .keep)
        return .sum(sum)
    }

    /// `APPEND` to a string, to an empty one if there is none. Its end stays.
    ///
    /// - Returns: how many bytes it has; nil, and nothing happens, if they are more than `maximumLength`.
    @discardableResult
    public mutating func append(string key: Name, _ more: Name, maximumLength: Int = .max) -> Int? {
        let value = Name((string(key)?.bytes ?? []) + more.bytes)
        guard value.bytes.count <= maximumLength else { return nil }
        set(string: key, to: value, expiry: .keep)
        return value.bytes.count
    }

    /// Deletes a string.
    ///
    /// - Returns: false if there is none.
    @discardableResult
    public mutating func remove(string key: Name) -> Bool {
        guard exists(string: key) else { return false }
        strings[key] = nil
        return true
    }

    /// How many strings there are.
    public var stringCount: Int { strings.keys.count { exists(string: $0) } }

    /// How many of them end by themselves.
    public var stringsWithEndCount: Int { strings.count { exists(string: $0.key) && $0.value.until != nil } }
}

import Presence
import PresenceStore
import PresenceTesting

/// Operations on strings, done to both.
extension ModelRun {
    /// Values of all sizes: in every size class, outside the slabs, and those that count or nearly do.
    private mutating func randomValue() -> Name {
        if random.chance(oneIn: 2) {
            return random.pick([
                "0", "7", "-7", "10", "99", "-1", "9223372036854775807", "-9223372036854775808", "9223372036854775808",
                "-9223372036854775809", "99999999999999999999", "007", "+1", " 1", "1 ", "-0", "-", "0x1", "1.0",
            ])
        }
        return Name(random.bytes(random.pick([0...0, 1...40, 100...600, 1_900...3_000])))
    }

    mutating func setString(_ key: Name) throws(Difference) {
        let value = randomValue()
        let until = now.advanced(byMilliseconds: .random(in: -1...30_000, using: &random))
        let expiry = random.pick([
            (SlowModel.Expiry.none, StringSetOptions.Expiry.none), (.keep, .keep), (.at(until), .at(until)),
        ])
        let condition = random.pick([
            (SlowModel.Condition.always, StringSetOptions.Condition.always), (.always, .always),
            (.ifAbsent, .ifAbsent), (.ifPresent, .ifPresent),
        ])
        note("set \(key) to \(value.bytes.count) bytes \(expiry.1) \(condition.1)")
        let existed = model.exists(string: key)
        let expected = model.set(string: key, to: value, expiry: expiry.0, condition: condition.0)
        if expected {
            touch(.string, key)
            let isDead = expiry.1 == .at(until) && until <= now
            if isDead, !existed { tell(.string, key, .new) }
            tell(.string, key, .set)
            if expiry.1 == .at(until) { tell(.string, key, .expire) }
            if isDead, !existed { tell(.string, key, .expired) }
        }
        let options = StringSetOptions(expiry: expiry.1, condition: condition.1)
        let found = try orDifference { () throws(StoreError) in try store.setString(key, value, options, at: now) }
        try agree(found, expected, "set")
    }

    mutating func expire(string key: Name) throws(Difference) {
        let until = now.advanced(byMilliseconds: .random(in: -1...30_000, using: &random))
        note("expire string \(key) at \(until)")
        let expected = model.expire(string: key, at: until)
        if expected { touch(.string, key) }
        if expected, until > now { tell(.string, key, .expire) }
        let found = try orDifference { () throws(StoreError) in
            try store.expire(.string, key.bytes.span, at: until, now: now)
        }
        try agree(found, expected, "expire of a string")
    }

    mutating func remove(string key: Name) throws(Difference) {
        note("remove string \(key)")
        let expected = model.remove(string: key)
        if expected { touch(.string, key) }
        try agree(store.remove(.string, key, at: now), expected, "remove of a string")
    }

    mutating func persist(string key: Name) throws(Difference) {
        note("persist \(key)")
        let expected = model.persist(string: key)
        if expected {
            touch(.string, key)
            tell(.string, key, .persist)
        }
        try agree(store.persistString(key.bytes.span, at: now), expected, "persist")
    }

    mutating func increment(_ key: Name) throws(Difference) {
        let step = random.pick([1, -1, 7, -90, .max, .min, Int64.random(in: .min ... .max, using: &random)])
        note("increment \(key) by \(step)")
        let expected = model.increment(string: key, by: step)
        var found: SlowModel.Increment
        do {
            found = .sum(try store.increment(key.bytes.span, by: step, at: now))
        } catch .notAnInteger {
            found = .notAnInteger
        } catch .overflow {
            found = .overflow
        } catch {
            throw difference("\(error)")
        }
        try agree(found, expected, "increment")
        if case .sum = expected {
            touch(.string, key)
            tell(.string, key, .incremented)
        }
    }

    mutating func append(_ key: Name) throws(Difference) {
        let more = random.chance(oneIn: 2) ? randomValue() : Name(random.bytes(0...3))
        let limit = random.pick([Int.max, 2_500, 20])
        note("append \(more.bytes.count) bytes to \(key), at most \(limit)")
        let expected = model.append(string: key, more, maximumLength: limit)
        if expected != nil {
            touch(.string, key)
            tell(.string, key, .appended)
        }
        var found: Int?
        do {
            found = try store.append(key.bytes.span, more.bytes.span, maximumLength: limit, at: now)
        } catch .stringTooLong {
            found = nil
        } catch {
            throw difference("\(error)")
        }
        try agree(found, expected, "append")
    }

    /// Reads that may change the end of a string, or end it.
    mutating func read(string key: Name) throws(Difference) {
        let expected = model.string(key)
        var found: Name?
        let until = now.advanced(byMilliseconds: .random(in: -1...30_000, using: &random))
        let way = Int.random(in: 0..<5, using: &random)
        note("read \(key), way \(way), until \(until)")
        let isFound: Bool
        switch way {
        case 0:
            model.remove(string: key)
            isFound = store.takeString(key.bytes.span, at: now) { found = Name(Array(copying: $0)) }
            if expected != nil { touch(.string, key) }
        case 1:
            isFound = store.getString(key.bytes.span, changing: .keep, at: now) { found = Name(Array(copying: $0)) }
        case 2:
            if model.persist(string: key) {
                touch(.string, key)
                tell(.string, key, .persist)
            }
            isFound = store.getString(key.bytes.span, changing: .persist, at: now) { found = Name(Array(copying: $0)) }
        case 3:
            if model.expire(string: key, at: until) {
                touch(.string, key)
                if until > now { tell(.string, key, .expire) }
            }
            isFound = store.getString(key.bytes.span, changing: .at(until), at: now) {
                found = Name(Array(copying: $0))
            }
        default:
            try agree(store.stringLength(key.bytes.span, at: now), expected?.bytes.count, "length of \(key)")
            return
        }
        try agree(isFound, expected != nil, "whether \(key) was read")
        try agree(found, expected, "value of \(key) that was read")
    }

    private func orDifference<Result>(_ body: () throws(StoreError) -> Result) throws(Difference) -> Result {
        do {
            return try body()
        } catch {
            throw difference("\(error)")
        }
    }
}

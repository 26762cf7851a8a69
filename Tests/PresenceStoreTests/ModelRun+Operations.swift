import Presence
import PresenceStore
import PresenceTesting

/// One random operation, done to both.
extension ModelRun {
    mutating func apply() throws(Difference) {
        let before = existing()
        let user = random.pick(users)
        let session = random.pick(sessions)
        switch Int.random(in: 0..<40, using: &random) {
        case 0..<7: try connect(user, session)
        case 7..<15: try beat(user, session)
        case 15..<17: try beatMany()
        case 17..<20: try disconnect(user, session)
        case 20: try disconnectAll(user)
        case 21..<26: try write(user, session)
        case 26..<28: try expire(user)
        case 28: try remove(user)
        case 29..<31: try setManual(user)
        case 31: try setActivity(user)
        case 32..<36:
            try setString(random.pick(keys))
            // One that is set with an end that has passed ran out.
            note(before, .expired)
            return
        case 36: try expire(string: random.pick(keys))
        case 37: try remove(string: random.pick(keys))
        case 38:
            guard random.chance(oneIn: 8) else { return }
            note("removeAll")
            store.removeAll(at: now)
            model.removeAll()
            // As Redis: a flush of everything names no key.
            return
        default: break
        }
        note(before, .deleted)
    }

    /// A step for the story that a difference tells; long names in short.
    private mutating func note(_ text: String) {
        log.append(text.replacing(/([a-z])\1{20,}/) { "\($0.output.1)..." })
    }

    private mutating func randomWords() -> Words {
        Words(
            device: random.pick(["", "", "mobile", "web"]), platform: random.pick(["", "ios"]),
            server: random.pick(["", "server-\(Int.random(in: 0...9, using: &random))"].map { Name($0) }))
    }

    private mutating func connect(_ user: Name, _ session: Name) throws(Difference) {
        let ttl = random.chance(oneIn: 3) ? nil : Int64.random(in: 5_000...20_000, using: &random)
        let brought = random.chance(oneIn: 4) ? random.pick(SessionStatus.allCases) : nil
        let isPassive = random.chance(oneIn: 5)
        let given = randomWords()
        note("connect \(user) \(session) ttl \(ttl as Any) brings \(brought as Any) passive \(isPassive)")
        let expected = model.connect(
            user, session: session, ttlMilliseconds: ttl, brings: brought, isPassive: isPassive)
        var found: Int?
        do {
            found = try store.connect(
                user, session: session, device: given.device, platform: given.platform, server: given.server,
                ConnectOptions(ttlMilliseconds: ttl, brought: brought, isPassive: isPassive), at: now)
        } catch .tooManySessions(let limit) {
            try agree(limit, model.maxSessionsPerUser, "limit")
        } catch {
            throw difference("\(error)")
        }
        try agree(found, expected, "sessions after connect")
        if expected != nil {
            known.insert(user)
            words[user, default: [:]][session] = given
        }
    }

    private mutating func beat(_ user: Name, _ session: Name) throws(Difference) {
        let isActive = random.chance(oneIn: 3)
        note("beat \(user) \(session) active \(isActive)")
        let expected = model.beat(user, session: session, isActive: isActive)
        try agree(store.beat(user, session: session, isActive: isActive, at: now), expected, "beat")
    }

    private mutating func beatMany() throws(Difference) {
        let isActive = random.chance(oneIn: 3)
        var bytes: [UInt8] = []
        var ranges: [KeyRange] = []
        var expected: [Int] = []
        for position in 1...Int.random(in: 1...8, using: &random) {
            let user = random.pick(users)
            let session = random.pick(sessions)
            note("beat of many: \(user) \(session) active \(isActive)")
            for name in [user, session] {
                ranges.append(KeyRange(offset: bytes.count, length: name.bytes.count))
                bytes += name.bytes
            }
            if !model.beat(user, session: session, isActive: isActive) { expected.append(position) }
        }
        var unknown: [Int] = []
        store.beatAll(bytes.span, ranges.span, isActive: isActive, at: now) { unknown.append($0) }
        try agree(unknown, expected, "unknown sessions of a batch")
    }

    private mutating func disconnect(_ user: Name, _ session: Name) throws(Difference) {
        let reason = random.pick([Reason.disconnect, .wsDisconnect, .leaseLost, .dropped])
        note("disconnect \(user) \(session) \(reason)")
        let expected = model.disconnect(user, session: session, reason: reason)
        try agree(store.disconnect(user, session: session, reason: reason, at: now), expected, "disconnect")
    }

    private mutating func disconnectAll(_ user: Name) throws(Difference) {
        note("disconnect all of \(user)")
        let expected = model.exists(user: user)
        model.setOffline(user)
        try agree(store.disconnectAll(user.bytes.span, at: now), expected, "disconnect all")
    }

    private mutating func write(_ user: Name, _ session: Name) throws(Difference) {
        let status = random.pick([Status.online, .idle, .away, .dnd])
        let activity: Timestamp? =
            random.chance(oneIn: 2)
            ? nil : now.advanced(byMilliseconds: Int64.random(in: -20_000...1_000, using: &random))
        let ttl = random.chance(oneIn: 3) ? nil : Int64.random(in: 1...20_000, using: &random)
        let keepsTTL = random.chance(oneIn: 4)
        let given = random.chance(oneIn: 2) ? Words() : randomWords()
        note("write \(user) \(session) \(status) at \(activity as Any) ttl \(ttl as Any) keeps \(keepsTTL)")
        let condition = random.pick([StringSetOptions.Condition.always, .always, .always, .ifAbsent, .ifPresent])
        let isMet = condition == .always || model.exists(user: user) == (condition == .ifPresent)
        let wasLive = model.liveSessions(of: user).contains(session)
        let expected =
            isMet
            && model.setRecord(
                user, session: session, status: status, lastSeen: activity, ttlMilliseconds: ttl, keepsTTL: keepsTTL)
        var found = true
        do {
            let record = RecordWrite(
                status: status, activity: activity, ttlMilliseconds: ttl, keepsTTL: keepsTTL, condition: condition)
            found = try store.write(
                user, session: session, device: given.device, platform: given.platform, server: given.server, record,
                at: now)
        } catch .tooManySessions {
            found = false
        } catch {
            throw difference("\(error)")
        }
        try agree(found, expected, "write")
        guard expected else { return }
        known.insert(user)
        // What a record does not say of a session that lives stays as it was.
        let old = wasLive ? words[user]?[session] ?? Words() : Words()
        words[user, default: [:]][session] = Words(
            device: given.device == "" ? old.device : given.device,
            platform: given.platform == "" ? old.platform : given.platform,
            server: given.server == "" ? old.server : given.server)
    }

    private mutating func expire(_ user: Name) throws(Difference) {
        let ttl = random.chance(oneIn: 6) ? -5 : Int64.random(in: 1...20_000, using: &random)
        note("expire \(user) \(ttl)")
        let expected = model.expire(user: user, ttlMilliseconds: ttl)
        do {
            let deadline = now.advanced(byMilliseconds: ttl)
            let found = try store.expire(.presence, user.bytes.span, at: deadline, now: now)
            try agree(found, expected, "expire")
        } catch let error as StoreError {
            throw difference("\(error)")
        } catch let error as Difference {
            throw error
        } catch {}
    }

    private mutating func remove(_ user: Name) throws(Difference) {
        note("remove \(user)")
        let expected = model.remove(user: user)
        try agree(store.remove(.presence, user, at: now), expected, "remove")
    }

    private mutating func setManual(_ user: Name) throws(Difference) {
        let status = random.chance(oneIn: 3) ? nil : random.pick(ManualStatus.allCases)
        let until = random.chance(oneIn: 2) ? nil : now.advanced(byMilliseconds: .random(in: 0...9_000, using: &random))
        note("manual \(user) \(status as Any) until \(until as Any)")
        model.setManual(user, status, until: until)
        known.insert(user)
        do {
            try store.set(user.bytes.span, UserSettings(status: .some(status), until: until), at: now)
        } catch {
            throw difference("\(error)")
        }
    }

    private mutating func setActivity(_ user: Name) throws(Difference) {
        let text = random.chance(oneIn: 3) ? nil : Name(random.bytes(1...128))
        let until = random.chance(oneIn: 2) ? nil : now.advanced(byMilliseconds: .random(in: 0...9_000, using: &random))
        note("activity \(user) of \(text?.bytes.count ?? 0) until \(until as Any)")
        model.setActivity(user, text, until: until)
        known.insert(user)
        do {
            try store.set(user.bytes.span, UserSettings(activity: .some(text?.bytes), until: until), at: now)
        } catch {
            throw difference("\(error)")
        }
    }

    // MARK: Strings

    private mutating func setString(_ key: Name) throws(Difference) {
        let value = Name(random.bytes(random.pick([0...0, 1...40, 100...600, 1_900...3_000])))
        let until = now.advanced(byMilliseconds: .random(in: -1...30_000, using: &random))
        let expiry = random.pick([
            (SlowModel.Expiry.none, StringSetOptions.Expiry.none), (.keep, .keep), (.at(until), .at(until)),
        ])
        let condition = random.pick([
            (SlowModel.Condition.always, StringSetOptions.Condition.always), (.always, .always),
            (.ifAbsent, .ifAbsent), (.ifPresent, .ifPresent),
        ])
        note("set \(key) to \(value.bytes.count) bytes \(expiry.1) \(condition.1)")
        let expected = model.set(string: key, to: value, expiry: expiry.0, condition: condition.0)
        do {
            let options = StringSetOptions(expiry: expiry.1, condition: condition.1)
            let found = try store.setString(key, value, options, at: now)
            try agree(found, expected, "set")
        } catch let error as Difference {
            throw error
        } catch {
            throw difference("\(error)")
        }
    }

    private mutating func expire(string key: Name) throws(Difference) {
        let until = now.advanced(byMilliseconds: .random(in: -1...30_000, using: &random))
        note("expire string \(key) at \(until)")
        let expected = model.expire(string: key, at: until)
        do {
            let found = try store.expire(.string, key.bytes.span, at: until, now: now)
            try agree(found, expected, "expire of a string")
        } catch let error as Difference {
            throw error
        } catch {
            throw difference("\(error)")
        }
    }

    private mutating func remove(string key: Name) throws(Difference) {
        note("remove string \(key)")
        let expected = model.remove(string: key)
        try agree(store.remove(.string, key, at: now), expected, "remove of a string")
    }
}

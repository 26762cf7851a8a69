import Presence
import PresenceStore
import PresenceTesting

/// One random operation, done to both.
extension ModelRun {
    mutating func apply() throws(Difference) {
        let before = existing()
        told = []
        let user = random.pick(users)
        let session = random.pick(sessions)
        switch Int.random(in: 0..<60, using: &random) {
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
        case 38: try increment(random.pick(keys))
        case 39: try append(random.pick(keys))
        case 40: try read(string: random.pick(keys))
        case 41: try persist(string: random.pick(keys))
        case 42: try removeAll()
        case 43..<47: try relate(user)
        case 47..<49: try setPrivacy(user)
        case 49..<53: try watch(user)
        case 53: try unwatch(user)
        case 54..<57: try lease()
        case 57: try drop()
        default: break
        }
        note(before, isFlush ? nil : .deleted)
        isFlush = false
    }

    /// A step for the story that a difference tells; long names in short.
    mutating func note(_ text: String) {
        log.append(text.replacing(/([a-z])\1{20,}/) { "\($0.output.1)..." })
    }

    private mutating func randomWords() -> Words {
        Words(
            device: random.pick(["", "", "mobile", "web"]), platform: random.pick(["", "ios"]),
            server: random.pick(["", "server-\(Int.random(in: 0...3, using: &random))"].map { Name($0) }))
    }

    private mutating func connect(_ user: Name, _ session: Name) throws(Difference) {
        let brought = random.chance(oneIn: 4) ? random.pick(SessionStatus.allCases) : nil
        let isPassive = random.chance(oneIn: 5)
        let longest: Int64 = isPassive ? 90_000 : 20_000
        let ttl = random.chance(oneIn: 3) ? nil : Int64.random(in: 5_000...longest, using: &random)
        let given = randomWords()
        note("connect \(user) \(session) ttl \(ttl as Any) brings \(brought as Any) passive \(isPassive)")
        let expected = model.connect(
            user, session: session, server: given.server, ttlMilliseconds: ttl, brings: brought,
            isPassive: isPassive)
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
            touch(.presence, user)
            words[user, default: [:]][session] = given
        }
    }

    private mutating func beat(_ user: Name, _ session: Name) throws(Difference) {
        let isActive = random.chance(oneIn: 3)
        note("beat \(user) \(session) active \(isActive)")
        let expected = model.beat(user, session: session, isActive: isActive)
        if expected { touch(.presence, user) }
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
            if model.beat(user, session: session, isActive: isActive) {
                touch(.presence, user)
            } else {
                expected.append(position)
            }
        }
        var unknown: [Int] = []
        store.beatAll(bytes.span, ranges.span, isActive: isActive, at: now) { unknown.append($0) }
        try agree(unknown, expected, "unknown sessions of a batch")
    }

    private mutating func disconnect(_ user: Name, _ session: Name) throws(Difference) {
        let reason = random.pick([Reason.disconnect, .wsDisconnect, .leaseLost, .dropped])
        guard reason.isLoss || !mayBeForgotten(user, session) else { return }
        note("disconnect \(user) \(session) \(reason)")
        let expected = model.disconnect(user, session: session, reason: reason)
        if expected { touch(.presence, user) }
        try agree(store.disconnect(user, session: session, reason: reason, at: now), expected, "disconnect")
    }

    /// Whether a session was lost, and its user may have had so many that the store keeps only the end that is held longest: that stands for all.
    private func mayBeForgotten(_ user: Name, _ session: Name) -> Bool {
        model.maxSessionsPerUser < sessions.count && model.heldLosses(of: user).contains(session)
    }

    private mutating func disconnectAll(_ user: Name) throws(Difference) {
        note("disconnect all of \(user)")
        let expected = model.exists(user: user)
        if expected { touch(.presence, user) }
        model.setOffline(user)
        try agree(store.disconnectAll(user.bytes.span, at: now), expected, "disconnect all")
    }

    private mutating func write(_ user: Name, _ session: Name) throws(Difference) {
        if random.chance(oneIn: 6) {
            try writeOffline(user, session)
            return
        }
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
        let had = words[user]?[session] ?? Words()
        let hasSameWords =
            (given.device == "" || given.device == had.device)
            && (given.platform == "" || given.platform == had.platform)
            && (given.server == "" || given.server == had.server)
        let expected =
            isMet
            && model.setRecord(
                user, session: session, server: given.server, status: status, lastSeen: activity, ttlMilliseconds: ttl,
                keepsTTL: keepsTTL, hasSameWords: hasSameWords)
        let record = RecordWrite(
            status: status, activity: activity, ttlMilliseconds: ttl, keepsTTL: keepsTTL, condition: condition)
        let asksPrevious = random.chance(oneIn: 3)
        let recordBefore = asksPrevious ? self.record(of: user) : nil
        var previous: Name?
        var found = true
        do {
            if asksPrevious {
                found = try store.write(
                    user, session: session, device: given.device, platform: given.platform, server: given.server,
                    record, at: now
                ) { previous = Name(Array(copying: $0)) }
            } else {
                found = try store.write(
                    user, session: session, device: given.device, platform: given.platform, server: given.server,
                    record, at: now)
            }
        } catch .tooManySessions {
            found = false
        } catch {
            throw difference("\(error)")
        }
        try agree(found, expected, "write")
        try agree(previous, recordBefore, "record before the write")
        guard expected else { return }
        tell(.presence, user, .set)
        if ttl != nil { tell(.presence, user, .expire) }
        known.insert(user)
        touch(.presence, user)
        // What a record does not say of a session that lives stays as it was.
        let old = wasLive ? words[user]?[session] ?? Words() : Words()
        words[user, default: [:]][session] = Words(
            device: given.device == "" ? old.device : given.device,
            platform: given.platform == "" ? old.platform : given.platform,
            server: given.server == "" ? old.server : given.server)
    }

    /// A record that ends a session, or all; or one whose TTL is over, which ends the key.
    private mutating func writeOffline(_ user: Name, _ session: Name) throws(Difference) {
        let endsAll = random.chance(oneIn: 3) || mayBeForgotten(user, session)
        let isOver = random.chance(oneIn: 4)
        let condition = random.pick([StringSetOptions.Condition.always, .ifAbsent, .ifPresent])
        note("write \(user) \(session) offline, all \(endsAll), over \(isOver), \(condition)")
        let existed = model.exists(user: user)
        if existed { touch(.presence, user) }
        let isMet = condition == .always || existed == (condition == .ifPresent)
        if isMet, isOver {
            model.remove(user: user)
        } else if isMet {
            let hasEnded = model.setOffline(user, session: endsAll ? nil : session)
            if (endsAll ? existed : hasEnded), model.exists(user: user) { tell(.presence, user, .set) }
        }
        do {
            let record = RecordWrite(
                status: isOver ? .online : .offline, ttlMilliseconds: isOver ? 0 : nil, condition: condition,
                endsAllSessions: endsAll)
            try agree(try store.write(user, session: session, record, at: now), isMet, "write of offline")
        } catch let error as Difference {
            throw error
        } catch {
            throw difference("\(error)")
        }
    }

    /// What `GET` says of a user.
    private func record(of user: Name) -> Name? {
        var exists = false
        let record = [UInt8](capacity: ShardedStore.maximumRecordBytes) { out in
            exists = store.writeRecord(of: user.bytes.span, at: now, into: &out)
        }
        return exists ? Name(record) : nil
    }

    private mutating func removeAll() throws(Difference) {
        guard random.chance(oneIn: 8) else { return }
        note("removeAll")
        store.removeAll(at: now)
        model.removeAll()
        for user in users { touch(.presence, user) }
        for key in keys { touch(.string, key) }
        // As Redis: a flush of everything names no key.
        isFlush = true
    }

    private mutating func expire(_ user: Name) throws(Difference) {
        let ttl = random.chance(oneIn: 6) ? -5 : Int64.random(in: 1...20_000, using: &random)
        note("expire \(user) \(ttl)")
        let expected = model.expire(user: user, ttlMilliseconds: ttl)
        if expected { touch(.presence, user) }
        if expected, ttl > 0 { tell(.presence, user, .expire) }
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
        if expected { touch(.presence, user) }
        try agree(store.remove(.presence, user, at: now), expected, "remove")
    }

    private mutating func setManual(_ user: Name) throws(Difference) {
        let status = random.chance(oneIn: 3) ? nil : random.pick(ManualStatus.allCases)
        let until = random.chance(oneIn: 2) ? nil : now.advanced(byMilliseconds: .random(in: 0...9_000, using: &random))
        note("manual \(user) \(status as Any) until \(until as Any)")
        let change = UserSettings(status: .some(status), until: until)
        guard try set(user, change, mayEnd: status != nil) else { return }
        model.setManual(user, status, until: until)
    }

    private mutating func setActivity(_ user: Name) throws(Difference) {
        let text = random.chance(oneIn: 3) ? nil : Name(random.bytes(1...128).map { 32 + $0 % 95 })
        let until = random.chance(oneIn: 2) ? nil : now.advanced(byMilliseconds: .random(in: 0...9_000, using: &random))
        note("activity \(user) of \(text?.bytes.count ?? 0) until \(until as Any)")
        let change = UserSettings(activity: .some(text?.bytes), until: until)
        guard try set(user, change, mayEnd: text != nil) else { return }
        model.setActivity(user, text, until: until)
    }

    /// Sets in the store what a user sets by hand. False if that was refused, since an end was given and nothing that may end.
    private mutating func set(_ user: Name, _ change: UserSettings, mayEnd: Bool) throws(Difference) -> Bool {
        var isTaken = true
        do {
            try store.set(user.bytes.span, change, at: now)
        } catch .nothingEnds {
            isTaken = false
        } catch {
            throw difference("\(error)")
        }
        try agree(isTaken, mayEnd || change.until == nil, "whether that may be set")
        if isTaken {
            known.insert(user)
            touch(.presence, user)
        }
        return isTaken
    }
}

extension Migration {
    /// Opens both servers, and the subscription if changes are followed; all or none.
    func connect(_ work: inout Work) async throws(MigrationError) -> Connections {
        let source = try await open(options.source, .source)
        var names = names
        var subscriber: RedisWire?
        do throws(MigrationError) {
            let target = try await open(options.target, .target)
            do throws(MigrationError) {
                let limit = try await check(source, target, &names)
                if options.isFollowing {
                    try await checkNotifications(source, &work)
                    subscriber = try await subscribe(names)
                }
                work.report.total = try await source.exchange(Requests("DBSIZE"))[0].number ?? 0
                if !work.hasBegun {
                    say(.event("copying keys \(names.pattern) of \(options.source) to \(options.target)"))
                }
                work.hasBegun = true
                return Connections(
                    source: source, target: target, subscriber: subscriber, names: names, hardLimitMilliseconds: limit)
            } catch {
                await target.close()
                await subscriber?.close()
                throw error
            }
        } catch {
            await source.close()
            throw error
        }
    }

    /// A connection that is let in and has its database.
    private func open(
        _ url: RedisURL, _ side: MigrationError.Side, heard: @escaping @Sendable (Reply) -> Void = { _ in }
    ) async throws(MigrationError) -> RedisWire {
        let wire = try await dialer.dial(url, side, heard: heard)
        /// The reply to a command that the server has no reason not to answer.
        func answer(_ requests: Requests) async throws(MigrationError) -> Reply {
            do throws(MigrationError) {
                return try await wire.exchange(requests)[0]
            } catch {
                guard case .lost(_, let why) = error, !url.usesTLS else { throw error }
                throw .unreachable(side, "\(url)", "\(why) (if it speaks TLS, its URL begins with rediss://)")
            }
        }
        do throws(MigrationError) {
            if let password = url.password {
                let words = ["AUTH"] + (url.user.map { [$0] } ?? []) + [password]
                var requests = Requests()
                requests.add(words.map { [UInt8]($0) })
                if case .error(let text) = try await answer(requests) {
                    throw .passwordRefused(side, "\(url)", text)
                }
            }
            let reply = try await answer(Requests("SELECT", "\(url.database)"))
            if case .error(let text) = reply {
                switch reply.errorCode {
                case "NOAUTH": throw .passwordMissing(side, "\(url)")
                case "LOADING": throw .lost(side, text)
                default: throw .refused(side, "SELECT \(url.database)", text)
                }
            }
            return wire
        } catch {
            await wire.close()
            throw error
        }
    }

    /// Finds out that the target is a presenced, how it names keys, and its longest TTL in milliseconds.
    private func check(
        _ source: RedisWire, _ target: RedisWire, _ names: inout KeyNames
    ) async throws(MigrationError) -> Int64 {
        let here = try await target.exchange(Requests("INFO", "server"))[0].string ?? ""
        guard here.contains("presenced_version:") else { throw .notPresenced("\(options.target)") }
        let there = try await source.exchange(Requests("INFO", "server"))[0].string ?? ""
        if let mine = Self.field("run_id", of: here), mine == Self.field("run_id", of: there) {
            throw .sameServer("\(options.target)")
        }
        guard !options.isFollowing || !there.contains("presenced_version:") else {
            throw .notFollowed("\(options.source)")
        }
        let settings = try await target.exchange(Self.settingsRequest)
        guard let prefix = settings[0].setting, let limit = settings[1].setting.flatMap(options.readDuration) else {
            throw .refused(.target, "CONFIG GET key-prefix", "its reply is not a setting")
        }
        names.targetPrefix = [UInt8](prefix)
        return Int64(limit)
    }

    private static var settingsRequest: Requests {
        var requests = Requests("CONFIG", "GET", "key-prefix")
        requests.add("CONFIG", "GET", "heartbeat-hard-limit")
        return requests
    }

    /// The value of a line of `INFO`.
    private static func field(_ name: String, of info: String) -> Substring? {
        info.split(whereSeparator: \.isNewline).first { $0.hasPrefix(name + ":") }?.dropFirst(name.count + 1)
    }

    // MARK: - Notifications

    private func subscribe(_ names: KeyNames) async throws(MigrationError) -> RedisWire {
        let subscription = inbox.begin()
        let database = options.source.database
        let wire = try await open(options.source, .source) { [inbox] message in
            let words = message.elements
            guard words.count == 4, case .bytes(let channel) = words[2], case .bytes(let event) = words[3] else {
                if message == .null { inbox.lose(subscription) }
                return
            }
            guard let key = names.key(ofChannel: channel, database: database) else { return }
            inbox.add(key, KeyChange(event: event))
        }
        let requests = Requests("PSUBSCRIBE", names.channelPattern(database: database))
        if case .error(let text) = try await wire.exchange(requests)[0] {
            await wire.close()
            throw .refused(.source, "PSUBSCRIBE", text)
        }
        return wire
    }

    /// Sees to it that the source tells of every change, anew on each connection: a restart may have forgotten it.
    private func checkNotifications(_ source: RedisWire, _ work: inout Work) async throws(MigrationError) {
        let reply = try await source.exchange(Requests("CONFIG", "GET", "notify-keyspace-events"))[0]
        guard let current = reply.setting else {
            if !work.hasBegun {
                say(
                    .event(
                        "the source does not let CONFIG be read: changes are heard of only if its notify-keyspace-events "
                            + "has \(String(EventFlags.needed)) or KA"))
            }
            return
        }
        let flags = EventFlags(current)
        guard !flags.suffice else { return }
        guard options.setsNotifications || work.notifications != nil else {
            throw .notificationsMissing(current: current, needed: flags.completed)
        }
        let set = try await source.exchange(Requests("CONFIG", "SET", "notify-keyspace-events", flags.completed))[0]
        if case .error(let text) = set { throw .refused(.source, "CONFIG SET notify-keyspace-events", text) }
        work.notifications = (work.notifications?.before ?? current, flags.completed)
        say(.event("notify-keyspace-events of the source is \(flags.completed) now; it was \"\(current)\""))
    }

    /// Gives the source back the notifications that it had, if nobody else changed them meanwhile.
    func putBack(_ work: Work) async {
        guard let notifications = work.notifications else { return }
        do throws(MigrationError) {
            let source = try await open(options.source, .source)
            let current = try await source.exchange(Requests("CONFIG", "GET", "notify-keyspace-events"))[0].setting
            if let current, EventFlags(current) == EventFlags(notifications.set) {
                _ = try await source.exchange(
                    Requests("CONFIG", "SET", "notify-keyspace-events", notifications.before))
                say(.event("notify-keyspace-events of the source is \"\(notifications.before)\" again"))
            }
            await source.close()
        } catch {
            say(
                .event(
                    "notify-keyspace-events of the source could not be put back to \"\(notifications.before)\": \(error)"
                ))
        }
    }
}

extension Reply {
    /// An integer.
    fileprivate var number: Int? {
        if case .integer(let number) = self { Int(number) } else { nil }
    }

    /// The value in a reply of `CONFIG GET` for one setting.
    fileprivate var setting: String? {
        elements.count == 2 ? elements[1].string : nil
    }
}

import PresenceServer
import Synchronization

/// SIGHUP: the file is read again while presenced runs.
extension LiveSettings {
    /// What came of reading the settings again.
    struct Reread: Equatable {
        /// Settings with another value than before, now in force.
        var changed: [String]
        /// Settings with another value than the one in force, which is fixed at the start.
        var fixed: [String]
    }

    /// Reads file and command line again, and puts in force what can change while presenced runs. The files of TLS are read anew in any case.
    ///
    /// What counts is what has changed in the file since it was last read: what `CONFIG SET` has changed since, and the file has not, stays.
    ///
    /// - Throws: everything that is wrong; then nothing is changed.
    func reread() throws(SettingsProblems) -> Reread {
        let fresh = try read()
        let result = state.withLock { state -> Result<Reread, SettingsProblems> in
            do throws(SettingsProblems) {
                let reread = try Self.take(fresh, &state)
                inForce.withLock { $0 = state.settings }
                return .success(reread)
            } catch {
                return .failure(error)
            }
        }
        return try result.get()
    }

    private func read() throws(SettingsProblems) -> Settings {
        guard !file.isEmpty else {
            return try SettingsReader.read(file: nil, arguments: arguments, surroundings: surroundings)
        }
        let text: String
        do throws(ConfigurationFile.Problem) {
            text = try ConfigurationFile(path: file).text()
        } catch {
            throw SettingsProblems(lines: ["\(file): \(error.description)"])
        }
        return try SettingsReader.read(file: (file, text), arguments: arguments, surroundings: surroundings)
    }

    private static func take(_ fresh: Settings, _ state: inout State) throws(SettingsProblems) -> Reread {
        var settings = state.settings
        var reread = Reread(changed: [], fixed: [])
        for setting in Settings.table {
            let value = setting.read(fresh)
            guard setting.isLive else {
                if value != setting.read(settings) { reread.fixed.append(setting.name) }
                continue
            }
            guard value != setting.read(state.asRead), value != setting.read(settings) else { continue }
            reread.changed.append(setting.name)
            do throws(ValueError) {
                try setting.write(&settings, setting.isList ? SettingsFile.words(of: value) : [value])
            } catch {
                throw SettingsProblems(lines: ["\(setting.name): \(error.message)"])
            }
        }
        let broken = settings.brokenRelations()
        guard broken.isEmpty else { throw SettingsProblems(lines: broken.map(\.message)) }
        if reread.changed.contains("maxclients") {
            let clients = OpenFileLimit.raise(for: settings.maxclients)
            guard clients == settings.maxclients else {
                throw SettingsProblems(
                    lines: ["maxclients \(settings.maxclients): the limit of open files allows \(clients)"])
            }
        }
        let files = Settings.table.filter { $0.namesFiles && !$0.read(settings).isEmpty }.map(\.name)
        let names = Settings.table.map(\.name).filter { reread.changed.contains($0) || files.contains($0) }
        do throws(ConfigurationPortError) {
            if !names.isEmpty { try state.apply(settings, names) }
        } catch {
            guard case .invalid(_, let reason) = error else { throw SettingsProblems(lines: [error.message]) }
            throw SettingsProblems(lines: [reason])
        }
        state.settings = settings
        state.asRead = fresh
        return reread
    }
}

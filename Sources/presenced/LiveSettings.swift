import Glibc
import PresenceServer
import Synchronization

/// The settings of the running process: what `CONFIG GET` reads and `CONFIG SET` changes.
///
/// A `CONFIG SET` of several pairs is one change: all are read and checked together on a copy; then the copy is applied
/// whole, or nothing is. The lock guards the current values. It is held while they are applied, so that the changes of
/// two clients reach store and server in one order; the locks of those two are taken inside it, and never the other way
/// round: who reads takes another one, since a transaction may read while it holds all shards.
final class LiveSettings: ConfigurationPort {
    /// Puts settings in force, all or none; `changed` names what differs, and files that are to be read anew.
    typealias Apply = @Sendable (Settings, _ changed: [String]) throws(ConfigurationPortError) -> Void

    struct State {
        var settings: Settings
        /// What file and command line said when they were last read.
        var asRead: Settings
        var apply: Apply
    }

    let state: Mutex<State>
    /// What is in force, for who reads; taken last.
    let inForce: Mutex<Settings>
    /// The file that the settings came from; empty for none.
    let file: String
    /// The settings of the command line, which win over the file's.
    let arguments: [String]
    /// What else they depend on.
    let surroundings: Surroundings

    /// Starts with `settings`, which nobody is told of: who applies changes is ``attach(_:)``ed before clients come.
    /// `asRead` is what file and command line say, if that is not what is in force.
    init(
        _ settings: Settings, asRead: Settings? = nil, file: String = "", arguments: [String] = [],
        surroundings: Surroundings = Surroundings()
    ) {
        self.surroundings = surroundings
        self.file = file
        self.arguments = arguments
        inForce = Mutex(settings)
        state = Mutex(State(settings: settings, asRead: asRead ?? settings, apply: { _, _ in }))
    }

    /// Hands changed settings, and the names of those that changed, to `apply` from now on.
    func attach(_ apply: @escaping Apply) {
        state.withLock { $0.apply = apply }
    }

    /// The settings whose names match a glob pattern, in the table's order, as canonical text.
    func get(matching pattern: String) -> [(name: String, value: String)] {
        let settings = inForce.withLock { $0 }
        let pattern = pattern.lowercased()
        return Settings.table.filter { fnmatch(pattern, $0.name, 0) == 0 }.map { ($0.name, $0.read(settings)) }
    }

    /// Changes all of `pairs`, or none and says which is wrong. When it returns, they are in force.
    func set(_ pairs: [(name: String, value: String)]) throws(ConfigurationPortError) {
        let result = state.withLock { state -> Result<Void, ConfigurationPortError> in
            do throws(ConfigurationPortError) {
                let changed = try Self.changed(state.settings, by: pairs)
                // A file that is named again is read again, as in Redis.
                let files = pairs.compactMap { Setting.named($0.name) }.filter(\.namesFiles).map(\.name)
                let names = Settings.table.filter {
                    $0.read(changed) != $0.read(state.settings) || files.contains($0.name)
                }.map(\.name)
                if !names.isEmpty {
                    try state.apply(changed, names)
                    state.settings = changed
                    inForce.withLock { $0 = changed }
                }
                return .success(())
            } catch {
                return .failure(error)
            }
        }
        try result.get()
    }

    /// Writes the settings in force into the file they came from; see ``SettingsRewriter`` for what stays as it is.
    ///
    /// The new text is read as a start would read it before it replaces the old one.
    func rewrite() -> String? {
        guard !file.isEmpty else { return "ERR The server is running without a config file" }
        let configuration = ConfigurationFile(path: file)
        // Held meanwhile, so that of two at once the later one writes the later settings.
        return state.withLock { state in
            do {
                let text = SettingsRewriter.rewrite(try configuration.text(), to: state.settings)
                let result = try SettingsReader.read(file: (file, text), arguments: [], surroundings: surroundings)
                guard result == state.settings else {
                    return "ERR Rewriting config file: what was written would not be what is in force"
                }
                try configuration.replace(with: text)
                let again = try? SettingsReader.read(
                    file: (file, text), arguments: arguments, surroundings: surroundings)
                state.asRead = again ?? result
                return nil
            } catch let problem as ConfigurationFile.Problem {
                return "ERR Rewriting config file: \(problem.description)"
            } catch {
                return "ERR Rewriting config file: \(error)"
            }
        }
    }

    private static func changed(
        _ settings: Settings, by pairs: [(name: String, value: String)]
    ) throws(ConfigurationPortError) -> Settings {
        var settings = settings
        var names: [String] = []
        for (name, value) in pairs {
            guard let setting = Setting.named(name) else { throw .unknown(name: name) }
            guard setting.isLive else { throw .immutable(name: setting.name) }
            guard !names.contains(setting.name) else { throw .duplicate(name: setting.name) }
            names.append(setting.name)
            do {
                try setting.write(&settings, setting.isList ? SettingsFile.words(of: value) : [value])
            } catch {
                throw .invalid(name: setting.name, reason: error.message)
            }
        }
        for relation in settings.brokenRelations() {
            let name = relation.names.first(where: names.contains) ?? relation.names[0]
            throw .invalid(name: name, reason: relation.message)
        }
        let clients = OpenFileLimit.raise(for: settings.maxclients)
        guard clients == settings.maxclients || !names.contains("maxclients") else {
            throw .invalid(
                name: "maxclients",
                reason: "the limit of open files allows \(clients); ulimit -n raises it at the start")
        }
        return settings
    }
}

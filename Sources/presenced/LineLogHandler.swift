import Glibc
import Logging
import Presence
import PresenceStore
import Synchronization

/// Where log lines go, and which are severe enough: one for the process, shared by every logger.
///
/// A line is written with one system call, so that lines of different threads do not mix. `loglevel` is live: it is one
/// atomic.
final class LogDestination: Sendable {
    private let descriptor: Int32
    private let clock: any PresenceClock
    private let levelNumber: Atomic<Int>

    /// Writes to `descriptor` what is as severe as `level`.
    init(descriptor: Int32 = STDERR_FILENO, clock: any PresenceClock, level: Logger.Level?) {
        self.descriptor = descriptor
        self.clock = clock
        levelNumber = Atomic(Self.number(of: level))
    }

    /// The least severe level that is written; nil writes nothing.
    var level: Logger.Level? {
        get {
            let number = levelNumber.load(ordering: .relaxed)
            return number < Logger.Level.allCases.count ? Logger.Level.allCases[number] : nil
        }
        set { levelNumber.store(Self.number(of: newValue), ordering: .relaxed) }
    }

    /// The instant that a line written now carries.
    var now: Timestamp { clock.now() }

    /// Writes one line. What the descriptor does not take is lost: logging must not stop the server.
    func write(_ line: String) {
        let bytes = Array(line.utf8)
        _ = Glibc.write(descriptor, bytes, bytes.count)
    }

    private static func number(of level: Logger.Level?) -> Int {
        level.flatMap { Logger.Level.allCases.firstIndex(of: $0) } ?? Logger.Level.allCases.count
    }

    /// The level that a word of `loglevel` stands for; nil for `nothing`.
    static func level(named word: String) -> Logger.Level? {
        switch word {
        case "debug": .debug
        case "verbose": .info
        case "warning": .warning
        case "nothing": nil
        default: .notice
        }
    }
}

/// One line an event: instant, level, what happened, then facts as `name=value` in alphabetical order.
struct LineLogHandler: LogHandler {
    let destination: LogDestination
    var metadata: Logger.Metadata = [:]

    init(_ destination: LogDestination) {
        self.destination = destination
    }

    /// Loggers ask it before they make a message, so `loglevel` holds at once for all of them.
    var logLevel: Logger.Level {
        get { destination.level ?? .critical }
        set { destination.level = newValue }
    }

    subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { metadata[key] }
        set { metadata[key] = newValue }
    }

    func log(event: LogEvent) {
        guard destination.level != nil else { return }
        let facts = metadata.merging(event.metadata ?? [:]) { $1 }
        destination.write(Self.line(destination.now, event.level, "\(event.message)", facts))
    }

    /// The line without a trace of control characters: what a client sent cannot forge a second line.
    static func line(_ instant: Timestamp, _ level: Logger.Level, _ message: String, _ metadata: Logger.Metadata)
        -> String
    {
        let time = [UInt8](capacity: Timestamp.maximumISO8601ByteCount) { instant.writeISO8601(into: &$0) }
        var line = "\(String(decoding: time, as: UTF8.self)) \(level) \(message)"
        for (name, value) in metadata.sorted(by: { $0.key < $1.key }) {
            line += " \(name)=\(value)"
        }
        let clean = line.unicodeScalars.map { $0.value < 0x20 || $0.value == 0x7f ? "?" : Character($0) }
        return String(clean) + "\n"
    }
}

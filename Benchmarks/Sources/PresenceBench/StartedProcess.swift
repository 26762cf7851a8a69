import Foundation

/// A process that this one started, and that must not outlive it: it is ended when this one is told to end (``Interruption``), and by the system when this one crashes.
///
/// The system ends it with the *thread* that started it: that must be one that stays, as the main thread does.
final class StartedProcess: Sendable {
    private let pid: Int32
    private let number: Int

    /// - Parameter signal: what ends it when this process is told to end.
    init(_ pid: Int32, endedBy signal: Int32 = SIGTERM) {
        self.pid = pid
        number = Interruption.beforeEnd { kill(pid, signal) }
    }

    /// It has ended.
    func forget() { Interruption.forget(number) }

    /// A program and its arguments, such that the system ends it with whoever starts it: by `setpriv`, which becomes the program, so that the process id is its own. As they are where there is no `setpriv`.
    static func bound(_ path: String, _ arguments: [String]) -> (program: URL, arguments: [String]) {
        let program = URL(fileURLWithPath: path)
        guard let setpriv = Program.find("setpriv") else { return (program, arguments) }
        return (URL(fileURLWithPath: setpriv), ["--pdeathsig", "KILL", "--", program.path] + arguments)
    }
}

import Foundation
import Synchronization

/// Work on a thread of its own that somebody waits for.
final class OwnThread<Value: Sendable>: Sendable {
    /// Guards the result; written once.
    private let result = Mutex<Result<Value, any Error>?>(nil)

    /// Begins.
    ///
    /// - Parameter nice: of this thread alone, as Linux has it: servers that are started by others do not inherit it.
    init(nice: Int, _ work: @escaping @Sendable () throws -> Value) {
        Thread { [self] in
            if nice > 0 { _ = setpriority(__priority_which_t(PRIO_PROCESS.rawValue), 0, Int32(nice)) }
            let value = Result { try work() }
            result.withLock { $0 = value }
        }.start()
    }

    /// Waits for it to end.
    func value() throws -> Value {
        while true {
            if let value = result.withLock({ $0 }) { return try value.get() }
            usleep(10_000)
        }
    }
}

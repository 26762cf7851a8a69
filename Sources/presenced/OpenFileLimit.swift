import Glibc

/// Makes room for `maxclients` connections in the limit of open files, as Redis does.
enum OpenFileLimit {
    /// Files that the process needs beside its clients: listeners, event loops, log, a few of the run time.
    static let reserve = 64

    /// Raises the soft limit as far as needed and allowed.
    ///
    /// Returns how many clients fit: `maximumClients` as a rule, fewer where the hard limit is too low.
    static func raise(for maximumClients: Int) -> Int {
        var limit = rlimit()
        guard getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0 else { return maximumClients }
        let needed = rlim_t(maximumClients + reserve)
        if limit.rlim_cur < needed {
            var raised = limit
            raised.rlim_cur = min(needed, limit.rlim_max)
            if setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &raised) == 0 { limit = raised }
        }
        return fitting(maximumClients, openFiles: Int(clamping: limit.rlim_cur))
    }

    /// How many clients fit into `openFiles`, at least one.
    static func fitting(_ maximumClients: Int, openFiles: Int) -> Int {
        max(1, min(maximumClients, openFiles - reserve))
    }
}

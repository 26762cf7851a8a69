import Foundation

/// How many files and sockets this process, and those that it starts, may have open.
enum OpenFiles {
    /// Allows so many, or says what forbids it.
    static func raise(to count: Int) throws {
        var limit = rlimit()
        getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
        guard limit.rlim_cur < rlim_t(count) else { return }
        limit.rlim_cur = min(limit.rlim_max, rlim_t(count))
        guard limit.rlim_cur >= rlim_t(count), setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0
        else {
            throw BenchError("\(count) connections need as many open files: ulimit -n allows \(limit.rlim_max)")
        }
    }
}

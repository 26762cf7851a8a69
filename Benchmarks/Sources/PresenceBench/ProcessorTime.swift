import Foundation

/// Processor time, user and system together: what a busy machine disturbs least.
enum ProcessorTime {
    /// Of the calling thread, in nanoseconds.
    static func ofThread() -> UInt64 { read(CLOCK_THREAD_CPUTIME_ID) }

    /// Of all threads of a process that runs, in nanoseconds: what `/proc/PID/stat` shows as utime and stime, without its rounding to 10 ms.
    static func ofProcess(_ pid: Int32) throws -> UInt64 {
        var clock = clockid_t()
        guard clock_getcpuclockid(pid, &clock) == 0 else { throw BenchError("process \(pid) has ended") }
        return read(clock)
    }

    /// Nanoseconds of this thread that `body` takes.
    static func spent(_ body: () throws -> Void) rethrows -> Double {
        let before = ofThread()
        try body()
        return Double(ofThread() - before)
    }

    private static func read(_ clock: clockid_t) -> UInt64 {
        var time = timespec()
        clock_gettime(clock, &time)
        return UInt64(time.tv_sec) * 1_000_000_000 + UInt64(time.tv_nsec)
    }
}

/// Resident memory of a process.
enum ResidentMemory {
    /// Bytes, shared pages too; 0 if the process has ended.
    static func bytes(of process: String = "self") -> Int {
        guard let text = try? String(contentsOfFile: "/proc/\(process)/statm", encoding: .utf8) else { return 0 }
        let pages = text.split(separator: " ").dropFirst().first.flatMap { Int($0) } ?? 0
        return pages * Int(sysconf(Int32(_SC_PAGESIZE)))
    }
}

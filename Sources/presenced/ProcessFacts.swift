import Glibc
import PresenceServer

#if canImport(CJemalloc)
    import CJemalloc
#endif

/// What the process knows of itself and `INFO` tells: allocator, memory, processor time.
enum ProcessFacts {
    /// The allocator's name and version, as Redis spells it: `jemalloc-5.3.0`, or `libc` where jemalloc is not linked.
    static var allocator: String {
        #if canImport(CJemalloc)
            return "jemalloc-" + String(cString: presenced_jemalloc_version()).prefix { $0 != "-" }
        #else
            return "libc"
        #endif
    }

    /// Memory as the allocator and the kernel count it. Two small files are read: microseconds, no waiting.
    static func memory() -> MemoryUse {
        var use = MemoryUse(resident: residentBytes(), peakResident: peakResidentBytes())
        #if canImport(CJemalloc)
            presenced_jemalloc_refresh()
            use.allocated = presenced_jemalloc_figure("stats.allocated")
            use.active = presenced_jemalloc_figure("stats.active")
            use.allocatorResident = presenced_jemalloc_figure("stats.resident")
        #endif
        return use
    }

    /// Seconds of processor time that the process used, in the kernel and in itself.
    static func processorSeconds() -> (system: Double, user: Double) {
        var usage = rusage()
        getrusage(__rusage_who_t(RUSAGE_SELF.rawValue), &usage)
        func seconds(_ time: timeval) -> Double { Double(time.tv_sec) + Double(time.tv_usec) / 1e6 }
        return (seconds(usage.ru_stime), seconds(usage.ru_utime))
    }

    /// Everything that the server is told at the start.
    static func information(configurationFile: String) -> ProcessInformation {
        ProcessInformation(
            version: presencedVersion, allocator: allocator, processID: Int(getpid()),
            configurationFile: configurationFile, memory: memory, processorSeconds: processorSeconds,
            operatingSystem: operatingSystem, systemMemory: systemMemory, purge: purge, sleep: stopThread)
    }

    /// Gives pages that the allocator holds and does not use back to the system at once.
    private static func purge() -> Bool {
        #if canImport(CJemalloc)
            return presenced_jemalloc_purge() == 0
        #else
            return malloc_trim(0) >= 0
        #endif
    }

    /// Stops the thread for so many seconds, signals or not.
    private static func stopThread(seconds: Double) {
        var rest = timespec(tv_sec: Int(seconds), tv_nsec: Int((seconds - seconds.rounded(.down)) * 1e9))
        var whole = rest
        while nanosleep(&whole, &rest) != 0, errno == EINTR { whole = rest }
    }

    /// `Linux 6.1.0 x86_64`.
    private static var operatingSystem: String {
        #if arch(arm64)
            let machine = "aarch64"
        #else
            let machine = "x86_64"
        #endif
        let words = [text(of: "/proc/sys/kernel/ostype"), text(of: "/proc/sys/kernel/osrelease"), machine]
        return words.filter { !$0.isEmpty }.joined(separator: " ")
    }

    /// Bytes of memory that the machine has.
    private static var systemMemory: Int { sysconf(Int32(_SC_PHYS_PAGES)) * sysconf(Int32(_SC_PAGESIZE)) }

    /// The second number of `/proc/self/statm`, in pages; 0 where there is no such file.
    private static func residentBytes() -> Int {
        let pages = text(of: "/proc/self/statm").split(separator: " ").dropFirst().first
        return pages.flatMap { Int($0) }.map { $0 * Int(sysconf(Int32(_SC_PAGESIZE))) } ?? 0
    }

    /// The first line of a small file; empty where there is none.
    private static func text(of path: String) -> String {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { return "" }
        defer { close(descriptor) }
        var text = [UInt8](repeating: 0, count: 128)
        let count = read(descriptor, &text, text.count)
        return String(decoding: text[..<max(count, 0)].prefix { $0 != UInt8(ascii: "\n") }, as: UTF8.self)
    }

    private static func peakResidentBytes() -> Int {
        var usage = rusage()
        getrusage(__rusage_who_t(RUSAGE_SELF.rawValue), &usage)
        return usage.ru_maxrss * 1024
    }
}

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
            configurationFile: configurationFile, memory: memory, processorSeconds: processorSeconds)
    }

    /// The second number of `/proc/self/statm`, in pages; 0 where there is no such file.
    private static func residentBytes() -> Int {
        let descriptor = open("/proc/self/statm", O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { return 0 }
        defer { close(descriptor) }
        var text = [UInt8](repeating: 0, count: 128)
        let count = read(descriptor, &text, text.count)
        guard count > 0 else { return 0 }
        let pages = String(decoding: text[..<count], as: UTF8.self).split(separator: " ").dropFirst().first
        return pages.flatMap { Int($0) }.map { $0 * Int(sysconf(Int32(_SC_PAGESIZE))) } ?? 0
    }

    private static func peakResidentBytes() -> Int {
        var usage = rusage()
        getrusage(__rusage_who_t(RUSAGE_SELF.rawValue), &usage)
        return usage.ru_maxrss * 1024
    }
}

import Foundation

/// What others took of this machine while something was measured: a shared machine's figures are worth what it left.
struct MachineLoad {
    private let began = MonotonicClock.nanoseconds()
    private let all = MachineLoad.busy()
    private let own = MachineLoad.ownTime()

    /// Says it, for the time since this was made. Servers that were started meanwhile must have ended: then they are counted as ours.
    var text: String {
        let seconds = Double(MonotonicClock.nanoseconds() - began) / 1e9
        let now = MachineLoad.busy()
        let others = max(0, now.used - all.used - (MachineLoad.ownTime() - own))
        let cores = ProcessInfo.processInfo.activeProcessorCount
        return
            "Meanwhile other processes took \(fixed(others / seconds, 2)) of the \(cores) cores, and the host of this virtual machine kept \(fixed((now.stolen - all.stolen) / seconds, 2))."
    }

    /// Seconds of processor time since the machine began: used by anybody, and stolen by the host; from the first line of `/proc/stat`.
    private static func busy() -> (used: Double, stolen: Double) {
        guard let text = try? String(contentsOfFile: "/proc/stat", encoding: .utf8),
            let line = text.split(separator: "\n").first
        else { return (0, 0) }
        // user nice system idle iowait irq softirq steal
        let fields = line.split(separator: " ").dropFirst().map { Double($0) ?? 0 }
        guard fields.count >= 8 else { return (0, 0) }
        let ticks = Double(sysconf(Int32(_SC_CLK_TCK)))
        return ((fields[0] + fields[1] + fields[2] + fields[5] + fields[6]) / ticks, fields[7] / ticks)
    }

    /// Of this process and of those that it started and that have ended.
    private static func ownTime() -> Double {
        [RUSAGE_SELF, RUSAGE_CHILDREN].reduce(0) { sum, who in
            var usage = rusage()
            getrusage(__rusage_who_t(who.rawValue), &usage)
            return sum + seconds(usage.ru_utime) + seconds(usage.ru_stime)
        }
    }

    private static func seconds(_ time: timeval) -> Double { Double(time.tv_sec) + Double(time.tv_usec) / 1e6 }
}

import Foundation

/// The memory of this machine.
enum MachineMemory {
    /// Bytes that a process can have without the system having to swap.
    static var available: Int {
        guard let text = try? String(contentsOfFile: "/proc/meminfo", encoding: .utf8) else { return .max / 2 }
        for line in text.split(separator: "\n") where line.hasPrefix("MemAvailable:") {
            return line.split(separator: " ").dropFirst().first.flatMap { Int($0) }.map { $0 * 1_024 } ?? .max / 2
        }
        return .max / 2
    }
}

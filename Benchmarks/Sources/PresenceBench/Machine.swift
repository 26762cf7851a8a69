import Foundation

/// What a figure was measured on: without it a figure says nothing.
struct Machine: Encodable {
    let processor: String
    let cores: Int
    let memoryBytes: UInt64
    let kernel: String
    let system: String
    let date: String

    /// This machine, now.
    static func present() -> Machine {
        let process = ProcessInfo.processInfo
        return Machine(
            processor: field("model name", in: "/proc/cpuinfo", separator: ":") ?? "unknown",
            cores: process.activeProcessorCount, memoryBytes: process.physicalMemory,
            kernel: (try? String(contentsOfFile: "/proc/sys/kernel/osrelease", encoding: .utf8))?
                .trimmingCharacters(in: .whitespacesAndNewlines) ?? "unknown",
            system: field("PRETTY_NAME", in: "/etc/os-release", separator: "=")?
                .trimmingCharacters(in: CharacterSet(charactersIn: "\"")) ?? "unknown",
            date: ISO8601DateFormatter().string(from: Date()))
    }

    private static func field(_ name: String, in path: String, separator: Character) -> String? {
        guard let text = try? String(contentsOfFile: path, encoding: .utf8) else { return nil }
        for line in text.split(separator: "\n") where line.hasPrefix(name) {
            guard let place = line.firstIndex(of: separator) else { continue }
            return line[line.index(after: place)...].trimmingCharacters(in: .whitespaces)
        }
        return nil
    }
}

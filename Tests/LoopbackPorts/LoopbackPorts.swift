import Glibc
import Synchronization

/// Ports of the loopback interface for the servers that tests start.
///
/// They lie below those that Linux gives to outgoing connections (from 32 768), any of which could take a port between the moment it is found free and the
/// moment its server listens; and no port is given twice in one process.
package enum LoopbackPorts {
    private static let range = 10_000..<32_000
    private static let cursor = Atomic(Int.random(in: range))

    /// A port that nobody listens on now and that nobody else was given here.
    package static func free() -> Int {
        while true {
            let turn = cursor.wrappingAdd(1, ordering: .relaxed).oldValue
            let port = range.lowerBound + turn % range.count
            if isFree(port) { return port }
        }
    }

    /// Several of them.
    package static func free(_ count: Int) -> [Int] { (0..<count).map { _ in free() } }

    private static func isFree(_ port: Int) -> Bool {
        let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        defer { close(descriptor) }
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = UInt16(port).bigEndian
        address.sin_addr.s_addr = inet_addr("127.0.0.1")
        return withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size)) == 0
            }
        }
    }
}

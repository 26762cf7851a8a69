import Foundation

/// The connections of this process.
enum OpenSockets {
    /// Ends all that lead to a port: whoever reads or writes there fails. Their numbers stay taken until their owners close them.
    static func shutDown(to port: Int) {
        for name in (try? FileManager.default.contentsOfDirectory(atPath: "/proc/self/fd")) ?? [] {
            guard let handle = Int32(name), peerPort(handle) == port else { continue }
            shutdown(handle, Int32(SHUT_RDWR))
        }
    }

    /// The port at the other end; nil if it is no connection.
    private static func peerPort(_ handle: Int32) -> Int? {
        var address = sockaddr_storage()
        var length = socklen_t(MemoryLayout<sockaddr_storage>.size)
        return withUnsafeMutablePointer(to: &address) { pointer -> Int? in
            let isConnected = pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                getpeername(handle, $0, &length) == 0
            }
            guard isConnected else { return nil }
            // Port and family lie at the same place in both kinds of address.
            guard [AF_INET, AF_INET6].contains(Int32(pointer.pointee.ss_family)) else { return nil }
            return pointer.withMemoryRebound(to: sockaddr_in.self, capacity: 1) {
                Int(UInt16(bigEndian: $0.pointee.sin_port))
            }
        }
    }
}

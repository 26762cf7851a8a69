import Foundation

/// Where a server listens.
struct ServerAddress: Codable, Sendable {
    var host = "127.0.0.1"
    var port: Int

    /// A socket that is connected to it; the caller closes it. A name is looked up, and its addresses are tried in order.
    func openSocket() throws -> Int32 {
        var hints = addrinfo()
        hints.ai_socktype = Int32(SOCK_STREAM.rawValue)
        var found: UnsafeMutablePointer<addrinfo>?
        let code = getaddrinfo(host, "\(port)", &hints, &found)
        guard code == 0 else { throw BenchError("\(host) is not found: \(String(cString: gai_strerror(code)))") }
        defer { freeaddrinfo(found) }
        var next = found
        while let address = next?.pointee {
            let handle = socket(address.ai_family, address.ai_socktype, address.ai_protocol)
            guard handle >= 0 else { throw BenchError("no socket") }
            if connect(handle, address.ai_addr, address.ai_addrlen) == 0 {
                // Nothing that is sent waits for an acknowledgement of what was sent before.
                var one: Int32 = 1
                setsockopt(handle, Int32(IPPROTO_TCP), TCP_NODELAY, &one, socklen_t(MemoryLayout<Int32>.size))
                return handle
            }
            close(handle)
            next = address.ai_next
        }
        throw BenchError("nobody listens on \(host) port \(port)")
    }
}

import NIOCore

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#elseif canImport(Darwin)
    import Darwin
#endif

/// The system's look-up of names. The one place of the links that reads what C hands out.
enum NameLookup {
    /// The addresses of a host, in the system's order. Waits for the system, which may take many seconds.
    ///
    /// - Throws: ``UnknownName`` if it has none, or nobody answers.
    static func addresses(of host: String, port: Int) throws -> [SocketAddress] {
        var hints = addrinfo()
        hints.ai_flags = AI_NUMERICSERV
        #if canImport(Glibc)
            hints.ai_socktype = Int32(SOCK_STREAM.rawValue)
        #else
            hints.ai_socktype = SOCK_STREAM
        #endif
        var first: UnsafeMutablePointer<addrinfo>?
        let code = getaddrinfo(host, String(port), &hints, &first)
        defer { if let first { freeaddrinfo(first) } }
        var all: [SocketAddress] = []
        var next = code == 0 ? first : nil
        while let entry = next?.pointee {
            if let address = entry.ai_addr {
                let bytes = UnsafeRawPointer(address)
                if entry.ai_family == AF_INET {
                    all.append(SocketAddress(bytes.loadUnaligned(as: sockaddr_in.self), host: host))
                } else if entry.ai_family == AF_INET6 {
                    all.append(SocketAddress(bytes.loadUnaligned(as: sockaddr_in6.self), host: host))
                }
            }
            next = entry.ai_next
        }
        guard !all.isEmpty else { throw UnknownName(host: host) }
        return all
    }
}

/// A name that has no address.
struct UnknownName: Error, Equatable {
    var host: String
}

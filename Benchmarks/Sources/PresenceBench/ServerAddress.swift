import Foundation

/// Where a server listens.
struct ServerAddress: Codable, Sendable {
    var host = "127.0.0.1"
    var port: Int
    /// What every connection begins with, where a server asks for it.
    var login: Login?

    /// A password, and whose it is: nil for the default user.
    struct Login: Codable, Sendable {
        var user: String?
        var password: String
    }

    /// A socket that is connected to it and logged in; the caller closes it. A name is looked up, and its addresses are tried in order.
    ///
    /// - Parameter evenAtTheEnd: whether it is for what is done when this process was told to end; nobody else gets one then.
    func openSocket(evenAtTheEnd: Bool = false) throws -> Int32 {
        let handle = try connectedSocket()
        do {
            // Asked when it is connected: until then nobody could have ended it.
            guard evenAtTheEnd || !Interruption.isEnding else { throw BenchError("the run was interrupted") }
            if let login { try logIn(login, handle) }
        } catch {
            close(handle)
            throw error
        }
        return handle
    }

    private func logIn(_ login: Login, _ handle: Int32) throws {
        let request = Connection.encoded(["AUTH"] + [login.user].compactMap(\.self) + [login.password])
        guard write(handle, request, request.count) == request.count else {
            throw BenchError("\(host) port \(port) closed a connection")
        }
        var answer: [UInt8] = []
        var byte: UInt8 = 0
        // Nothing else is asked, so a line is all that comes.
        while answer.last != 10, answer.count < 1_000 {
            var socket = pollfd(fd: handle, events: Int16(POLLIN), revents: 0)
            guard poll(&socket, 1, 10_000) > 0, read(handle, &byte, 1) == 1 else {
                throw BenchError("\(host) port \(port) did not answer AUTH")
            }
            answer.append(byte)
        }
        guard answer == Array("+OK\r\n".utf8) else {
            throw BenchError("AUTH was answered \(String(decoding: answer, as: UTF8.self).debugDescription)")
        }
    }

    private func connectedSocket() throws -> Int32 {
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

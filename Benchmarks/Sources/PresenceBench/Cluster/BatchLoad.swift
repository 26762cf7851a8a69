/// Fills a server with numbered users or strings as fast as it takes them.
struct BatchLoad {
    static let limit = 500

    let port: Int

    /// Sends the form for so many users.
    func run(_ initial: BatchForm, _ users: Int) throws {
        var form = initial
        var driver = try BatchDriver(port: port, connections: 4, depth: 2)
        var next = 0
        while next < users {
            while driver.hasRoom, next < users {
                let first = next
                let count = min(form.limit, users - next)
                try driver.send(&form, users: count, tag: 0) { first + $0 }
                next += count
            }
            try driver.receive(nanoseconds: 50_000_000) { _ in }
        }
        try driver.drain { _ in }
    }
}

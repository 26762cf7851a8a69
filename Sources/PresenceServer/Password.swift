import Presence

/// The password in force, and how one that was given is compared with it.
///
/// The comparison takes the same time whatever was given and whatever is set: it looks at every byte of the longest password there may be. So the
/// time tells neither where the first difference is nor how long the password is.
struct Password {
    /// Bytes of the longest password: `requirepass` allows no longer one.
    static let maximumLength = 512

    private let padded: [UInt8]
    private let count: Int

    init(_ password: String) {
        let bytes = Array(password.utf8)
        count = bytes.count
        padded = bytes + Array(repeating: 0, count: max(0, Password.maximumLength - bytes.count))
    }

    /// Whether there is none: then everybody is who he says.
    var isEmpty: Bool { count == 0 }

    /// Whether `given` is the password.
    func matches(_ given: Span<UInt8>) -> Bool {
        // The copy takes as long as what was given is long, which whoever gave it knows.
        var candidate = Array(repeating: UInt8(0), count: padded.count)
        for index in 0..<min(given.count, candidate.count) { candidate[index] = given[index] }
        var difference = given.count ^ count
        for index in padded.indices { difference |= Int(padded[index] ^ candidate[index]) }
        return difference == 0
    }
}

/// Failed passwords: each is counted, and they are logged once a second at most, so that who guesses does not fill the log.
struct FailedPasswords {
    private var lastLogged: Timestamp?
    private var unlogged = 0

    /// Takes in a failure; returns the line to log if it is time for one.
    mutating func add(from address: String, at now: Timestamp) -> String? {
        if let lastLogged, now.milliseconds(since: lastLogged) < 1000 {
            unlogged += 1
            return nil
        }
        lastLogged = now
        defer { unlogged = 0 }
        return "failed authentication from \(address)"
            + (unlogged > 0 ? "; \(unlogged) more since the last such line" : "")
    }
}

import PresenceServer

/// Forms of more than one word: addresses, bounds of output, letters of events.
extension ValueForm<[String]> {
    /// 1 to 16 addresses or host names, or `*`; a `-` in front lets an address be absent on this machine.
    static let addresses = ValueForm(unit: "addresses", allowed: "1 to 16 addresses") {
        (words, _) throws(ValueError) in
        guard (1...16).contains(words.count) else {
            throw ValueError(message: "\(words.count) addresses are given; allowed: 1 to 16")
        }
        for word in words {
            let address = word.hasPrefix("-") ? word.dropFirst() : word[...]
            let isPlausible = address.utf8.allSatisfy { byte in
                switch byte {
                case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "a")...UInt8(ascii: "z"),
                    UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "."), UInt8(ascii: ":"), UInt8(ascii: "-"),
                    UInt8(ascii: "_"), UInt8(ascii: "%"):
                    true
                default: false
                }
            }
            guard !address.isEmpty, isPlausible || address == "*" else {
                throw ValueError(message: "'\(word)' is not an address such as 127.0.0.1, ::1, -::1 or *")
            }
        }
        return words
    } format: {
        $0.joined(separator: " ")
    }
}

extension ValueForm<OutputLimits> {
    /// Redis's quadruples `class hard soft seconds`, for one class or both; a class that is not named keeps its bounds.
    static let outputLimits = ValueForm(
        unit: "class hard soft seconds",
        allowed: "normal or pubsub, two sizes (0: no bound), whole seconds; one or both classes"
    ) { (words, current) throws(ValueError) in
        guard !words.isEmpty, words.count % 4 == 0 else {
            throw ValueError(message: "'normal|pubsub HARD SOFT SECONDS' is expected, such as pubsub 32mb 8mb 60")
        }
        var limits = current
        for start in stride(from: 0, to: words.count, by: 4) {
            guard let hard = ByteUnits.parse(words[start + 1]), let soft = ByteUnits.parse(words[start + 2]) else {
                throw ValueError(
                    message:
                        "'\(words[start + 1]) \(words[start + 2])' are not two sizes such as 32mb 8mb (0: no bound)")
            }
            guard let seconds = Int(words[start + 3]), (0...86_400).contains(seconds) else {
                throw ValueError(message: "'\(words[start + 3])' is not a number of seconds from 0 to 86400")
            }
            guard soft == 0 || hard == 0 || soft <= hard else {
                throw ValueError(
                    message: "the soft bound \(words[start + 2]) is above the hard bound \(words[start + 1])")
            }
            let bound = OutputLimits.Bound(hardBytes: hard, softBytes: soft, softSeconds: seconds)
            switch words[start].lowercased() {
            case "normal": limits.normal = bound
            case "pubsub": limits.pubsub = bound
            default:
                throw ValueError(message: "'\(words[start])' is not a class of clients; allowed: normal, pubsub")
            }
        }
        return limits
    } format: { limits in
        func spell(_ name: String, _ bound: OutputLimits.Bound) -> String {
            "\(name) \(bound.hardBytes) \(bound.softBytes) \(bound.softSeconds)"
        }
        return "\(spell("normal", limits.normal)) \(spell("pubsub", limits.pubsub))"
    }
}

extension ValueForm<KeyspaceNotifications> {
    /// Letters of `K E g $ x e n A`; none turns notifications off.
    static let keyspaceNotifications = ValueForm(
        unit: "letters", allowed: "letters of A g $ x e K E n, or \"\" for none"
    ) { (word) throws(ValueError) in
        do throws(KeyspaceNotifications.UnknownLetter) {
            return try KeyspaceNotifications(letters: word)
        } catch {
            throw ValueError(message: error.message)
        }
    } format: {
        $0.letters
    }
}

extension ValueForm<DebugAccess> {
    /// `yes`, `no` or `local`.
    static let debugAccess = ValueForm(unit: "word", allowed: "no, yes, local") { (word) throws(ValueError) in
        guard let access = DebugAccess(rawValue: word.lowercased()) else {
            throw ValueError(message: "'\(word)' is not one of: no, yes, local")
        }
        return access
    } format: {
        $0.rawValue
    }
}

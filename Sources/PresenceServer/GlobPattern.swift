/// Redis's glob-style patterns: `*`, `?`, `[a-z]`, `[^a]`, and `\` before a byte that stands for itself.
///
/// Matches as Redis does where the pattern is odd: a class without `]` ends with the pattern, a trailing `\` is itself.
/// Where Redis recurses at each `*`, this goes back to the last `*` only, so the cost is at most pattern times text.
enum GlobPattern {
    /// Whether `text` matches `pattern`, whole.
    static func matches(_ pattern: Span<UInt8>, _ text: Span<UInt8>, ignoringCase: Bool = false) -> Bool {
        var p = 0
        var t = 0
        var starPattern = -1
        var starText = 0
        while true {
            if p < pattern.count, pattern[p] == UInt8(ascii: "*") {
                starPattern = p + 1
                starText = t
                p += 1
                continue
            }
            if t == text.count {
                // What is left of the pattern must be empty; a star was taken above.
                return p == pattern.count
            }
            if p < pattern.count {
                let (isMatch, next) = element(pattern, p, text[t], ignoringCase)
                if isMatch {
                    p = next
                    t += 1
                    continue
                }
            }
            guard starPattern >= 0 else { return false }
            starText += 1
            guard starText <= text.count else { return false }
            p = starPattern
            t = starText
        }
    }

    /// Whether the element at `start` of the pattern takes `byte`, and where the next element begins.
    private static func element(
        _ pattern: Span<UInt8>, _ start: Int, _ byte: UInt8, _ ignoringCase: Bool
    ) -> (isMatch: Bool, next: Int) {
        switch pattern[start] {
        case UInt8(ascii: "?"):
            return (true, start + 1)
        case UInt8(ascii: "["):
            return members(pattern, start + 1, byte, ignoringCase)
        case UInt8(ascii: "\\") where start + 1 < pattern.count:
            return (equal(pattern[start + 1], byte, ignoringCase), start + 2)
        case let literal:
            return (equal(literal, byte, ignoringCase), start + 1)
        }
    }

    private static func members(
        _ pattern: Span<UInt8>, _ start: Int, _ byte: UInt8, _ ignoringCase: Bool
    ) -> (isMatch: Bool, next: Int) {
        var index = start
        let isNegated = index < pattern.count && pattern[index] == UInt8(ascii: "^")
        if isNegated { index += 1 }
        var isMatch = false
        while index < pattern.count {
            if pattern[index] == UInt8(ascii: "\\"), index + 1 < pattern.count {
                index += 1
                if equal(pattern[index], byte, ignoringCase) { isMatch = true }
            } else if pattern[index] == UInt8(ascii: "]") {
                return (isMatch != isNegated, index + 1)
            } else if index + 2 < pattern.count, pattern[index + 1] == UInt8(ascii: "-") {
                let low = fold(min(pattern[index], pattern[index + 2]), ignoringCase)
                let high = fold(max(pattern[index], pattern[index + 2]), ignoringCase)
                let folded = fold(byte, ignoringCase)
                if folded >= low, folded <= high { isMatch = true }
                index += 2
            } else if equal(pattern[index], byte, ignoringCase) {
                isMatch = true
            }
            index += 1
        }
        return (isMatch != isNegated, index)
    }

    private static func equal(_ left: UInt8, _ right: UInt8, _ ignoringCase: Bool) -> Bool {
        fold(left, ignoringCase) == fold(right, ignoringCase)
    }

    private static func fold(_ byte: UInt8, _ ignoringCase: Bool) -> UInt8 {
        ignoringCase && byte >= 0x41 && byte <= 0x5a ? byte + 0x20 : byte
    }
}

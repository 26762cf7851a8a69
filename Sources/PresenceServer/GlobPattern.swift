import PresenceRESP

/// Redis's glob-style patterns: `*`, `?`, `[a-z]`, `[^a]`, and `\` before a byte that stands for itself.
///
/// Matches as Redis does where the pattern is odd: a class without `]` ends with the pattern, a trailing `\` is itself.
///
/// Where Redis recurses at each `*`, this goes back to the last `*` only. A pattern that makes it go back too often is matched in another way: all places of the
/// pattern where the text may have come to, a bit each, with one look at every byte. So the work is about a step for each byte of the text and each 64 of
/// the pattern, whatever both are.
enum GlobPattern {
    /// The longest pattern that a client may give, in bytes.
    static let maximumLength = 1_024

    /// Whether a pattern that a client gave is too long; then the error is written.
    static func refuses(_ pattern: Range<Int>, _ reply: inout ReplyBuffer) -> Bool {
        guard pattern.count > maximumLength else { return false }
        reply.error("ERR a pattern may have at most \(maximumLength) bytes")
        return true
    }

    /// Whether `text` matches `pattern`, whole.
    static func matches(_ pattern: Span<UInt8>, _ text: Span<UInt8>, ignoringCase: Bool = false) -> Bool {
        var work = 0
        return matches(pattern, text, ignoringCase: ignoringCase, work: &work)
    }

    /// The same.
    ///
    /// - Parameter work: grows by what the look took, in bytes of the pattern that were compared: a nanosecond or two each.
    static func matches(
        _ pattern: Span<UInt8>, _ text: Span<UInt8>, ignoringCase: Bool = false, work: inout Int
    ) -> Bool {
        let limit = 4 * (pattern.count + text.count)
        var p = 0
        var t = 0
        var starPattern = -1
        var starText = 0
        var compared = 0
        defer { work &+= compared }
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
                compared &+= next &- p
                if isMatch {
                    p = next
                    t += 1
                    continue
                }
            }
            guard starPattern >= 0 else { return false }
            guard compared <= limit else {
                compared &+= text.count &* (pattern.count / 64 &+ 1) &+ 64 &* pattern.count
                return matchesByPlaces(pattern, text, ignoringCase: ignoringCase)
            }
            starText += 1
            guard starText <= text.count else { return false }
            p = starPattern
            t = starText
        }
    }

    /// The same by the other way, which never goes back.
    ///
    /// - Complexity: O(pattern) to begin with, in time and memory; then O(text * pattern / 64).
    static func matchesByPlaces(_ pattern: Span<UInt8>, _ text: Span<UInt8>, ignoringCase: Bool) -> Bool {
        // A place for each element, and one behind the last. Where a star comes before, the text may stay.
        let words = pattern.count / 64 + 1
        var stays = Array(repeating: UInt64(0), count: words)
        // For each byte, the places whose element takes it.
        var takers = Array(repeating: UInt64(0), count: 256 * words)
        var place = 0
        var index = 0
        while index < pattern.count {
            let (word, bit) = (place / 64, UInt64(1) << UInt64(place % 64))
            guard pattern[index] != UInt8(ascii: "*") else {
                stays[word] |= bit
                index += 1
                continue
            }
            let next = element(pattern, index, 0, ignoringCase).next
            if pattern[index] == UInt8(ascii: "?") || pattern[index] == UInt8(ascii: "[") {
                for byte in 0...255 where element(pattern, index, UInt8(byte), ignoringCase).isMatch {
                    takers[byte * words + word] |= bit
                }
            } else {
                // A byte that stands for itself, and perhaps for its other case.
                for byte in [pattern[next - 1], pattern[next - 1] ^ 0x20]
                where element(pattern, index, byte, ignoringCase).isMatch {
                    takers[Int(byte) * words + word] |= bit
                }
            }
            index = next
            place += 1
        }
        var places = Array(repeating: UInt64(0), count: words)
        places[0] = 1
        for index in text.indices {
            let row = Int(text[index]) * words
            var carry: UInt64 = 0
            for word in 0..<words {
                let moved = places[word] & takers[row + word]
                places[word] = moved << 1 | carry | places[word] & stays[word]
                carry = moved >> 63
            }
        }
        return places[place / 64] >> UInt64(place % 64) & 1 == 1
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

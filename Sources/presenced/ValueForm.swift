/// Why a value cannot be taken: one line that says what is allowed.
struct ValueError: Error, Equatable {
    let message: String
}

/// How the value of a setting is written: read from words, written back, and what is allowed, in words.
///
/// Reading what ``format`` wrote gives the same value: `CONFIG GET` can be fed to `CONFIG SET` and to `cluster.conf`.
struct ValueForm<Value: Sendable>: Sendable {
    /// The unit or shape, one word or two: `duration`, `bytes`, `yes or no`.
    let unit: String
    /// The bounds, as a reader of the documentation wants them.
    let allowed: String
    /// Reads a value. `current` is the value so far, for forms that set one part of it at a time.
    let parse: @Sendable (_ words: [String], _ current: Value) throws(ValueError) -> Value
    /// The value as ``parse`` takes it, all words in one string.
    let format: @Sendable (Value) -> String

    /// A form of exactly one word.
    init(
        unit: String, allowed: String,
        word parse: @escaping @Sendable (String) throws(ValueError) -> Value,
        format: @escaping @Sendable (Value) -> String
    ) {
        self.init(
            unit: unit, allowed: allowed,
            words: { (words, _) throws(ValueError) in
                guard words.count == 1 else {
                    let cause = words.isEmpty ? "a value is missing" : "one value is expected, \(words.count) are given"
                    let comment =
                        words.dropFirst().contains { $0.hasPrefix("#") } ? " (a comment needs a line of its own)" : ""
                    throw ValueError(message: "\(cause)\(comment); allowed: \(allowed)")
                }
                return try parse(words[0])
            },
            format: format)
    }

    /// A form of any number of words.
    init(
        unit: String, allowed: String,
        words parse: @escaping @Sendable ([String], Value) throws(ValueError) -> Value,
        format: @escaping @Sendable (Value) -> String
    ) {
        self.unit = unit
        self.allowed = allowed
        self.parse = parse
        self.format = format
    }
}

extension ValueForm<Bool> {
    /// `yes` or `no`.
    static let yesOrNo = ValueForm(unit: "yes or no", allowed: "yes, no") { (word) throws(ValueError) in
        switch word.lowercased() {
        case "yes": return true
        case "no": return false
        default: throw ValueError(message: "'\(word)' is neither yes nor no")
        }
    } format: {
        $0 ? "yes" : "no"
    }
}

extension ValueForm<Int> {
    /// A whole number in `range`. `requirement` adds a condition, said in words.
    static func integer(
        _ range: ClosedRange<Int>, _ requirement: String? = nil,
        where isAllowed: @escaping @Sendable (Int) -> Bool = { _ in true }
    ) -> ValueForm {
        let allowed = "\(range.lowerBound) to \(range.upperBound)" + (requirement.map { ", \($0)" } ?? "")
        return ValueForm(unit: "integer", allowed: allowed) { (word) throws(ValueError) in
            guard let number = Int(word) else {
                throw ValueError(message: "'\(word)' is not a whole number; allowed: \(allowed)")
            }
            guard range.contains(number), isAllowed(number) else {
                throw ValueError(message: "\(number) is out of bounds; allowed: \(allowed)")
            }
            return number
        } format: {
            String($0)
        }
    }

    /// A size in `range` bytes: a number with `b k kb m mb g gb`, as Redis reads them (`k` is 1000, `kb` is 1024).
    /// Written as bytes.
    static func bytes(_ range: ClosedRange<Int>) -> ValueForm {
        let allowed = "\(ByteUnits.spell(range.lowerBound)) to \(ByteUnits.spell(range.upperBound))"
        return ValueForm(unit: "bytes", allowed: allowed) { (word) throws(ValueError) in
            guard let count = ByteUnits.parse(word) else {
                throw ValueError(message: "'\(word)' is not a size such as 1048576 or 64mb; allowed: \(allowed)")
            }
            guard range.contains(count) else {
                throw ValueError(message: "\(word) is out of bounds; allowed: \(allowed)")
            }
            return count
        } format: {
            String($0)
        }
    }

    /// A duration in `range` milliseconds: a number with `ms s m h d`, seconds if it has none. Written with its unit.
    static func duration(_ range: ClosedRange<Int>) -> ValueForm {
        durations(range, unit: "duration", factor: 1, format: DurationUnits.spell)
    }

    /// A duration in `range` whole seconds, read like the others and written as a bare number, as Redis writes it.
    static func seconds(_ range: ClosedRange<Int>) -> ValueForm {
        durations(range, unit: "seconds", factor: 1_000) { String($0) }
    }

    /// Durations kept in units of `factor` milliseconds.
    private static func durations(
        _ range: ClosedRange<Int>, unit: String, factor: Int, format: @escaping @Sendable (Int) -> String
    ) -> ValueForm {
        let allowed =
            "\(DurationUnits.spell(range.lowerBound * factor)) to \(DurationUnits.spell(range.upperBound * factor))"
        return ValueForm(unit: unit, allowed: allowed) { (word) throws(ValueError) in
            guard let milliseconds = DurationUnits.parse(word) else {
                throw ValueError(message: "'\(word)' is not a duration such as 90s, 1500ms or 2m; allowed: \(allowed)")
            }
            guard milliseconds % factor == 0 else {
                throw ValueError(message: "'\(word)' is not a number of whole seconds; allowed: \(allowed)")
            }
            guard range.contains(milliseconds / factor) else {
                throw ValueError(message: "\(word) is out of bounds; allowed: \(allowed)")
            }
            return milliseconds / factor
        } format: {
            format($0)
        }
    }
}

extension ValueForm<String> {
    /// Any text of `range` bytes of UTF-8.
    static func text(_ range: ClosedRange<Int>) -> ValueForm {
        let allowed = "text of \(range.lowerBound) to \(range.upperBound) bytes"
        return ValueForm(unit: "text", allowed: allowed) { (word) throws(ValueError) in
            guard range.contains(word.utf8.count) else {
                throw ValueError(message: "\(word.utf8.count) bytes are out of bounds; allowed: \(allowed)")
            }
            return word
        } format: {
            $0
        }
    }

    /// One of `choices`, in any case.
    static func choice(_ choices: [String]) -> ValueForm {
        let allowed = choices.joined(separator: ", ")
        return ValueForm(unit: "word", allowed: allowed) { (word) throws(ValueError) in
            let choice = word.lowercased()
            guard choices.contains(choice) else {
                throw ValueError(message: "'\(word)' is not one of: \(allowed)")
            }
            return choice
        } format: {
            $0
        }
    }
}

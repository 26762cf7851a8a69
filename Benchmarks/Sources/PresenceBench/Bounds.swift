import ArgumentParser

/// The least and the greatest that an option may be: what is beyond would be a crash, or memory and time that nobody has.
enum Bounds {
    static let users = 1_000...10_000_000
    static let rounds = 1...100
    static let connections = 1...1_000
    static let pipeline = 1...512
    static let subscribers = 1...50_000
    /// Users who are not beaten live 300 s: they must not run out meanwhile.
    static let seconds = 0.1...200
    static let rate = 1...10_000_000.0
    static let operations = 1_000...10_000_000

    /// Refuses an option that is not within its bounds, and names them.
    static func check<Value: Comparable>(_ option: String, _ value: Value?, _ range: ClosedRange<Value>) throws {
        // What is no number is in no range.
        guard let value, !range.contains(value) else { return }
        throw ValidationError(
            "\(option) is \(text(range.lowerBound)) to \(text(range.upperBound)), not \(text(value))")
    }

    /// As one types it.
    private static func text(_ value: some Comparable) -> String {
        guard let number = value as? Double, number == number.rounded(), abs(number) < 1e15 else { return "\(value)" }
        return "\(Int(number))"
    }
}

/// The keyword options that one command has brought so far: each may come once, in any order.
///
/// Of an option that comes twice one value would be dropped without a word. So it is a syntax error, as of most options of Redis. Lifetimes are one
/// option, whether in seconds (`EX`) or in milliseconds (`PX`). Commands that are Redis's own take what Redis takes: see ``StringOptions``.
///
/// A few words on the stack; nothing is allocated.
struct GivenOptions {
    /// No command has more options.
    private static let most = 8

    private var words = InlineArray<8, Word>(repeating: .none)
    private var count = 0

    /// Notes one more option; false if it came before.
    mutating func isFirst(_ option: Word) -> Bool {
        let word: Word = option == "PX" ? "EX" : option
        for place in 0..<count where words[place] == word { return false }
        guard count < GivenOptions.most else { return false }
        words[count] = word
        count += 1
        return true
    }
}

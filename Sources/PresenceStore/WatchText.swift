/// What a list keeps of an activity text that was sent: 48 bits of its keyed hash, in six bytes.
///
/// Whoever is shown two texts in turn that have one hash does not hear of the second: of two different texts once in 2^48, which is once in 280 million
/// million changes. The key is the store's secret, so that nobody can make two such texts.
struct WatchText: Sendable, Equatable {
    private var low: UInt32
    private var high: UInt16

    /// No text.
    static let none = WatchText(low: 0, high: 0)

    private init(low: UInt32, high: UInt16) {
        self.low = low
        self.high = high
    }

    init(_ text: [UInt8]?, _ hash: BytesHash) {
        guard let text else {
            self = .none
            return
        }
        let bits = hash.text(text)
        // Never that of no text.
        self.init(low: max(UInt32(truncatingIfNeeded: bits), 1), high: UInt16(truncatingIfNeeded: bits >> 32))
    }
}

/// What a probe asks, and what must be answered.
protocol ProbeQuestions: Sendable {
    /// Appends the question with this number.
    func write(_ index: Int, to output: inout [UInt8])
    /// Reads the answer to it from the beginning of `bytes`: its length, and which of its users are offline; nil if it is not whole yet.
    func read(_ index: Int, _ bytes: ArraySlice<UInt8>) throws -> (length: Int, offline: [UInt8])?
}

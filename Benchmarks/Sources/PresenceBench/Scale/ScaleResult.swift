/// What a part gave.
struct ScaleResult {
    var table: Table
    /// What must not have happened, if it did.
    var failure: BenchError?
}

import Testing

/// `#expect` for the inside of long loops: costs nothing while it holds.
@inline(__always)
func check(
    _ condition: Bool, _ note: @autoclosure () -> String = "", sourceLocation: SourceLocation = #_sourceLocation
) {
    if !condition { Issue.record(Comment(rawValue: note()), sourceLocation: sourceLocation) }
}

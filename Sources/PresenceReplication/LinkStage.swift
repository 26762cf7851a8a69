/// How far a link has come, as its reader and its writer see it.
public enum LinkStage: Sendable, Equatable {
    /// Nothing was exchanged: a `hello`, `welcome` or `refuse` comes first.
    case greeting
    /// The greeting was exchanged, and nobody has said yet that the link is open. Nothing may come.
    case greeted
    /// Both agreed on a version.
    case open(version: UInt16)

    /// The version that is spoken; nil before it is agreed.
    public var version: UInt16? {
        if case .open(let version) = self { version } else { nil }
    }

    /// The stage in an error's sentence.
    var words: String {
        switch self {
        case .greeting: "the greeting was awaited"
        case .greeted: "the greeting was not yet answered"
        case .open: "the link was open"
        }
    }
}

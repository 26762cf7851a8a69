/// The versions of the peers' protocol, and how two nodes agree on one.
///
/// A node speaks a range of versions, so that a cluster can be restarted node by node: the range of a release overlaps that of the release before.
/// Version 1 is the first. Version 2 has the number of records in each entry of a `digest`. Version 3 tells changes by `news`, of several shards at
/// once, and users by images of form 3. Version 4 has `positions`, so that a node copies each record from one of the others alone.
public enum ProtocolVersions {
    /// The versions that this code speaks.
    public static let spoken: ClosedRange<UInt16> = 1...4

    /// The newest version that this code speaks.
    public static var current: UInt16 { spoken.upperBound }

    /// The first version whose `digest` counts the records of a range.
    static let countsInDigests: UInt16 = 2

    /// The first version that has `news`, and images of users of form 3.
    static let hasNews: UInt16 = 3

    /// The first version that has `positions`, and copies in parts.
    static let hasPositions: UInt16 = 4

    /// The highest version that both speak.
    ///
    /// - Parameters:
    ///   - ours: the versions of the node that answers a hello.
    ///   - theirs: the versions of the hello.
    /// - Throws: the refusal to be sent if there is none; its text names both ranges, and who is to be upgraded.
    public static func negotiate(
        ours: ClosedRange<UInt16> = spoken, theirs: ClosedRange<UInt16>
    ) throws(Refusal) -> UInt16 {
        guard ours.overlaps(theirs) else { throw .versions(answering: ours, dialing: theirs) }
        return min(ours.upperBound, theirs.upperBound)
    }
}

import PresenceReplication
import PresenceTesting

/// Connections between nodes: bytes in order, late, and now and then not as they should be.
///
/// A cut of one way holds bytes back as TCP does, until it heals or somebody gives up. Loss, repetition and overtaking, which TCP does not do, come too,
/// seldom: a link must notice and end.
struct SimulatedNetwork {
    struct End {
        var node: Int
        var link: LinkID?
        /// Bytes that this end has sent and the other has not got.
        var inFlight = 0
        /// When the last of them arrives.
        var lastArrival: Int64 = 0
        /// What a cut holds back.
        var held: [[UInt8]] = []
        /// What has arrived here while the node was stopped: it lies in the socket.
        var arrived: [[UInt8]] = []
        /// Closed by this end, and not yet known to the other.
        var isClosing = false
    }

    struct Connection {
        /// Who dialed, who answered.
        var ends: [End]
        var isOpen = true
        /// Between the two, of a node that is to misunderstand what it is told.
        var flawed: FlawedConnection?
    }

    /// Bytes that a socket takes before its peer has read some.
    static let window = 65_536

    /// How bytes are cut into pieces, how long they travel, what becomes of them.
    var random: SeededRandom
    var connections: [Int: Connection] = [:]
    var lastConnection = 0
    /// Ways that are cut: from, to.
    var cuts: Set<[Int]> = []
    /// Milliseconds that bytes travel.
    var delay: ClosedRange<Int64> = 0...3
    /// Once in how many pieces something happens to one; 0 never.
    var loss = 0

    func isCut(from: Int, to: Int) -> Bool { cuts.contains([from, to]) }
}

import Logging
import PresenceCluster
import PresenceReplication
import PresenceTLS

/// What the links say in the log: who came, who went and why, how far a copy is. What others can cause at will is written seldom (``LogPace``).
///
/// Confined to the links' event loop. Instants are milliseconds of the clock that the links go by.
final class LinkLog {
    private let cluster: ClusterConfiguration
    private let logger: Logger
    private var pace = LogPace()
    /// When the link to each node was opened; of none to whom there is none.
    private var openedAt: [UInt8: Int64] = [:]
    /// The settings that each node was said to differ in.
    private var differences: [UInt8: [SharedSettings.Difference]] = [:]
    /// Why the last link to a node ended or could not be made; of none to whom there is a link. As many as there are nodes.
    private(set) var failures: [UInt8: String] = [:]
    /// The nodes whose last link was very short: who does not keep links with this node comes and goes with each attempt.
    private var unsteady: Set<UInt8> = []
    /// How far the copy of each node was when it was told last: tenths of it, and when.
    private var progress: [UInt8: (tenths: Int, at: Int64)] = [:]
    /// Images of each node that could not be kept, until now and until the last copy.
    private var notKept: [UInt8: (images: UInt64, before: UInt64)] = [:]

    /// Between two lines of one kind that others can cause at will.
    private static let seldom: Int64 = 10_000
    /// A link that lived less, in milliseconds, was given up as soon as it was there.
    private static let briefest: Int64 = 200
    /// Between two lines about a copy that goes on slowly.
    private static let progressInterval: Int64 = 5_000

    init(_ cluster: ClusterConfiguration, _ logger: Logger) {
        self.cluster = cluster
        self.logger = logger
    }

    private func name(_ node: UInt8) -> String {
        cluster.node(node).map { "node \($0.name)" } ?? "somebody"
    }

    // MARK: - What the replicator says

    /// Writes what happened, if it is worth a line.
    func tell(_ action: ReplicatorAction, at now: Int64) {
        switch action {
        case .close: break
        case .opened(_, let node, let version, let differences):
            openedAt[node] = now
            failures[node] = nil
            pace.forget("dial \(node)")
            pace.forget("greet \(node)")
            pace.forget("refused \(node)")
            writeOfLink("linked", node, now, ["version": "\(version)"]) { "linked with \(self.name(node))" }
            tell(differences, of: node)
        case .settings(let node, let differences): tell(differences, of: node)
        case .lost(_, let node, let reason):
            let age = openedAt.removeValue(forKey: node).map { now - $0 } ?? 0
            progress[node] = nil
            note(failure: reason, of: node)
            writeOfLink("ended", node, now, ["after-ms": "\(age)"]) { "link with \(self.name(node)) ended: \(reason)" }
            if age < LinkLog.briefest { unsteady.insert(node) } else { unsteady.remove(node) }
        case .refused(let node, let reason):
            note(failure: reason, of: node)
            write("refused \(node)", now) { "no link with \(self.name(node)): \(reason)" }
        case .membership(let change): tell(change, at: now)
        case .copied(let node, let records, let milliseconds):
            progress[node] = nil
            tellCopied(node, ["records": "\(records)", "ms": "\(milliseconds)"])
        case .notKept(let node, let images, let reason):
            notKept[node] = (images, notKept[node]?.before ?? 0)
            write("kept \(node)", now, .warning, every: LinkLog.seldom, ["images": "\(images)"]) {
                "cannot keep all that \(self.name(node)) tells: \(reason)"
            }
        case .fellBehind(let node, let shards):
            write("behind \(node)", now, .warning, every: LinkLog.seldom, ["shards": "\(shards)"]) {
                "\(self.name(node)) missed more changes than replica-log-entries keeps: it is sent whole shards"
            }
        case .resent(let node, let shards, let records, let milliseconds):
            write(
                "resent \(node)", now, .notice, every: LinkLog.seldom,
                ["ms": "\(milliseconds)", "records": "\(records)", "shards": "\(shards)"]
            ) { "sent \(self.name(node)) whole shards, for the changes that it missed" }
        case .ready(let missing): tellReady(missing)
        case .mended(let node, let records):
            write("mended \(node)", now) {
                "differed from \(self.name(node)) in silence, and is mended: \(records) records"
            }
        }
    }

    /// A connection in a node's name came to nothing. Beside a link that is up that may be anybody's, and says nothing of the node.
    private func note(failure reason: String, of node: UInt8) {
        if openedAt[node] == nil { failures[node] = reason }
    }

    private func tell(_ new: [SharedSettings.Difference], of node: UInt8) {
        guard differences[node] ?? [] != new else { return }
        differences[node] = new
        if new.isEmpty { logger.notice("\(name(node)) has the same settings again") }
        for difference in new {
            logger.warning(
                "\(name(node)) has another \(difference.name): set it alike on all nodes",
                metadata: ["here": "\(difference.ours ?? "unknown")", "there": "\(difference.theirs ?? "unknown")"])
        }
    }

    /// What could not be kept of a copy is missing, and is looked for by comparing.
    private func tellCopied(_ node: UInt8, _ metadata: Logger.Metadata) {
        guard let (images, before) = notKept[node], images > before else {
            return logger.notice("copied everything from \(name(node))", metadata: metadata)
        }
        notKept[node] = (images, images)
        logger.warning(
            "copied from \(name(node)) what can be kept here",
            metadata: metadata.merging(["not-kept": "\(images - before)"]) { $1 })
    }

    private func tellReady(_ missing: [UInt8]) {
        let lacking = notKept.values.reduce(0) { $0 + $1.images }
        if lacking > 0 {
            logger.warning(
                "this node serves without all that it could not keep: it compares what it has with the other nodes, and takes the rest once it can",
                metadata: ["not-kept": "\(lacking)"])
        }
        guard !missing.isEmpty else {
            if lacking == 0 { logger.notice("this node knows everybody whom the other nodes know") }
            return
        }
        let names = missing.map(name).joined(separator: ", ")
        let others = cluster.others.count { !$0.isFollower }
        logger.warning(
            missing.count == others
                ? "no other node is reached: this node serves what it knows alone, and copies once they are there"
                : "this node knows what the nodes know that it reaches",
            metadata: ["not-reached": "\(names)"])
    }

    private func tell(_ change: Membership.Change, at now: Int64) {
        let node = change.node
        guard node.number != cluster.own.number else { return }
        if node.state != change.before {
            let before: Logger.Metadata = ["before": "\(change.before)"]
            let line = "\(name(node.number)) is \(node.state): \(node.cause)"
            if node.state == .down {
                logger.log(level: node.cause == .goodbye ? .notice : .warning, "\(line)", metadata: before)
            } else {
                writeOfLink("state", node.number, now, before) { line }
            }
        } else if node.isDraining != change.wasDraining {
            logger.notice("\(name(node.number)) \(node.isDraining ? "owns no slots for now" : "owns slots again")")
        }
    }

    /// Writes how far copies are: at each tenth, and every five seconds.
    func progress(_ report: ReplicationReport, at now: Int64) {
        for peer in report.peers {
            guard let copy = peer.copyIn, copy.total > 0, let percent = peer.copyInPercent else { continue }
            let tenths = percent / 10
            let told = progress[peer.node.number]
            guard told.map({ tenths > $0.tenths || now - $0.at >= LinkLog.progressInterval }) ?? true else { continue }
            progress[peer.node.number] = (tenths, now)
            logger.notice(
                "copying from \(name(peer.node.number)): \(percent) %",
                metadata: ["records": "\(copy.done)", "of": "\(copy.total)"])
        }
    }

    // MARK: - What connections do

    /// A node could not be reached: not at all, or somebody is there and it came to no link, which is news beside the first.
    func dialFailed(_ node: UInt8, _ reason: String, isThere: Bool = false, at now: Int64) {
        let address = cluster.node(node)?.peer.map { " at \($0)" } ?? ""
        note(failure: reason, of: node)
        write("\(isThere ? "greet" : "dial") \(node)", now) { "cannot reach \(self.name(node))\(address): \(reason)" }
    }

    /// Why a node that was dialed is not the one that was meant.
    func strangeCertificate(_ names: String, of node: UInt8) -> String {
        "who answers there shows the certificate of \(names), and node \(cluster.own.name) dialed \(name(node)); a node's certificate "
            + "names that node, or a host that is its alone"
    }

    /// A connection is closed, since the certificate at its other end was taken back. Returns why, for whoever sees it end.
    func revoked(_ node: UInt8?, _ address: String) -> String {
        logger.warning(
            "closing the link with \(node.map(name) ?? address): a list in peer-tls-crl-file says that its certificate was taken back"
        )
        return "its certificate was taken back"
    }

    /// Why a node that was dialed did not answer the greeting, as far as this side can tell.
    func unanswered(_ reason: String, _ handler: LinkHandler) -> String {
        guard let credentials = handler.credentials, credentials.hasCertificates else { return reason }
        return
            "\(reason); if it refused the certificate of \(credentials.ownNames), which node \(cluster.own.name) shows, its log says why"
    }

    /// Why a node that was dialed did not come to terms, as far as this side can tell: TLS names no reason for a secret that is another.
    func unshaken(_ reason: String, _ handler: LinkHandler) -> String {
        guard let credentials = handler.credentials, !credentials.hasCertificates else { return reason }
        return "\(reason); so answers a node with another secret-file or cluster name, or what is no node"
    }

    /// Who came could not make himself known.
    func handshakeFailed(_ address: String, _ error: TLSError, _ credentials: PeerCredentials, at now: Int64) {
        write("handshake", now) {
            guard credentials.hasCertificates else {
                return
                    "\(address) on the peer port: \(error); a node with another secret-file or cluster name, or no node"
            }
            return
                "\(address) on the peer port: \(error); node \(self.cluster.own.name), which shows the certificate of "
                + "\(credentials.ownNames), takes those of the authorities in peer-tls-ca-cert-file"
        }
    }

    /// Too many have come without saying who they are.
    func tooManyStrangers(_ address: String, _ count: Int, at now: Int64) {
        write("strangers", now) { "\(address) on the peer port: refused, \(count) others have not said who they are" }
    }

    /// The listening socket could not take somebody in.
    func acceptFailed(_ error: any Error, at now: Int64) {
        write("accept", now) { "cannot accept other nodes: \(error); ulimit -n bounds connections" }
    }

    /// A line about a link that comes, goes, or lives: each is written unless the last link to the node was very short.
    private func writeOfLink(
        _ kind: String, _ node: UInt8, _ now: Int64, _ metadata: Logger.Metadata, _ line: () -> String
    ) {
        write("\(kind) \(node)", now, .notice, every: unsteady.contains(node) ? LinkLog.seldom : 0, metadata, line)
    }

    private func write(
        _ kind: String, _ now: Int64, _ level: Logger.Level = .warning, every interval: Int64 = LinkLog.seldom,
        _ metadata: Logger.Metadata = [:], _ line: () -> String
    ) {
        guard let leftOut = pace.take(kind, every: interval, at: now) else { return }
        var metadata = metadata
        if leftOut > 0 { metadata["left-out"] = "\(leftOut)" }
        logger.log(level: level, "\(line())", metadata: metadata)
    }
}

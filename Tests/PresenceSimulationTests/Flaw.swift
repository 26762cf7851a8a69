import Presence
import PresenceReplication

@testable import PresenceStore

/// What may be wrong with a node's merge, on purpose: the checkers must find each. The code that merges is the service's, so what such a node is to merge
/// is altered on the way to it.
enum Flaw: CaseIterable {
    /// It merges nothing.
    case deaf
    /// It takes the end of a session for something that was done in it: whoever left stays.
    case forgetsEnds
    /// Of a status set by hand it takes the stamp, and keeps the value that it has: the older write wins, and looks like the newer.
    case keepsValues

    /// The place of the node that has it: n2.
    static let node = 1

    /// An image as the flawed node understands it.
    func understood(_ image: [UInt8], at node: SimulatedNode) -> [UInt8] {
        guard let facts = try? UserImage.facts(in: image.span) else { return image }
        switch self {
        case .deaf: return image
        case .forgetsEnds: return withoutEnds(image, facts)
        case .keepsValues: return withOwnValue(image, facts, node)
        }
    }

    /// An image has the instant of an end where it has that of an activity else: one byte of each session says which. It is found by trying.
    private func withoutEnds(_ image: [UInt8], _ facts: ReplicaFacts) -> [UInt8] {
        var (image, facts) = (image, facts)
        for (id, session) in facts.facts.sessions {
            guard let closed = session.closed else { continue }
            facts.facts.sessions[id]?.closed = nil
            facts.facts.sessions[id]?.activity = closed.at
            let end =
                UserImage.SessionFlag.isClosed | UserImage.SessionFlag.isLoss | UserImage.SessionFlag.leavesGrace
            for place in image.indices where image[place] & UserImage.SessionFlag.isClosed != 0 {
                var altered = image
                altered[place] = image[place] & ~end | UserImage.SessionFlag.hasActivity
                guard let read = try? UserImage.facts(in: altered.span), read == facts else { continue }
                image = altered
                break
            }
        }
        return image
    }

    private func withOwnValue(_ image: [UInt8], _ facts: ReplicaFacts, _ node: SimulatedNode) -> [UInt8] {
        let manual = facts.facts.manual
        guard manual.stamp != .zero, image[0] == ImageForm.three.rawValue else { return image }
        let known = node.store.image(of: facts.id.span, at: node.clock.now())
        let own = known.flatMap { try? UserImage.facts(in: $0.span).facts.manual } ?? Register()
        guard own.stamp <= manual.stamp else { return image }
        let mask = UInt8.max << UserImage.StatusByte.manualShift
        var altered = image
        altered[2] = image[2] & ~mask | (own.value?.rawValue ?? 0) << UserImage.StatusByte.manualShift
        return altered
    }
}

/// The frames of one connection, read and written anew with what one end is to misunderstand.
final class FlawedConnection {
    private struct Way: ~Copyable {
        var reader = FrameReader()
        var writer = FrameWriter()
        /// Whether something came that is no frame: from then on the end that gets it refuses it, as it is.
        var isBroken = false

        mutating func open(version: UInt16) {
            reader.open(version: version)
            writer.open(version: version)
        }
    }

    private let flaw: Flaw
    private var fromDialer = Way()
    private var fromAnswerer = Way()
    init(_ flaw: Flaw) { self.flaw = flaw }

    /// Bytes as they are to arrive.
    ///
    /// - Parameters:
    ///   - isDialer: whether who dialed sent them.
    ///   - node: who gets them.
    func pass(_ bytes: [UInt8], fromDialer isDialer: Bool, to node: SimulatedNode) -> [UInt8] {
        guard !isDialer else { return pass(bytes, by: &fromDialer, to: node).bytes }
        let passed = pass(bytes, by: &fromAnswerer, to: node)
        if let version = passed.version { fromDialer.open(version: version) }
        return passed.bytes
    }

    /// Bytes of one way, and the version that a welcome among them said.
    private func pass(
        _ bytes: [UInt8], by way: inout Way, to node: SimulatedNode
    ) -> (bytes: [UInt8], version: UInt16?) {
        var output: [UInt8] = []
        var position = 0
        var version: UInt16?
        do throws(FrameError) {
            while !way.isBroken, let frame = try way.reader.next(in: bytes.span, from: &position) {
                try way.writer.write(node.index == Flaw.node ? understood(frame, node) : frame, to: &output)
                guard case .welcome(let welcome) = frame else { continue }
                way.open(version: welcome.version)
                version = welcome.version
            }
        } catch {
            way.isBroken = true
        }
        return (way.isBroken ? output + bytes[position...] : output, version)
    }

    private func understood(_ frame: Frame, _ node: SimulatedNode) throws(FrameError) -> Frame {
        switch frame {
        case .changes(var changes):
            changes.images = understood(changes.images, node)
            return .changes(changes)
        case .news(var news):
            for index in news.indices { news[index].images = understood(news[index].images, node) }
            return .news(news)
        case .records(var slice):
            slice.images = understood(slice.images, node)
            return .records(slice)
        default: return frame
        }
    }

    private func understood(_ images: Images, _ node: SimulatedNode) -> Images {
        var altered = Images()
        images.forEach { image in
            var bytes: [UInt8] = []
            for index in image.indices { bytes.append(image[index]) }
            _ = altered.append(flaw.understood(bytes, at: node).span, limits: FrameLimits())
        }
        return altered
    }
}

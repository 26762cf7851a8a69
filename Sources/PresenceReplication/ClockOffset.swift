/// How far a peer's clock is from ours, as pings and pongs of one link tell.
///
/// A ping leaves here at t0, arrives there at t1, its pong leaves there at t2, and arrives here at t3. Then the peer's clock is ahead by
///
///     offset = ((t1 - t0) + (t2 - t3)) / 2       delay = (t3 - t0) - (t2 - t1)
///
/// and wrong by half the delay at most, whichever way was the slower: RFC 5905 (NTP version 4), section 8. Of the last eight samples that with the
/// smallest error counts: the clock filter of section 10, as a sample that was not held up anywhere is the best there is. Its error grows with its age,
/// since clocks drift: ours are slewed by one part in 200 at most, each, so two of them part by little more than one in 100.
///
/// The offset is not used to set anything. It is shown, and beyond `max-clock-offset` the link is refused. A step of a clock shows as a sample that
/// contradicts the older ones: they are forgotten.
///
/// **Cost.** Eight samples; constant time.
public struct ClockOffset: Sendable {
    /// Samples that are kept.
    public static let stages = 8
    /// Two clocks part by less than one part in so many.
    public static let driftPart: Int64 = 64

    /// An offset and how far it may be wrong.
    public struct Estimate: Sendable, Equatable {
        /// The peer's clock less ours, in microseconds.
        public var offset: Int64
        /// The truth is this far away at most, in microseconds.
        public var error: Int64

        /// An estimate of these parts.
        public init(offset: Int64, error: Int64) {
            self.offset = offset
            self.error = error
        }
    }

    /// What is to be done about a peer's clock.
    public enum Verdict: Sendable, Equatable {
        /// Nothing is known yet.
        case unknown
        /// It may be within the bound.
        case within(Estimate)
        /// It is beyond the bound, whatever the network did: the link is to be refused.
        case beyond(Estimate)
    }

    private struct Sample: Sendable {
        var offset: Int64
        /// How far it may have been wrong when it was taken: half the delay, what both clocks may have drifted on the way (both halves of the sum see
        /// it), and two microseconds for rounding.
        var error: Int64
        var takenAt: Int64

        func error(at now: Int64) -> Int64 {
            error + max(0, now - takenAt) / ClockOffset.driftPart
        }

        /// Whether no offset agrees with this sample and a newer one.
        func contradicts(_ newer: Sample) -> Bool {
            abs(offset - newer.offset) > error(at: newer.takenAt) + newer.error
        }
    }

    /// `max-clock-offset` in microseconds.
    public let maximum: Int64

    /// The newest is the last.
    private var samples: [Sample] = []

    /// Nothing is known.
    ///
    /// - Parameter maximum: `max-clock-offset` in microseconds.
    public init(maximum: Int64) {
        self.maximum = maximum
        samples.reserveCapacity(ClockOffset.stages)
    }

    /// How many samples are kept.
    public var count: Int { samples.count }

    /// Takes what a pong tells.
    ///
    /// - Parameters:
    ///   - pong: the peer's three instants.
    ///   - received: t3, when it arrived, by our clock, in microseconds since 1970.
    /// - Returns: false if the instants cannot be: an answer before its question, or sent before it was received. Nothing is kept of those.
    public mutating func add(_ pong: Pong, receivedAt received: Int64) -> Bool {
        let bounds = 0...FrameLimits.microseconds
        guard [pong.sent, pong.received, pong.answered, received].allSatisfy(bounds.contains) else { return false }
        let (away, held) = (received - pong.sent, pong.answered - pong.received)
        guard held >= 0, away >= held else { return false }
        let twice = (pong.received - pong.sent) + (pong.answered - received)
        let error = (away - held) / 2 + 2 * away / ClockOffset.driftPart + 2
        let sample = Sample(offset: twice / 2, error: error, takenAt: received)
        samples.removeAll { $0.contradicts(sample) }
        if samples.count == ClockOffset.stages { samples.removeFirst() }
        samples.append(sample)
        return true
    }

    /// The best that is known at an instant of our clock, in microseconds since 1970; nil without a sample.
    public func estimate(at now: Int64) -> Estimate? {
        var best: Estimate?
        // Of two that are equally good, the newer.
        for sample in samples.reversed() {
            let error = sample.error(at: now)
            if best.map({ error < $0.error }) ?? true { best = Estimate(offset: sample.offset, error: error) }
        }
        return best
    }

    /// The goodbye to a peer whose clock is beyond the bound, at an instant of our clock in microseconds since 1970; nil for all others.
    public func goodbye(at now: Int64) -> Goodbye? {
        guard case .beyond(let estimate) = verdict(at: now) else { return nil }
        let side = estimate.offset > 0 ? "ahead of" : "behind"
        return Goodbye(
            .clock,
            "the receiver's clock is \(abs(estimate.offset) / 1000) ms \(side) the sender's (error at most "
                + "\(estimate.error / 1000 + 1) ms), max-clock-offset is \(maximum / 1000) ms; set the clock that is wrong"
        )
    }

    /// Whether the peer's clock is to be refused, at an instant of our clock in microseconds since 1970.
    public func verdict(at now: Int64) -> Verdict {
        guard let estimate = estimate(at: now) else { return .unknown }
        return abs(estimate.offset) - estimate.error > maximum ? .beyond(estimate) : .within(estimate)
    }
}

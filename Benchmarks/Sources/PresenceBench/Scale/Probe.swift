import Foundation
import Synchronization

/// A client that asks at a rate, whatever the server does, on a thread of its own: what others wait while something else goes on.
final class Probe: Sendable {
    /// What one question met.
    struct Answer: Sendable {
        /// Epoch milliseconds.
        var sentAt: Int64
        var receivedAt: Int64 = 0
        /// Milliseconds from when it was due to be asked to the answer.
        var wait: Double = 0
        /// Milliseconds that the probe itself was late in asking: this machine's, not the server's.
        var ownLateness: Double
        /// Which of its users were offline.
        var offline: [UInt8] = []
    }

    private struct State {
        var answers: [Answer] = []
        var failure: (any Error)?
        var isOver = false
    }

    /// Guards what was answered; written once, at the end.
    private let state = Mutex(State())
    private let hasBegun = Atomic(false)
    private let isStopping = Atomic(false)

    /// Connects; it asks from `begin` on.
    init(port: Int, rate: Double, _ questions: some ProbeQuestions) throws {
        let handle = try ServerAddress(port: port).openSocket()
        let waiting = try SocketWait([handle])
        Thread { [self] in
            while !hasBegun.load(ordering: .relaxed), !isStopping.load(ordering: .relaxed) { usleep(1_000) }
            let result = Result { try ask(handle, waiting, 1e9 / rate, questions) }
            close(handle)
            state.withLock { state in
                switch result {
                case .success(let answers): state.answers = answers
                case .failure(let failure): state.failure = failure
                }
                state.isOver = true
            }
        }.start()
    }

    /// Asks from now on.
    func begin() { hasBegun.store(true, ordering: .relaxed) }

    /// Asks no more, waits for the last answers, and tells all.
    func stop() throws -> [Answer] {
        isStopping.store(true, ordering: .relaxed)
        while !state.withLock({ $0.isOver }) { usleep(5_000) }
        return try state.withLock { state in
            if let failure = state.failure { throw failure }
            return state.answers
        }
    }

    private func ask(
        _ handle: Int32, _ initial: SocketWait, _ interval: Double, _ questions: some ProbeQuestions
    ) throws -> [Answer] {
        var waiting = initial
        var answers: [Answer] = []
        var answered = 0
        var output: [UInt8] = []
        var input: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 65_536)
        let began = MonotonicClock.nanoseconds()
        let due = { (index: Int) in began + Int64(Double(index) * interval) }
        var patience = Int64.max
        while true {
            let now = MonotonicClock.nanoseconds()
            let isLast = isStopping.load(ordering: .relaxed)
            if isLast, answered == answers.count { return answers }
            if isLast, patience == .max { patience = now + 30_000_000_000 }
            guard now < patience else { throw BenchError("the probe was not answered in 30 s") }
            if !isLast, due(answers.count) <= now {
                let lateness = Double(now - due(answers.count)) / 1e6
                output.removeAll(keepingCapacity: true)
                questions.write(answers.count, to: &output)
                answers.append(Answer(sentAt: WallClock.milliseconds(), ownLateness: lateness))
                guard write(handle, output, output.count) == output.count else {
                    throw BenchError("the probe was cut off")
                }
                continue
            }
            waiting.wait(handle, nanoseconds: isLast ? 20_000_000 : due(answers.count) - now)
            guard waiting.isReadable(handle) else { continue }
            let count = read(handle, &chunk, chunk.count)
            guard count > 0 else { throw BenchError("the probe was cut off") }
            input += chunk[..<count]
            while answered < answers.count, let (length, offline) = try questions.read(answered, input[...]) {
                answers[answered].receivedAt = WallClock.milliseconds()
                answers[answered].wait = Double(MonotonicClock.nanoseconds() - due(answered)) / 1e6
                answers[answered].offline = offline
                answered += 1
                input.removeFirst(length)
            }
        }
    }
}

extension [Probe.Answer] {
    /// Milliseconds that each question waited for its answer, from when it was due.
    var waits: Sample { Sample.of(map(\.wait)) }

    /// Milliseconds that the probe itself was late.
    var ownLateness: Sample { Sample.of(map(\.ownLateness)) }
}

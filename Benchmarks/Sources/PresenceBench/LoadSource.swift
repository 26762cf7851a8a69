/// Commands by their places, and the reply that each must get.
protocol AskedCommands {
    /// A command as it is sent.
    subscript(place: Int) -> ArraySlice<UInt8> { get }

    /// The bytes of the reply to a command at the begin of `bytes`, nil if it is not whole yet.
    ///
    /// - Throws: if it is another than the expected one; the message names the command.
    func replyLength(_ place: Int, in bytes: UnsafeRawBufferPointer) throws -> Int?
}

/// Where the commands of a loop come from, one after the other, for each connection.
protocol LoadSource: AnyObject, AskedCommands {
    /// Whether they never end by themselves.
    var isEndless: Bool { get }
    /// Whether all of this stage was sent.
    var isOver: Bool { get }

    /// The next stage begins.
    func begin()

    /// The place of the next command of a connection; nil if it has none in this stage any more.
    func next(for connection: Int) -> Int?

    /// How many changes were caused since this was asked the last time, as far as that is counted.
    func takeChanges() -> Int
}

/// The same commands on whichever connection is free: over and over, or once.
final class LoopSource: LoadSource {
    private let commands: LoadCommands
    private var place: Int
    /// Commands that are still to be sent; nil if they are sent over and over.
    private var left: Int?

    init(_ commands: LoadCommands, _ job: LoadJob) {
        self.commands = commands
        // Each process begins elsewhere; what is sent once is divided among them already.
        place = job.way.isOnce ? 0 : commands.count * job.part / job.parts
        left = job.way.isOnce ? commands.count : nil
    }

    var isEndless: Bool { left == nil }
    var isOver: Bool { left == 0 }

    func begin() {}

    func next(for connection: Int) -> Int? {
        guard left != 0 else { return nil }
        defer { place = (place + 1) % commands.count }
        left = left.map { $0 - 1 }
        return place
    }

    func takeChanges() -> Int { 0 }

    subscript(place: Int) -> ArraySlice<UInt8> { commands[place] }

    func replyLength(_ place: Int, in bytes: UnsafeRawBufferPointer) throws -> Int? {
        try commands.replyLength(place, in: bytes)
    }
}

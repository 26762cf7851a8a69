import Presence
import PresenceRESP
import PresenceStore

/// `MEMORY`: what keys and the process take.
enum MemoryCommands {
    static let table: [Command] = [
        Command(
            "memory", "subcommand [argument ...]", arity: -2, [], [], since: "4.0.0", group: "server",
            complexity: "Depends on subcommand.", "A container for what is known of memory", subcommands: subcommands
        ) { CommandDispatch.runSubcommand(of: "memory", $0, $1, $2, $3, &$4) }
    ]

    private static let subcommands: [Command] = [
        Command(
            "memory|usage", "key [SAMPLES count]", arity: -3, [.readOnly], [],
            keys: KeyPositions(first: 2, last: 2, step: 1), keyUse: .inspect, since: "4.0.0", group: "server",
            "Bytes that a key takes: record, value, and its share of the index and the wheel", usage),
        Command(
            "memory|stats", arity: 2, [], [], since: "4.0.0", group: "server", "What takes how much memory", statistics),
        Command(
            "memory|purge", arity: 2, [], [], since: "4.0.0", group: "server",
            "Gives memory that is not in use back to the system", purge),
        Command(
            "memory|doctor", arity: 2, [], [], since: "4.0.0", group: "server", "What is odd about memory", doctor),
        Command(
            "memory|help", arity: 2, [.loading, .stale], [], since: "4.0.0", group: "server", "Tells the subcommands"
        ) { _, _, _, _, reply in HelpText.write("MEMORY", of: "memory", &reply) },
    ]

    // MARK: - USAGE

    @Sendable private static func usage(
        _ loop: ServerLoop, _ client: Client, _ request: borrowing RequestReader, _ bytes: Span<UInt8>,
        _ reply: inout ReplyBuffer
    ) {
        // SAMPLES is for values with elements, of which there are none here: it is read as Redis reads it.
        var index = 3
        while index < request.argumentCount {
            guard Word(bytes, request.argument(index)) == "SAMPLES", index + 1 < request.argumentCount else {
                reply.error("ERR syntax error")
                return
            }
            guard let count = Numbers.integer(bytes, request.argument(index + 1)) else {
                reply.error("ERR value is not an integer or out of range")
                return
            }
            guard count >= 0 else {
                reply.error("ERR syntax error")
                return
            }
            index += 2
        }
        let key = loop.locate(bytes, request.argument(2))
        if let used = loop.store.memoryUsage(key.kind, bytes.extracting(key.name), at: loop.now) {
            reply.integer(used)
        } else {
            reply.null()
        }
    }

    // MARK: - STATS

    /// Bytes as the allocator, the kernel and the store count them.
    private struct Figures {
        let process: MemoryUse
        let store: Statistics.MemoryByPart
        let keys: Int

        init(_ loop: ServerLoop) {
            process = loop.server.process.memory()
            store = loop.store.statistics().memory
            keys = loop.store.keyCount()
        }

        var total: Int { process.allocated > 0 ? process.allocated : store.total }
        /// Pages in which the allocator has free places.
        var fragmentation: (ratio: Double, bytes: Int) { Figures.ratio(process.active, process.allocated) }
        /// Pages that the allocator keeps for later.
        var allocatorRSS: (ratio: Double, bytes: Int) { Figures.ratio(process.allocatorResident, process.active) }
        /// Memory that is not the allocator's: code, stacks.
        var rssOverhead: (ratio: Double, bytes: Int) { Figures.ratio(process.resident, process.allocatorResident) }
        var all: (ratio: Double, bytes: Int) { Figures.ratio(process.resident, total) }

        private static func ratio(_ whole: Int, _ part: Int) -> (ratio: Double, bytes: Int) {
            (part > 0 ? Double(whole) / Double(part) : 0, whole - part)
        }
    }

    @Sendable private static func statistics(
        _ loop: ServerLoop, _ client: Client, _ request: borrowing RequestReader, _ bytes: Span<UInt8>,
        _ reply: inout ReplyBuffer
    ) {
        let figures = Figures(loop)
        let store = figures.store
        let integers: [(StaticString, Int)] = [
            ("total.allocated", figures.total), ("replication.backlog", 0), ("clients.slaves", 0),
            ("cluster.links", 0), ("aof.buffer", 0), ("overhead.total", max(0, figures.total - store.total)),
            ("keys.count", figures.keys), ("keys.bytes-per-key", figures.keys > 0 ? store.total / figures.keys : 0),
            ("dataset.bytes", store.total), ("allocator.allocated", figures.process.allocated),
            ("allocator.active", figures.process.active), ("allocator.resident", figures.process.allocatorResident),
            ("allocator-fragmentation.bytes", figures.fragmentation.bytes),
            ("allocator-rss.bytes", figures.allocatorRSS.bytes), ("rss-overhead.bytes", figures.rssOverhead.bytes),
            ("fragmentation.bytes", figures.all.bytes), ("store.slabs", store.slabs),
            ("store.slabs-in-use", store.slabsInUse), ("store.index", store.index), ("store.wheels", store.wheels),
            ("store.rings", store.rings), ("store.blocks", store.blocks), ("store.words", store.words),
        ]
        let doubles: [(StaticString, Double)] = [
            ("dataset.percentage", figures.total > 0 ? Double(store.total) * 100 / Double(figures.total) : 0),
            ("allocator-fragmentation.ratio", figures.fragmentation.ratio),
            ("allocator-rss.ratio", figures.allocatorRSS.ratio), ("rss-overhead.ratio", figures.rssOverhead.ratio),
            ("fragmentation", figures.all.ratio),
        ]
        reply.map(integers.count + doubles.count)
        for (name, value) in integers {
            reply.bulk(name)
            reply.integer(value)
        }
        for (name, value) in doubles {
            reply.bulk(name)
            reply.double(value)
        }
    }

    // MARK: - PURGE and DOCTOR

    @Sendable private static func purge(
        _ loop: ServerLoop, _ client: Client, _ request: borrowing RequestReader, _ bytes: Span<UInt8>,
        _ reply: inout ReplyBuffer
    ) {
        if loop.server.process.purge() {
            reply.simple("OK")
        } else {
            reply.error("ERR Error purging dirty pages")
        }
    }

    /// Below so many bytes nothing is odd: Redis's bound.
    private static let doctorMinimum = 5 << 20

    @Sendable private static func doctor(
        _ loop: ServerLoop, _ client: Client, _ request: borrowing RequestReader, _ bytes: Span<UInt8>,
        _ reply: inout ReplyBuffer
    ) {
        let figures = Figures(loop)
        guard figures.total >= doctorMinimum else {
            reply.verbatim("There is too little in memory, less than 5 MB, to say anything of it.\n")
            return
        }
        var lines: [String] = []
        let store = figures.store
        if store.limit > 0, store.total * 10 > store.limit * 9 {
            lines.append(
                "The store has taken more than nine tenths of maxmemory: at it, offline users are forgotten, then new "
                    + "users and strings get errors. Raise maxmemory.")
        }
        if figures.fragmentation.ratio > 1.1, figures.fragmentation.bytes > 10 << 20 {
            lines.append(
                "The allocator's pages are full of holes (\(figures.fragmentation.bytes) bytes): values of many "
                    + "lengths came and went. It uses the holes for what comes.")
        }
        if figures.allocatorRSS.ratio > 1.1, figures.allocatorRSS.bytes > 10 << 20 {
            lines.append(
                "The allocator keeps \(figures.allocatorRSS.bytes) bytes of free pages for later. MEMORY PURGE gives "
                    + "them back.")
        }
        if store.slabs > 64 << 20, store.slabsInUse * 2 < store.slabs {
            lines.append(
                "Less than half of the slabs' memory holds records: many keys were there once. New keys fill it.")
        }
        let text = lines.isEmpty ? ["Nothing is odd about memory."] : lines
        reply.verbatim(text.map { $0 + "\n" }.joined())
    }
}

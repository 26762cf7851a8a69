import PresenceRESP

/// Bytes in, bytes out.
enum MicroCodec {
    private static let command = Connection.encoded([
        "PRESENCE.BEAT", "presence:user:000000000042", "connection-000000001",
    ])
    private static let repeats = 2_000

    static var works: [MicroCommand.Work] {
        [
            ("codec", "a PRESENCE.BEAT read, alone", { try read(1) }),
            ("codec", "a PRESENCE.BEAT read, of 100 that came together", { try read(100) }),
            ("codec", "an integer answered", { answer { $0.integer(1) } }),
            (
                "codec", "250 bytes answered",
                { [value = [UInt8](repeating: 120, count: 250)] in answer { $0.bulk(value.span) } }
            ),
        ]
    }

    private static func read(_ pipeline: Int) throws -> Double {
        let bytes = Array((0..<pipeline).map { _ in command }.joined())
        var reader = RequestReader(limits: RequestLimits())
        var count = 0
        let time = MicroCommand.time(repeats * 100) {
            for _ in 0..<repeats * 100 / pipeline {
                var offset = 0
                while reader.next(in: bytes.span, from: offset) == .command {
                    offset += reader.consumed
                    count += reader.argumentCount
                }
            }
        }
        guard count == repeats * 300 else { throw BenchError("\(count) arguments were read") }
        return time
    }

    private static func answer(_ write: (inout ReplyBuffer) -> Void) -> Double {
        var buffer = ReplyBuffer(capacity: 65_536)
        return MicroCommand.time(repeats * 100) {
            for _ in 0..<repeats {
                buffer.clear()
                for _ in 0..<100 { write(&buffer) }
            }
        }
    }
}

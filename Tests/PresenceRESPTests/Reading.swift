import PresenceRESP

/// What a connection's bytes turned out to be, as plain values that tests compare.
struct Reading: Equatable {
    /// Each command with its arguments.
    var commands: [[[UInt8]]] = []
    /// Requests that asked for nothing.
    var empties = 0
    /// Bytes of whole commands and empty requests.
    var consumed = 0
    /// What ended the connection.
    var failure: ProtocolError?
}

/// How the bytes reach the reader.
struct Delivery {
    /// Places in the bytes where one read ends and the next begins, in ascending order.
    var cuts: [Int] = []
    /// Whether consumed bytes are dropped before more arrive, so that commands move in memory.
    var compacts = false
    /// Whether bytes that an earlier call saw are overwritten with nonsense before the next call: a reader that looks
    /// at one twice then says something else. Bodies are restored for the comparison.
    var scribbles = false
}

/// Feeds `bytes` to a new reader as a connection would and collects what it finds.
func reading(_ bytes: [UInt8], _ delivery: Delivery = Delivery(), limits: RequestLimits = RequestLimits()) -> Reading {
    var reader = RequestReader(limits: limits)
    var result = Reading()
    var dropped = 0
    var seen = 0
    for end in delivery.cuts + [bytes.count] {
        if delivery.compacts {
            dropped = result.consumed
        }
        var window = Array(bytes[dropped..<end])
        if delivery.scribbles, seen > result.consumed {
            // The last byte seen may be a CR whose LF had not come.
            for at in result.consumed..<(seen - 1) { window[at - dropped] = 0xEE }
        }
        receiving: while true {
            switch reader.next(in: window.span, from: result.consumed - dropped) {
            case .command:
                let source = reader.isInlineDecoded ? reader.inlineBytes : Array(bytes[dropped..<end])
                result.commands.append((0..<reader.argumentCount).map { Array(source[reader.argument($0)]) })
                result.consumed += reader.consumed
            case .empty:
                result.empties += 1
                result.consumed += reader.consumed
            case .incomplete:
                break receiving
            case .failure(let error):
                result.failure = error
                return result
            }
        }
        seen = end
    }
    return result
}

/// The bytes of a command as every client sends it.
func encoded(_ arguments: [[UInt8]]) -> [UInt8] {
    var bytes = Array("*\(arguments.count)\r\n".utf8)
    for argument in arguments {
        bytes += Array("$\(argument.count)\r\n".utf8) + argument + [0x0D, 0x0A]
    }
    return bytes
}

/// The bytes of a command of words.
func encoded(words: [String]) -> [UInt8] {
    encoded(words.map { Array($0.utf8) })
}

/// The bytes of a command of words.
func encoded(_ words: String...) -> [UInt8] {
    encoded(words: words)
}

/// What `write` puts into an empty buffer, as text. Bytes outside ASCII are shown as the replacement character.
func written(_ version: RESPVersion = .resp2, _ write: (inout ReplyBuffer) -> Void) -> String {
    var buffer = ReplyBuffer()
    buffer.version = version
    write(&buffer)
    return text(of: buffer)
}

/// What a buffer holds, as text.
func text(of buffer: borrowing ReplyBuffer) -> String {
    buffer.withUnsafeBytes { String(decoding: $0, as: UTF8.self) }
}

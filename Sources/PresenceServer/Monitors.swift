import Presence
import PresenceRESP

/// What one event loop knows of `MONITOR`: who of its clients reads it, which loops have readers, and the lines of the batch at hand.
struct Monitors {
    /// This loop's monitors, by their numbers.
    fileprivate var clients: [Int: Client] = [:]
    /// Clients that asked, while the other loops are being told.
    fileprivate var expected = 0
    /// The loops that have monitors, one bit each.
    fileprivate var loops: UInt64 = 0
    /// Lines that leave with the batch.
    fileprivate var lines: [UInt8] = []
    /// Commands of the batch that are only counted, as their lines would be more than ``maximumBytes``, and the begin of the line that says so.
    fileprivate var left = (count: 0, begin: "")

    /// The most bytes of a batch. Of commands outside of EXEC a batch ends long before.
    static let maximumBytes = 4 << 20
}

/// `MONITOR`: every command of every client, as a line, to whoever asked for it.
///
/// A line is made where the command runs, on the loop of its client, and leaves with that loop's batch. While nobody reads, commands pay nothing.
/// What waits for a monitor that reads slowly is bounded by `client-output-buffer-limit normal`. A line and the lines of one EXEC are bounded, and end
/// with how much they leave out.
extension ServerLoop {
    // MARK: - Coming and going

    /// Makes `client` a monitor once all loops know that there is one, and answers then.
    func addMonitor(_ client: Client, _ reply: inout ReplyBuffer) {
        client.traits.insert(.isMonitor)
        guard peers.count > 1 else {
            setMonitored(by: index, true)
            monitors.clients[client.id] = client
            reply.simple("OK")
            return
        }
        monitors.expected += 1
        client.handler.suspend()
        let index = index
        askPeers({ $0.setMonitored(by: index, true) }) { [self] (_: [Void]) in
            monitors.expected -= 1
            // It may have gone meanwhile; if not, no line reaches it before this reply.
            if clients[client.id] === client { monitors.clients[client.id] = client }
            client.handler.resume { $0.simple("OK") }
            stopUnreadMonitoring()
        }
    }

    /// Ends what `MONITOR` began for a client.
    func removeMonitor(_ client: Client) {
        guard client.traits.remove(.isMonitor) != nil, monitors.clients.removeValue(forKey: client.id) != nil else {
            return
        }
        stopUnreadMonitoring()
    }

    private func stopUnreadMonitoring() {
        guard monitors.clients.isEmpty, monitors.expected == 0 else { return }
        let index = index
        for peer in peers {
            if peer === self {
                setMonitored(by: index, false)
            } else {
                peer.eventLoop.execute { peer.setMonitored(by: index, false) }
            }
        }
    }

    /// Takes over whether loop `index` has monitors.
    private func setMonitored(by index: Int, _ isMonitored: Bool) {
        if isMonitored { monitors.loops |= 1 << UInt64(index) } else { monitors.loops &= ~(1 << UInt64(index)) }
        if monitors.loops != 0 { scrutiny.insert(.monitored) } else { scrutiny.remove(.monitored) }
    }

    // MARK: - Lines

    /// Tells all monitors of a command. Commands of administration are not shown, as in Redis, and neither are passwords.
    func tellMonitors(_ client: Client, _ request: borrowing RequestReader, _ bytes: Span<UInt8>) {
        guard ServerLoop.isShown(request, bytes) else { return }
        let microseconds = String(now.milliseconds % 1000 * 1000)
        let zeros = String(repeating: "0", count: 6 - microseconds.utf8.count)
        let address = client.handler.describeConnection().remote
        let begin = "+\(now.milliseconds / 1000).\(zeros)\(microseconds) [0 \(address)]"
        let start = monitors.lines.count
        guard start < Monitors.maximumBytes else {
            monitors.left = (monitors.left.count + 1, begin)
            return
        }
        monitors.lines.append(contentsOf: begin.utf8)
        let secrets = Secrets(request, bytes)
        for index in 0..<request.argumentCount {
            monitors.lines.append(UInt8(ascii: " "))
            if monitors.lines.count - start > MonitorLine.maximumBytes {
                monitors.lines.append(contentsOf: "\"... (\(request.argumentCount - index) more arguments)\"".utf8)
                break
            }
            if secrets.contains(index) {
                monitors.lines.append(contentsOf: "\"(redacted)\"".utf8)
            } else {
                MonitorLine.quote(bytes, request.argument(index), into: &monitors.lines)
            }
        }
        monitors.lines.append(contentsOf: "\r\n".utf8)
    }

    private static func isShown(_ request: borrowing RequestReader, _ bytes: Span<UInt8>) -> Bool {
        let table = CommandTable.shared
        let number = table.number(of: Word(bytes, request.argument(0)))
        guard number >= 0 else { return false }
        let command = table.commands[number]
        guard !command.subcommands.isEmpty, request.argumentCount > 1 else { return !command.flags.contains(.admin) }
        let name = command.name + "|" + Text.string(bytes, request.argument(1), limit: 64).lowercased()
        guard let subcommand = table.command(named: name), subcommand.takes(request.argumentCount) else { return false }
        return !subcommand.flags.contains(.admin)
    }

    /// Whether lines wait.
    var hasMonitorLines: Bool { !monitors.lines.isEmpty }

    /// Whether so many lines wait that they should leave before more commands are run.
    var hasManyMonitorLines: Bool { monitors.lines.count > 256 * 1024 }

    /// Sends the lines of the batch to the loops that have monitors.
    func deliverMonitorLines() {
        guard !monitors.lines.isEmpty else { return }
        if monitors.left.count > 0 {
            let line = "\(monitors.left.begin) \"... (\(monitors.left.count) more commands)\"\r\n"
            monitors.lines.append(contentsOf: line.utf8)
            monitors.left = (0, "")
        }
        let lines = monitors.lines
        monitors.lines = []
        for peer in peers where monitors.loops & 1 << UInt64(peer.index) != 0 {
            if peer === self {
                pushToMonitors(lines)
            } else {
                peer.eventLoop.execute {
                    peer.pushToMonitors(lines)
                    peer.finishRound()
                }
            }
        }
    }

    private func pushToMonitors(_ lines: [UInt8]) {
        for client in monitors.clients.values where !client.traits.contains(.repliesOff) { client.handler.push(lines) }
    }
}

/// How `MONITOR` spells an argument.
enum MonitorLine {
    /// Longer arguments are shown up to here: a line is memory for each monitor.
    static let maximumArgumentBytes = 16 * 1024
    /// A line that is longer shows no more arguments.
    static let maximumBytes = 64 * 1024

    /// Appends the bytes in quotes, with Redis's escapes.
    static func quote(_ bytes: Span<UInt8>, _ range: Range<Int>, into line: inout [UInt8]) {
        line.append(UInt8(ascii: "\""))
        for index in range.prefix(maximumArgumentBytes) {
            switch bytes[index] {
            case UInt8(ascii: "\\"), UInt8(ascii: "\""):
                line.append(UInt8(ascii: "\\"))
                line.append(bytes[index])
            case 10: line.append(contentsOf: "\\n".utf8)
            case 13: line.append(contentsOf: "\\r".utf8)
            case 9: line.append(contentsOf: "\\t".utf8)
            case 7: line.append(contentsOf: "\\a".utf8)
            case 8: line.append(contentsOf: "\\b".utf8)
            case 0x20...0x7e: line.append(bytes[index])
            default:
                line.append(contentsOf: "\\x".utf8)
                line.append(digit(bytes[index] >> 4))
                line.append(digit(bytes[index] & 15))
            }
        }
        if range.count > maximumArgumentBytes {
            line.append(contentsOf: "... (\(range.count - maximumArgumentBytes) more bytes)".utf8)
        }
        line.append(UInt8(ascii: "\""))
    }

    private static func digit(_ value: UInt8) -> UInt8 {
        value < 10 ? UInt8(ascii: "0") + value : UInt8(ascii: "a") + value - 10
    }
}

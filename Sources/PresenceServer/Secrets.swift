import PresenceRESP

/// Which arguments of a command are secret: neither `MONITOR` nor `SLOWLOG` shows them.
struct Secrets {
    private var indices: [Int] = []

    /// Those of this command: passwords, in whatever form they are given, also where the command is not well-formed.
    init(_ request: borrowing RequestReader, _ bytes: Span<UInt8>) {
        switch Word(bytes, request.argument(0)) {
        case "AUTH": indices = Array(1..<max(1, request.argumentCount))
        case "HELLO":
            var index = 2
            while index < request.argumentCount {
                let option = Word(bytes, request.argument(index))
                if option == "AUTH" {
                    indices += [index + 1, index + 2]
                    index += 3
                } else {
                    index += option == "SETNAME" ? 2 : 1
                }
            }
        case "CONFIG":
            guard request.argumentCount > 2, Word(bytes, request.argument(1)) == "SET" else { return }
            for index in stride(from: 2, to: request.argumentCount, by: 2) {
                let name = Text.string(bytes, request.argument(index), limit: 64).lowercased()
                if Secrets.settings.contains(name) { indices.append(index + 1) }
            }
        default: return
        }
    }

    /// Settings whose values are secret.
    static let settings: Set<String> = ["peer-tls-key-file-pass", "requirepass", "tls-key-file-pass"]

    /// Whether argument `index` is secret.
    func contains(_ index: Int) -> Bool { indices.contains(index) }
}

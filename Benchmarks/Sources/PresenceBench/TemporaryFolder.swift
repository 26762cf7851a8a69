import Foundation

/// A folder of this process that is removed with all that is in it: when nobody holds this any more, or when the process is told to end.
final class TemporaryFolder: Sendable {
    let url: URL
    private let number: Int

    init() throws {
        let url = FileManager.default.temporaryDirectory.appendingPathComponent("presence-bench-\(getpid())-\(UUID())")
        self.url = url
        try FileManager.default.createDirectory(at: url, withIntermediateDirectories: false)
        number = Interruption.beforeEnd { try? FileManager.default.removeItem(at: url) }
    }

    deinit {
        Interruption.forget(number)
        try? FileManager.default.removeItem(at: url)
    }
}

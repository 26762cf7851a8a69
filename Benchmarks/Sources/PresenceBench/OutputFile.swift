import Foundation

/// A file that figures are written to when they have been measured.
enum OutputFile {
    /// Refuses a path that cannot be written to, before anything is measured for it.
    static func check(_ paths: String?...) throws {
        for path in paths.compactMap(\.self) {
            var isFolder: ObjCBool = false
            let exists = FileManager.default.fileExists(atPath: path, isDirectory: &isFolder)
            guard !isFolder.boolValue else { throw BenchError("\(path) is a folder: name a file to write to") }
            let place = exists ? path : URL(fileURLWithPath: path).deletingLastPathComponent().path
            guard access(place, W_OK) == 0 else {
                throw BenchError("\(path) cannot be written: \(place): \(String(cString: strerror(errno)))")
            }
        }
    }
}

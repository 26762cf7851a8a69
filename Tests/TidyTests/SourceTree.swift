import Foundation

/// The repository's files as the rules look at them.
enum SourceTree {
    /// One file. `path` is relative to the repository.
    struct File {
        var path: String
        var text: String

        /// The text of a Swift file without its comments and string literals: what the compiler acts on. Line ends stay.
        var code: String { SwiftCode.code(of: text) }
        var name: String { path.split(separator: "/").last.map(String.init) ?? path }
        /// The folder below `Sources` or `Tests`.
        var target: String { path.split(separator: "/").dropFirst().first.map(String.init) ?? "" }
    }

    static let root = URL(fileURLWithPath: #filePath)
        .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()

    private static let foreignFolders: Set = [".git", ".venv", "venv", "node_modules", "__pycache__"]

    /// Whether a folder is not ours: what was installed, or built, which is in `.build` and folders whose names begin so.
    private static func isForeign(_ name: String) -> Bool { foreignFolders.contains(name) || name.hasPrefix(".build") }

    /// The files below `folder` whose names end so, in the order of their paths. Empty if there is no such folder.
    static func files(in folder: String, ending: String = ".swift") -> [File] {
        paths(in: folder)
            .filter { $0.hasSuffix(ending) }
            .sorted()
            .compactMap { path in text(at: path).map { File(path: path, text: $0) } }
    }

    /// The text of a file; nil if there is none, or it is none.
    static func text(at path: String) -> String? {
        try? String(contentsOf: root.appendingPathComponent(path), encoding: .utf8)
    }

    static func exists(_ path: String) -> Bool {
        FileManager.default.fileExists(atPath: root.appendingPathComponent(path).standardizedFileURL.path)
    }

    /// The folders directly below `folder`.
    static func folders(in folder: String) -> [String] {
        let names =
            (try? FileManager.default.contentsOfDirectory(atPath: root.appendingPathComponent(folder).path)) ?? []
        return names.filter { name in
            var isFolder: ObjCBool = false
            let path = root.appendingPathComponent(folder).appendingPathComponent(name).path
            return FileManager.default.fileExists(atPath: path, isDirectory: &isFolder) && isFolder.boolValue
        }
    }

    private static func paths(in folder: String) -> [String] {
        let start = root.appendingPathComponent(folder)
        guard let below = FileManager.default.enumerator(atPath: start.path) else { return [] }
        var paths: [String] = []
        while let path = below.nextObject() as? String {
            if isForeign((path as NSString).lastPathComponent) {
                below.skipDescendants()
            } else {
                paths.append(folder + "/" + path)
            }
        }
        return paths
    }

    /// Whether a path is that of a pattern in which `*` stands for anything within a name.
    static func matches(_ path: String, _ pattern: String) -> Bool {
        let parts = pattern.split(separator: "*", omittingEmptySubsequences: false).map(String.init)
        guard parts.count > 1, let first = parts.first, let last = parts.last else { return path == pattern }
        guard path.count >= first.count + last.count, path.hasPrefix(first), path.hasSuffix(last) else { return false }
        let between = path.dropFirst(first.count).dropLast(last.count)
        return parts.count == 2 && !between.contains("/")
    }
}

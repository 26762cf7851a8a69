import Foundation

/// The repository that this program was built in.
enum Repository {
    private static let root = (0..<4).reduce(URL(fileURLWithPath: #filePath)) { path, _ in
        path.deletingLastPathComponent()
    }

    /// A path in the working directory if there is one of that name, otherwise in the repository: the program is found from anywhere.
    static func path(_ name: String) -> String {
        FileManager.default.fileExists(atPath: name) ? name : root.appendingPathComponent(name).path
    }
}

import Glibc

/// A file of settings on disk: read whole, and replaced whole or not at all.
struct ConfigurationFile {
    /// As it was given, or found by following links.
    let path: String

    /// Why something could not be done, in the system's words.
    struct Problem: Error {
        let description: String

        init(_ code: Int32) { description = String(cString: strerror(code)) }
        init(_ description: String) { self.description = description }
    }

    /// The bytes of the file.
    func contents() throws(Problem) -> [UInt8] {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { throw Problem(errno) }
        defer { close(descriptor) }
        var contents: [UInt8] = []
        var block = [UInt8](repeating: 0, count: 65_536)
        while true {
            let count = Glibc.read(descriptor, &block, block.count)
            guard count >= 0 else { throw Problem(errno) }
            if count == 0 { return contents }
            contents += block[..<count]
        }
    }

    /// The text of the file.
    func text() throws(Problem) -> String {
        guard let text = String(validating: try contents(), as: UTF8.self) else {
            throw Problem("the file is not UTF-8")
        }
        return text
    }

    /// Replaces the file: the new one is on the disk under another name before it takes this one. What fails before leaves the old one as it was.
    func replace(with text: String) throws(Problem) {
        // A link stays one: what it points to is replaced.
        guard let resolved = realpath(path, nil) else { throw Problem(errno) }
        defer { free(resolved) }
        let target = String(cString: resolved)
        let directory = target.lastIndex(of: "/").map { String(target[..<$0]) } ?? ""
        let temporary = "\(target).\(getpid()).tmp"
        var status = stat()
        guard stat(target, &status) == 0 else { throw Problem(errno) }
        let descriptor = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, status.st_mode & 0o777)
        guard descriptor >= 0 else { throw Problem(errno) }
        var failure = ConfigurationFile.write(Array(text.utf8), to: descriptor)
        // The mode at creation is cut by the umask.
        if failure == 0, fchmod(descriptor, status.st_mode & 0o777) != 0 { failure = errno }
        if failure == 0, fsync(descriptor) != 0 { failure = errno }
        if close(descriptor) != 0, failure == 0 { failure = errno }
        if failure == 0, rename(temporary, target) != 0 { failure = errno }
        guard failure == 0 else {
            unlink(temporary)
            throw Problem(failure)
        }
        // The new name is on the disk once its directory is.
        let folder = open(directory.isEmpty ? "/" : directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        if folder >= 0 {
            fsync(folder)
            close(folder)
        }
    }

    /// Writes all bytes; returns the number of the error, or 0.
    private static func write(_ bytes: [UInt8], to descriptor: Int32) -> Int32 {
        var rest = bytes[...]
        while !rest.isEmpty {
            let count = Array(rest).withUnsafeBytes { Glibc.write(descriptor, $0.baseAddress, $0.count) }
            guard count > 0 else { return errno }
            rest = rest.dropFirst(count)
        }
        return 0
    }
}

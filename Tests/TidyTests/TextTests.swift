import Testing

@Suite("How the text of this repository is")
struct TextTests {
    private let swift = ["Sources", "Tests", "Benchmarks"].flatMap { SourceTree.files(in: $0) }

    @Test("no file is too long to hold one idea")
    func length() {
        for file in swift {
            let lines = file.text.utf8.count { $0 == 0x0A }
            #expect(lines <= HouseRules.maxLines, "\(file.path) has \(lines) lines")
        }
    }

    @Test("no work is promised in a comment")
    func promises() {
        let folders = ["Sources", "Tests", "Benchmarks", "docs", ".ci"]
        let documents = ["README.md", "CONTRIBUTING.md", "CHANGELOG.md", "Makefile", "cluster.conf", "Package.swift"]
        let files =
            folders.flatMap { SourceTree.files(in: $0, ending: "") }
            + documents.compactMap { path in SourceTree.text(at: path).map { SourceTree.File(path: path, text: $0) } }
        for file in files {
            for (line, text) in file.text.split(separator: "\n", omittingEmptySubsequences: false).enumerated() {
                let words = text.split { !$0.isLetter }.map(String.init)
                let found = HouseRules.promises.filter(words.contains)
                #expect(found.isEmpty, "\(file.path):\(line + 1)")
            }
        }
    }

    @Test("no type is named as a module")
    func moduleNames() {
        for file in swift {
            let named = types(in: file).filter { HouseRules.imports.keys.contains($0) }
            #expect(named.isEmpty, "\(file.path) declares \(named)")
        }
    }

    @Test("no type's name is an empty word")
    func emptyNames() {
        for file in swift {
            let empty = types(in: file).filter { name in HouseRules.emptyNames.contains { name.hasSuffix($0) } }
            #expect(empty.isEmpty, "\(file.path) declares \(empty)")
        }
    }

    private func types(in file: SourceTree.File) -> [String] {
        file.code.matches(of: /\b(?:class|struct|enum|actor|protocol|typealias) +([A-Z]\w*)/).map {
            String($0.output.1)
        }
    }
}

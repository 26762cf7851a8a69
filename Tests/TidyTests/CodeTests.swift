import Testing

@Suite("Where which code may be")
struct CodeTests {
    private let sources = SourceTree.files(in: "Sources")

    @Test("the rules see the sources")
    func sees() {
        #expect(sources.count > 20)
        #expect(SourceTree.exists("Package.swift"))
    }

    @Test("a target imports what its row of the table allows")
    func imports() {
        for file in sources {
            let allowed = HouseRules.imports[file.target]
            #expect(allowed != nil, "\(file.target) has no row in HouseRules.imports")
            let foreign = modules(importedBy: file).subtracting(allowed ?? [])
            #expect(foreign.isEmpty, "\(file.path) imports \(foreign.sorted())")
        }
    }

    @Test("Package.swift offers a target no more than its row allows, and has no target without one")
    func manifest() throws {
        let manifest = try #require(SourceTree.text(at: "Package.swift"))
        let known = HouseRules.imports.values.reduce(Set(HouseRules.imports.keys)) { $0.union($1) }
        var targets: Set<String> = []
        for part in manifest.split(separator: /\.(target|executableTarget|testTarget)\(/).dropFirst() {
            let names = part.matches(of: /"(\w+)"/).map { String($0.output.1) }
            // What only tests are built with has no row: it may import anything.
            guard let target = names.first, !target.hasSuffix("Tests"), !part.contains("\"Tests/") else { continue }
            targets.insert(target)
            let dependencies = Set(names.dropFirst()).intersection(known).subtracting([target])
            let foreign = dependencies.subtracting(HouseRules.imports[target] ?? [])
            #expect(foreign.isEmpty, "\(target) depends on \(foreign.sorted())")
        }
        #expect(targets == Set(HouseRules.imports.keys))
        #expect(Set(SourceTree.folders(in: "Sources")) == targets)
    }

    @Test("unsafe code is only where the list says, and everywhere it says")
    func unsafe() {
        hold(HouseRules.unsafeFiles) { $0.code.lowercased().contains("unsafe") }
    }

    @Test("clocks are read only where the list says")
    func clocks() {
        hold(HouseRules.clockFiles) { file in
            let code = file.code
            return HouseRules.clocks.contains { code.contains($0) }
        }
    }

    @Test("NIO is imported only where the list says")
    func nio() {
        hold(HouseRules.nioFiles) { modules(importedBy: $0).contains { $0.hasPrefix("NIO") } }
    }

    @Test("nothing is built on attributes that Swift does not promise to keep")
    func underscoredAttributes() {
        for file in sources {
            let found = file.code.matches(of: /@_\w+/).map { String($0.output) }
            #expect(found.isEmpty, "\(file.path) has \(found)")
        }
    }

    @Test("comments and literals are told from code")
    func code() {
        let text = """
            let a = "unsafe // \\" /*" // unsafe
            /* unsafe /* nested */ unsafe */ let b = #"un"safe"#
            let c = \"\"\"
                unsafe " unsafe
                \"\"\"
            Unsafe()
            """
        #expect(SwiftCode.code(of: text) == "let a =  \n let b = \nlet c = \n\n\nUnsafe()")
    }

    /// Expects exactly the files of `patterns` to do something: no other file, and for each pattern one.
    private func hold(_ patterns: [String], _ does: (SourceTree.File) -> Bool) {
        let found = sources.filter(does).map(\.path)
        for path in found {
            #expect(patterns.contains { SourceTree.matches(path, $0) }, "\(path) is not on the list")
        }
        for pattern in patterns {
            #expect(found.contains { SourceTree.matches($0, pattern) }, "\(pattern) is on the list for nothing")
        }
    }

    private func modules(importedBy file: SourceTree.File) -> Set<String> {
        let kinds: Set = ["struct", "class", "enum", "protocol", "func", "var", "let", "typealias", "actor"]
        let levels: Set = ["public", "package", "internal", "private", "fileprivate"]
        var modules: Set<String> = []
        for line in file.code.split(separator: "\n") {
            let words = line.split(separator: " ").map(String.init)
            let rest = words.drop { $0.hasPrefix("@") || levels.contains($0) }
            guard rest.first == "import" else { continue }
            if let name = rest.dropFirst().first(where: { !kinds.contains($0) }) {
                modules.insert(name.split(separator: ".").first.map(String.init) ?? name)
            }
        }
        return modules
    }
}

import Foundation
import Testing

@Suite("Every link of the documents leads somewhere")
struct LinkTests {
    private let documents =
        ["README.md", "CONTRIBUTING.md", "CHANGELOG.md"].compactMap { path in
            SourceTree.text(at: path).map { SourceTree.File(path: path, text: $0) }
        } + SourceTree.files(in: "docs", ending: ".md")

    @Test("to a file that is there, and a heading that is in it")
    func links() {
        for document in documents {
            for link in links(in: document) {
                let parts = link.split(separator: "#", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
                let path = parts[0].isEmpty ? document.path : resolve(parts[0], from: document.path)
                #expect(SourceTree.exists(path), "\(document.path) links to \(link)")
                if parts.count == 2, path.hasSuffix(".md"), let target = SourceTree.text(at: path) {
                    #expect(anchors(in: target).contains(parts[1]), "\(document.path) links to \(link)")
                }
            }
        }
    }

    @Test("headings become the anchors that readers' browsers look for")
    func anchorSpelling() {
        let text = "# The way of one `BEAT`\n```\n# no heading\n```\n## Why? Because.\n## Why? Because.\n"
        #expect(anchors(in: text) == ["the-way-of-one-beat", "why-because", "why-because-1"])
    }

    /// Where the links of a document lead, but for those that leave the repository.
    private func links(in document: SourceTree.File) -> [String] {
        let text = prose(document.text).replacing(/`[^`\n]*`/, with: "")
        let inline = text.matches(of: /\]\(\s*<?([^)\s>]+)>?[^)]*\)/).map { String($0.output.1) }
        let references = text.matches(of: /(?m)^\[[^\]]+\]:\s*(\S+)/).map { String($0.output.1) }
        return (inline + references).filter { !$0.contains(/^[a-z]+:/) }
    }

    private func resolve(_ link: String, from document: String) -> String {
        let path = link.removingPercentEncoding ?? link
        if path.hasPrefix("/") { return String(path.dropFirst()) }
        return (document as NSString).deletingLastPathComponent.isEmpty
            ? path : (document as NSString).deletingLastPathComponent + "/" + path
    }

    /// The headings of a document as the anchors that GitHub makes of them.
    private func anchors(in text: String) -> [String] {
        var seen: [String: Int] = [:]
        return prose(text).split(separator: "\n").compactMap { line in
            guard let heading = line.wholeMatch(of: /#{1,6} +(.*)/)?.output.1 else { return nil }
            let anchor = String(
                heading.lowercased().filter { $0.isLetter || $0.isNumber || $0 == " " || $0 == "-" || $0 == "_" }
                    .map { $0 == " " ? "-" : $0 })
            defer { seen[anchor, default: 0] += 1 }
            return seen[anchor].map { "\(anchor)-\($0)" } ?? anchor
        }
    }

    /// A document without its blocks of code.
    private func prose(_ text: String) -> String {
        var isCode = false
        return text.split(separator: "\n", omittingEmptySubsequences: false)
            .filter { line in
                let isFence = line.contains(/^\s*(```|~~~)/)
                if isFence { isCode.toggle() }
                return !isFence && !isCode
            }
            .joined(separator: "\n")
    }
}

import Testing

/// Code in the catalogs of the documentation is code that is built and run elsewhere: in an example, or in `ArticleTests`.
@Suite("Every Swift snippet of an article is compiled somewhere")
struct SnippetTests {
    private let articles = SourceTree.files(in: "Sources", ending: ".md")
    private let code =
        SourceTree.files(in: "Examples", ending: ".swift").filter { !$0.path.contains("/.build") }
        + SourceTree.files(in: "Tests/PresenceStoreTests", ending: "ArticleTests.swift")

    @Test("line by line, without a gap")
    func snippets() {
        let sources = code.map { lines(of: $0.text) }
        var count = 0
        for article in articles {
            for snippet in snippets(in: article.text) {
                count += 1
                let isFound = sources.contains { contains($0, snippet) }
                #expect(isFound, "\(article.path): \(snippet.joined(separator: "\n"))")
            }
        }
        #expect(count >= 20, "the articles are where this test looks for them")
    }

    @Test("a snippet with a line that the code has not is found")
    func gaps() {
        let text = "let a = 1\nlet b = 2\n\nlet c = 3"
        #expect(contains(lines(of: text), ["let b = 2", "let c = 3"]))
        #expect(!contains(lines(of: text), ["let a = 1", "let c = 3"]))
        #expect(!contains(lines(of: text), ["let c = 3", "let d = 4"]))
        #expect(snippets(in: "```swift\n  a\n\n  b\n```\n```\nno\n```\n") == [["a", "b"]])
    }

    /// The blocks of Swift code of an article, as lines without indentation.
    private func snippets(in article: String) -> [[String]] {
        article.matches(of: /(?ms)^```swift\n(.*?)^```$/).map { lines(of: String($0.output.1)) }
    }

    /// Lines without indentation; empty ones do not count.
    private func lines(of text: String) -> [String] {
        text.split(separator: "\n").map { $0.trimmingPrefix { $0 == " " } }.filter { !$0.isEmpty }.map(String.init)
    }

    private func contains(_ lines: [String], _ part: [String]) -> Bool {
        guard let first = part.first, lines.count >= part.count else { return false }
        return (0...lines.count - part.count).contains { start in
            lines[start] == first && Array(lines[start..<start + part.count]) == part
        }
    }
}

import Foundation
import FoundationXML
import Testing

@testable import presence_bench

@Suite("What a run is told as")
struct ReportTests {
    @Test("a tenth more fails, a tenth less is a hint, and what only one side counts fails")
    func baselines() {
        let old = Baseline(["beat": 1_000, "read": 1_000, "connect": 1_000, "gone": 5, "none": 0])
        let same = old.compare(old)
        #expect(same == Baseline.Differences())
        let found = old.compare(Baseline(["beat": 1_101, "read": 1_100, "connect": 899, "new": 5, "none": 1]))
        #expect(
            found.failures == [
                "beat: 1 101, the baseline is 1 000", "gone: in the baseline, and not counted any more",
                "new: counted now, and not in the baseline", "none: 1, the baseline is 0",
            ])
        #expect(found.gains == ["connect: 899, the baseline is 1 000"])
    }

    @Test("a baseline comes back from its file as it was, and one that is none says what to do")
    func files() throws {
        let path = FileManager.default.temporaryDirectory.appendingPathComponent("baseline-\(getpid()).json").path
        defer { try? FileManager.default.removeItem(atPath: path) }
        let baseline = Baseline(["beat": 1, "read": 2])
        try baseline.write(to: path)
        #expect(try Baseline(file: path) == baseline)
        try Data("[]".utf8).write(to: URL(fileURLWithPath: path))
        #expect(throws: BenchError.self) { try Baseline(file: path) }
        #expect(throws: BenchError.self) { try Baseline(file: path + ".missing") }
    }

    @Test("medians and percentiles lie between values by proportion")
    func samples() {
        #expect(Sample.of([3, 1, 2]).median == 2)
        #expect(Sample.of([4, 1, 2, 3]).median == 2.5)
        #expect(Sample.of([10, 20]).percentile(0.25) == 12.5)
        #expect(Sample.of([]).median.isNaN)
        #expect(Sample.of([2, 1]).spread(1) == "1.0 to 2.0")
        #expect(fixed(1234.567, 2) == "1 234.57")
        #expect(fixed(.nan, 2) == "-")
        #expect(grouped(-1_234_567) == "-1 234 567")
    }

    @Test("a figure of several servers is a row each, with presenced's share of the better of the others'")
    func sideBySide() {
        var figure = SideBySide("bytes", digits: 1, goal: "120")
        for (round, own) in [100.0, 120, 110].enumerated() {
            figure.add(own, of: "presenced", isOwn: true)
            figure.add(200 + Double(round), of: "Redis", isOwn: false)
            figure.add(220, of: "Valkey", isOwn: false)
        }
        #expect(
            figure.rows == [
                ["bytes", "presenced", "110.0", "100.0 to 120.0", "0.55", "120"],
                ["bytes", "Redis", "201.0", "200.0 to 202.0", "", ""],
                ["bytes", "Valkey", "220.0", "220.0 to 220.0", "", ""],
            ])
        #expect(figure.rows.allSatisfy { $0.count == SideBySide.columns.count })
        var alone = SideBySide("bytes", digits: 0)
        alone.add(1, of: "presenced", isOwn: true)
        #expect(alone.rows == [["bytes", "presenced", "1", "1 to 1", "-", ""]])
        let kinds: [ServerKind] = [.presenced("a"), .redis("b"), .valkey("c")]
        #expect(ServerKind.inTurn(kinds, round: 0).map(\.path) == ["a", "b", "c"])
        #expect(ServerKind.inTurn(kinds, round: 1).map(\.path) == ["c", "b", "a"])
    }

    @Test("of a server that announces few ends it is told how many, and how late those were")
    func announced() throws {
        var outcome = LoadOutcome()
        #expect(
            LatenessCommand.row(of: "Redis", outcome, due: 100_000) == [
                "Redis, strings that run out", "0 of 100 000", "-", "-", "-", "",
            ])
        for milliseconds in [1_000, 2_000, 3_000] as [Int64] {
            try outcome.record(milliseconds * 1_000_000)
            outcome.operations += 1
        }
        let row = LatenessCommand.row(of: "Redis", outcome, due: 100_000)
        #expect(row[1] == "3 of 100 000" && row[2].hasPrefix("2 00") && row[4].hasPrefix("3 00") && row.count == 6)
    }

    @Test("a reply is taken when it is whole, and another than the expected one is refused")
    func replies() throws {
        func length(_ expected: ExpectedReply, _ text: String) throws -> Int? {
            try Array(text.utf8).withUnsafeBytes { try expected.length(in: $0) }
        }
        #expect(try length(.exact(":1\r\n"), ":1\r\n:1\r\n") == 4)
        #expect(try length(.exact(":1\r\n"), ":1") == nil)
        #expect(throws: BenchError.self) { try length(.exact(":1\r\n"), ":0\r\n") }
        #expect(throws: BenchError.self) { try length(.exact(":1\r\n"), "-ERR") }
        let bulk = ExpectedReply.bulk(containing: "online")
        #expect(try length(bulk, "$10\r\n<<online>>\r\n+") == 17)
        #expect(try length(bulk, "$10\r\n<<onl") == nil)
        #expect(throws: BenchError.self) { try length(bulk, "$10\r\n<<idle!!>>\r\n") }
        #expect(throws: BenchError.self) { try length(bulk, "$-1\r\n") }
    }

    @Test("the figures of scale as JSON are those of its text, with options, machine and what failed")
    func scale() throws {
        let path = FileManager.default.temporaryDirectory.appendingPathComponent("scale-\(getpid()).json").path
        defer { try? FileManager.default.removeItem(atPath: path) }
        var table = Table.ofGoals("Users")
        table.add("held", "30 000 000", goal: "30 000 000", isHeld: true)
        table.add("bytes", 130, atMost: 120, "B")
        table.notes.append("Quiet \"meanwhile\".")
        var report = ScaleReport(machine: .present(), options: try ScaleOptions.parse(["--users", "5000"]))
        report.add(.hold, ScaleResult(table: table))
        try report.writeJSON(path)
        report.add(.storms, ScaleResult(table: Table.ofGoals("Storms"), failure: BenchError("one is missing")))
        try report.writeJSON(path)

        let data = try Data(contentsOf: URL(fileURLWithPath: path))
        let json = try #require(try JSONSerialization.jsonObject(with: data) as? [String: Any])
        let options = try #require(json["options"] as? [String: Int])
        #expect(options["users"] == 5_000 && options["seconds"] == 600 && options.count == 8)
        #expect((json["machine"] as? [String: Any])?["cores"] as? Int == ProcessInfo.processInfo.activeProcessorCount)
        let parts = try #require(json["parts"] as? [[String: Any]])
        #expect(parts.map { $0["part"] as? String } == ["hold", "storms"])
        #expect(parts.map { $0["failure"] as? String } == [nil, "one is missing"])
        let told = try #require(parts.first?["table"] as? [String: Any])
        let rows = try #require(told["rows"] as? [[String]])
        #expect(
            rows == [
                ["held", "30 000 000", "30 000 000", "held"], ["bytes", "130.0 B", "at most 120 B", "not held"],
            ])
        #expect(told["title"] as? String == "Users" && told["notes"] as? [String] == ["Quiet \"meanwhile\"."])
        // Nothing that the text has is missing.
        for cell in rows.joined() { #expect(table.text.contains(cell)) }
    }

    @Test("a chart is whole XML, its bars are in proportion, and names in it are no markup")
    func chart() throws {
        let bars = [
            Chart.Bar(label: "a<b>&\"c\"", series: "one", value: 5, least: 4, greatest: 8, note: "5 us"),
            Chart.Bar(label: "other", series: "two", value: 10, least: 10, greatest: 10, note: "10 us"),
        ]
        let chart = Chart(title: "A & B", subtitles: ["below"], groups: [Chart.Group(title: "get", bars: bars)])
        let reader = ChartReader()
        let parser = XMLParser(data: Data(chart.svg.utf8))
        parser.delegate = reader
        #expect(parser.parse())
        #expect(reader.texts.contains("a<b>&\"c\""))
        // The two bars: those of the height of bars.
        let widths = reader.rectangles.filter { $0["height"] == "14.0" }.compactMap {
            $0["width"].flatMap { Double($0) }
        }
        #expect(widths.count == 2 && widths[1] == widths[0] * 2)
        #expect(Set(reader.rectangles.compactMap { $0["fill"] }).count == 3)
    }

    @Test(
        "labels and lines of a chart have room, and what is too long for any is cut and whole behind",
        arguments: [10, 45, 60, 72, 90])
    func room(_ length: Int) throws {
        let label = String(repeating: "W", count: length - 1) + "e"
        let bar = Chart.Bar(label: label, series: "one", value: 5, least: 4, greatest: 5, note: "5.00 us, 12.0x")
        let line = String(repeating: "m", count: 2 * length)
        let chart = Chart(title: "A", subtitles: [line], groups: [Chart.Group(title: "get", bars: [bar])])
        let reader = ChartReader()
        let parser = XMLParser(data: Data(chart.svg.utf8))
        parser.delegate = reader
        #expect(parser.parse())
        let width = try #require(reader.size.flatMap { Double($0) })
        for (attributes, text) in reader.placed where attributes["font-size"] == "12" {
            let x = try #require(attributes["x"].flatMap { Double($0) })
            let room = attributes["text-anchor"] == "end" ? x : width - x
            #expect(Double(text.count) * 6.4 <= room, "\(text)")
        }
        #expect(reader.titles.contains(label) == (length > 72))
        #expect(reader.texts.contains(label) == (length <= 72))
    }

    @Test("what is left of a work goes down while a step goes on, and never below what no step has taken yet")
    func progress() {
        #expect(Progress.rest(done: 0, total: 4, elapsed: 3, present: 3) == "[....................] 0/4")
        #expect(Progress.rest(done: 2, total: 4, elapsed: 20, present: 0) == "[##########..........] 2/4, 20 s left")
        #expect(Progress.rest(done: 2, total: 4, elapsed: 25, present: 5) == "[############........] 2/4, 15 s left")
        // A step that takes longer than those before is not over for all that.
        #expect(Progress.rest(done: 2, total: 4, elapsed: 60, present: 40) == "[##############......] 2/4, 10 s left")
        #expect(Progress.rest(done: 4, total: 4, elapsed: 40, present: 0) == "[####################] 4/4, 0 s left")
    }
}

/// Collects what a picture holds.
private final class ChartReader: NSObject, XMLParserDelegate {
    var rectangles: [[String: String]] = []
    var texts: [String] = []
    var placed: [([String: String], String)] = []
    var titles: [String] = []
    /// The width of the picture.
    var size: String?
    private var text = ""
    private var attributes: [String: String] = [:]

    func parser(
        _ parser: XMLParser, didStartElement name: String, namespaceURI: String?, qualifiedName: String?,
        attributes: [String: String] = [:]
    ) {
        if name == "rect" { rectangles.append(attributes) }
        if name == "svg" { size = attributes["width"] }
        self.attributes = attributes
        text = ""
    }

    func parser(_ parser: XMLParser, foundCharacters string: String) { text += string }

    func parser(_ parser: XMLParser, didEndElement name: String, namespaceURI: String?, qualifiedName: String?) {
        if name == "title" { titles.append(text) }
        if name == "text" {
            texts.append(text)
            placed.append((attributes, text))
        }
    }
}

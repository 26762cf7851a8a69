/// Horizontal bars in groups, as an SVG picture: each group has a scale of its own, since its bars are compared with each other.
struct Chart {
    /// One bar: a value with its least and greatest.
    struct Bar {
        var label: String
        /// Whose bar it is: bars of one series have one colour.
        var series: String
        var value: Double
        var least: Double
        var greatest: Double
        /// What stands behind the bar.
        var note: String
    }

    struct Group {
        var title: String
        var bars: [Bar]
    }

    var title: String
    /// Lines below the title.
    var subtitles: [String]
    var groups: [Group]

    private static let width = 920.0
    private static let margin = 28.0
    private static let barsBegin = 300.0
    private static let barsWidth = 430.0
    private static let barHeight = 14.0
    private static let barStep = 22.0
    private static let groupHead = 30.0
    private static let head = 112.0

    /// Colours that people who see few colours tell apart as well (Masataka Okabe, Kei Ito, 2008).
    private static let colours = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9"]

    var svg: String {
        var height = Chart.head
        var body: [String] = []
        for group in groups {
            body += picture(of: group, at: height)
            height += Chart.groupHead + Double(group.bars.count) * Chart.barStep + 12
        }
        height += Chart.margin - 12
        let size = "\(whole(Chart.width)) \(whole(height))"
        let open = [
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 \(size)\" width=\"\(whole(Chart.width))\" "
                + "height=\"\(whole(height))\" role=\"img\" font-family=\"system-ui, 'Segoe UI', Helvetica, Arial, sans-serif\">",
            "<title>\(Chart.escaped(title))</title>",
            "<rect x=\"0.5\" y=\"0.5\" width=\"\(whole(Chart.width - 1))\" height=\"\(whole(height - 1))\" rx=\"10\" "
                + "fill=\"#ffffff\" stroke=\"#d8dee4\"/>",
            text(title, Chart.margin, 38, size: 19, weight: 600, fill: "#1f2328"),
        ]
        let lines = subtitles.enumerated().map { place, line in
            text(line, Chart.margin, 60 + Double(place) * 17, size: 12, fill: "#59636e")
        }
        return (open + lines + legend() + body + ["</svg>", ""]).joined(separator: "\n")
    }

    // MARK: Parts

    private var series: [String] {
        var found: [String] = []
        for bar in groups.flatMap(\.bars) where !found.contains(bar.series) { found.append(bar.series) }
        return found
    }

    private func colour(_ name: String) -> String {
        Chart.colours[(series.firstIndex(of: name) ?? 0) % Chart.colours.count]
    }

    private func legend() -> [String] {
        var x = Chart.margin
        return series.flatMap { name in
            defer { x += 28 + Double(name.count) * 7 }
            return [
                rectangle(x, Chart.head - 22, 11, 11, fill: colour(name)),
                text(name, x + 17, Chart.head - 12, size: 12, fill: "#1f2328"),
            ]
        }
    }

    private func picture(of group: Group, at top: Double) -> [String] {
        let greatest = group.bars.map { max($0.value, $0.greatest) }.filter(\.isFinite).max() ?? 0
        let scale = greatest > 0 ? Chart.barsWidth / greatest : 0
        var parts = [
            line(Chart.margin, top + 8, Chart.width - Chart.margin, top + 8, "#eaeef2"),
            text(group.title, Chart.margin, top + 25, size: 13, weight: 600, fill: "#1f2328"),
        ]
        for (place, bar) in group.bars.enumerated() {
            let y = top + Chart.groupHead + Double(place) * Chart.barStep + 4
            parts += picture(of: bar, at: y, scale: scale)
        }
        return parts
    }

    private func picture(of bar: Bar, at y: Double, scale: Double) -> [String] {
        let middle = y + Chart.barHeight / 2
        let end = Chart.barsBegin + max(1, bar.value * scale)
        let (least, greatest) = (Chart.barsBegin + bar.least * scale, Chart.barsBegin + bar.greatest * scale)
        return [
            text(bar.label, Chart.barsBegin - 10, middle + 4, size: 12, fill: "#59636e", anchor: "end"),
            rectangle(Chart.barsBegin, y, end - Chart.barsBegin, Chart.barHeight, fill: colour(bar.series)),
            line(least, middle, greatest, middle, "#1f2328"),
            line(least, middle - 3, least, middle + 3, "#1f2328"),
            line(greatest, middle - 3, greatest, middle + 3, "#1f2328"),
            text(bar.note, max(end, greatest) + 8, middle + 4, size: 12, fill: "#1f2328"),
        ]
    }

    // MARK: Elements

    private func rectangle(_ x: Double, _ y: Double, _ width: Double, _ height: Double, fill: String) -> String {
        "<rect x=\"\(short(x))\" y=\"\(short(y))\" width=\"\(short(width))\" height=\"\(short(height))\" rx=\"2\" fill=\"\(fill)\"/>"
    }

    private func line(_ x1: Double, _ y1: Double, _ x2: Double, _ y2: Double, _ stroke: String) -> String {
        "<line x1=\"\(short(x1))\" y1=\"\(short(y1))\" x2=\"\(short(x2))\" y2=\"\(short(y2))\" stroke=\"\(stroke)\"/>"
    }

    private func text(
        _ text: String, _ x: Double, _ y: Double, size: Int, weight: Int = 400, fill: String, anchor: String = "start"
    ) -> String {
        "<text x=\"\(short(x))\" y=\"\(short(y))\" font-size=\"\(size)\" font-weight=\"\(weight)\" fill=\"\(fill)\" "
            + "text-anchor=\"\(anchor)\">\(Chart.escaped(text))</text>"
    }

    private func whole(_ value: Double) -> String { String(Int(value.rounded())) }

    private func short(_ value: Double) -> String { String((value * 10).rounded() / 10) }

    /// Text in which nothing is markup.
    static func escaped(_ text: String) -> String {
        text.reduce(into: "") { all, character in
            switch character {
            case "&": all += "&amp;"
            case "<": all += "&lt;"
            case ">": all += "&gt;"
            case "\"": all += "&quot;"
            default: all.append(character)
            }
        }
    }
}

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

    private static let margin = 28.0
    private static let barsWidth = 430.0
    /// Room for what stands behind the longest bar.
    private static let noteWidth = 190.0
    /// The least room for labels, and the most characters of one: what is longer is cut, and whole where one points at it.
    private static let labelsWidth = 262.0
    private static let labelLength = 72
    /// About what a character of the small text takes, rather more than less.
    private static let characterWidth = 6.4
    private static let barHeight = 14.0
    private static let barStep = 22.0
    private static let groupHead = 30.0
    private static let head = 112.0

    /// Colours that people who see few colours tell apart as well (Masataka Okabe, Kei Ito, 2008).
    private static let colours = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9"]

    private var labels: [String] { groups.flatMap(\.bars).map(\.label) }

    /// Where bars begin: behind the longest label.
    private var barsBegin: Double {
        let longest = min(labels.map(\.count).max() ?? 0, Chart.labelLength)
        return Chart.margin + max(Chart.labelsWidth, Double(longest) * Chart.characterWidth) + 10
    }

    /// The whole picture: it has room for bars and for the lines above them.
    private var width: Double {
        let line = Double(subtitles.map(\.count).max() ?? 0) * Chart.characterWidth
        return max(barsBegin + Chart.barsWidth + Chart.noteWidth, line + 2 * Chart.margin)
    }

    var svg: String {
        var height = Chart.head
        var body: [String] = []
        for group in groups {
            body += picture(of: group, at: height)
            height += Chart.groupHead + Double(group.bars.count) * Chart.barStep + 12
        }
        height += Chart.margin - 12
        let size = "\(whole(width)) \(whole(height))"
        let open = [
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 \(size)\" width=\"\(whole(width))\" "
                + "height=\"\(whole(height))\" role=\"img\" font-family=\"system-ui, 'Segoe UI', Helvetica, Arial, sans-serif\">",
            "<title>\(Chart.escaped(title))</title>",
            "<rect x=\"0.5\" y=\"0.5\" width=\"\(whole(width - 1))\" height=\"\(whole(height - 1))\" rx=\"10\" "
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
            line(Chart.margin, top + 8, width - Chart.margin, top + 8, "#eaeef2"),
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
        let end = barsBegin + max(1, bar.value * scale)
        let (least, greatest) = (barsBegin + bar.least * scale, barsBegin + bar.greatest * scale)
        return [
            label(bar.label, middle + 4),
            rectangle(barsBegin, y, end - barsBegin, Chart.barHeight, fill: colour(bar.series)),
            line(least, middle, greatest, middle, "#1f2328"),
            line(least, middle - 3, least, middle + 3, "#1f2328"),
            line(greatest, middle - 3, greatest, middle + 3, "#1f2328"),
            text(bar.note, max(end, greatest) + 8, middle + 4, size: 12, fill: "#1f2328"),
        ]
    }

    /// A bar's label, up to the bars.
    private func label(_ label: String, _ y: Double) -> String {
        guard label.count > Chart.labelLength else {
            return text(label, barsBegin - 10, y, size: 12, fill: "#59636e", anchor: "end")
        }
        let cut = text(
            label.prefix(Chart.labelLength - 1) + "\u{2026}", barsBegin - 10, y, size: 12, fill: "#59636e",
            anchor: "end")
        return "<g><title>\(Chart.escaped(label))</title>\(cut)</g>"
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

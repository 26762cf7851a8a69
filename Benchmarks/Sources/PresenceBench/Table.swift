import Foundation

/// A table as Markdown that is readable as plain text too: `docs/BENCHMARKS.md` takes it as it is.
struct Table: Encodable {
    var title: String
    var columns: [String]
    var rows: [[String]] = []
    var notes: [String] = []

    init(_ title: String, _ columns: [String]) {
        self.title = title
        self.columns = columns
    }

    mutating func add(_ cells: String...) { rows.append(cells) }

    var text: String {
        let widths = columns.indices.map { column in
            ([columns] + rows).map { column < $0.count ? $0[column].count : 0 }.max() ?? 0
        }
        let line = { (cells: [String]) -> String in
            let padded = widths.indices.map { column in
                let cell = column < cells.count ? cells[column] : ""
                let space = String(repeating: " ", count: widths[column] - cell.count)
                return column == 0 ? cell + space : space + cell
            }
            return "| " + padded.joined(separator: " | ") + " |"
        }
        let rule = widths.enumerated().map { column, width in
            column == 0
                ? String(repeating: "-", count: max(3, width)) : String(repeating: "-", count: max(2, width - 1)) + ":"
        }
        var lines = ["### " + title, "", line(columns), "| " + rule.joined(separator: " | ") + " |"]
        lines += rows.map(line)
        lines += notes.isEmpty ? [""] : [""] + notes + [""]
        return lines.joined(separator: "\n")
    }

    /// Writes tables as JSON.
    static func write(_ tables: [Table], to path: String) throws {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys]
        try encoder.encode(tables).write(to: URL(fileURLWithPath: path))
    }
}

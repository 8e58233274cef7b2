import Foundation

// What the reports share.

func number(_ value: Double?) -> String { decimal(value) }

/// Rows of text, the first column flush left, the others flush right.
struct TextTable: CustomStringConvertible {
    var widths: [Int]
    var rows: [[String]] = []

    init(columns: Int) { widths = [Int](repeating: 0, count: columns) }

    mutating func add(_ row: [String]) {
        rows.append(row)
        widths = zip(widths, row).map { max($0, $1.count) }
    }

    var description: String {
        rows.map { row in
            zip(row, widths).enumerated().map { column, cell in
                let space = String(repeating: " ", count: cell.1 - cell.0.count)
                return column == 0 ? cell.0 + space : space + cell.0
            }.joined(separator: "  ")
        }.joined(separator: "\n")
    }
}

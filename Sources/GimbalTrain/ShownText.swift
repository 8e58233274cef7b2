// Text that comes from a file, a folder's name or a command line, made safe to show.

import Gimbal

/// `text` in full as HTML shows it: with the characters that HTML gives a meaning replaced, and the others as `shown` has
/// them.
/// - Parameter keepsLines: leaves line ends, for text in several lines.
package func escaped(_ text: String, keepsLines: Bool = false) -> String {
    // By scalars: a mark that combines with a quote must not hide it.
    visible(text.unicodeScalars) { scalar in
        switch scalar {
        case "&": "&amp;"
        case "<": "&lt;"
        case ">": "&gt;"
        case "\"": "&quot;"
        case "\n" where keepsLines: "\n"
        default: nil
        }
    }
}

/// A number that is not negative in hexadecimal, with zeros before it up to `digits`.
func hexadecimal(_ number: some BinaryInteger, digits: Int) -> String {
    let text = String(number, radix: 16)
    return String(repeating: "0", count: max(digits - text.count, 0)) + text
}

extension Double {
    /// As one writes it: whole numbers without a point.
    package var text: String { self == rounded() && magnitude < 1e15 ? "\(Int64(self))" : "\(self)" }
}

/// A line of a table in the format of RFC 4180, without its end: what could be misread stands in quotes.
/// - Parameter quotesAll: puts every field in quotes, so that a record of empty ones is no empty line.
package func csvRecord(_ fields: [String], quotesAll: Bool = false) -> String {
    fields.map { field in
        let isPlain =
            !quotesAll && !field.utf8.contains { [0x22, 0x2C, 0x0A, 0x0D].contains($0) } && field.utf8.first != 0x20
            && field.utf8.last != 0x20
        return isPlain ? field : "\"" + field.replacing("\"", with: "\"\"") + "\""
    }.joined(separator: ",")
}

/// The rows of a table with columns of even width, flush left; the last is not padded.
package func aligned(_ rows: [[String]]) -> [String] {
    let count = rows.map(\.count).max() ?? 0
    let widths = (0..<count).map { column in rows.map { $0.count > column ? $0[column].count : 0 }.max() ?? 0 }
    return rows.map { row in
        row.enumerated().map { column, cell in
            column == row.count - 1 ? cell : cell + String(repeating: " ", count: widths[column] - cell.count)
        }.joined(separator: "  ")
    }
}

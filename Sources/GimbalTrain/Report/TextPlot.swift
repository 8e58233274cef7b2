import Foundation

/// Curves over the steps of a run as lines of text, in characters that every terminal has.
package struct TextPlot {
    /// One curve.
    package struct Series {
        package var name: String
        /// What its points are drawn as.
        package var mark: Character
        package var points: [(x: Double, y: Double)]

        package init(name: String, mark: Character, points: [(x: Double, y: Double)]) {
            (self.name, self.mark, self.points) = (name, mark, points)
        }
    }

    package var title: String
    package var series: [Series]

    package init(title: String, series: [Series]) { (self.title, self.series) = (title, series) }

    private static let labelWidth = 9

    /// The plot in lines of at most `width` characters, 20 at least, a title and two lines for the axis among them; empty
    /// without points.
    package func lines(width: Int, height: Int) -> [String] {
        let drawn = series.filter { !$0.points.isEmpty }
        let all = drawn.flatMap(\.points)
        guard !all.isEmpty else { return [] }
        let (columns, rows) = (max(width, 20) - Self.labelWidth - 1, max(height - 3, 2))
        let x = FittedAxis(PlotAxis(title: "", isWhole: true), values: all.map(\.x))
        let y = FittedAxis(PlotAxis(title: "", scale: .logarithmicWhereWide), values: all.map(\.y))
        func row(_ value: Double) -> Int { rows - 1 - min(max(Int(y.place(value) * Double(rows)), 0), rows - 1) }
        func column(_ value: Double) -> Int { min(max(Int(x.place(value) * Double(columns)), 0), columns - 1) }
        var grid = [[Character]](repeating: Array(repeating: " ", count: columns), count: rows)
        for series in drawn {
            for (column, points) in Dictionary(grouping: series.points, by: { column($0.x) }) {
                grid[row(points.reduce(0) { $0 + $1.y } / Double(points.count))][column] = series.mark
            }
        }
        var labels = [String](repeating: "", count: rows)
        for tick in y.ticks { labels[row(tick.value)] = tick.label }
        let legend = drawn.map { "\($0.mark) \($0.name)" }.joined(separator: "  ")
        let heading = "\(title)\(y.isLogarithmic ? " (logarithmic)" : "")  \(legend)"
        let body = zip(labels, grid).map { label, line in
            String(repeating: " ", count: max(0, Self.labelWidth - label.count)) + label.suffix(Self.labelWidth) + "|"
                + String(line)
        }
        var axis = [Character](repeating: " ", count: columns)
        for tick in x.ticks {
            let start = min(column(tick.value), columns - tick.label.count)
            guard start >= 0, start == 0 || axis[start - 1] == " " else { continue }
            for (offset, character) in tick.label.enumerated() { axis[start + offset] = character }
        }
        let indent = String(repeating: " ", count: Self.labelWidth)
        return [String(heading.prefix(width))] + body.map(Self.trimmed)
            + [indent + "+" + String(repeating: "-", count: columns), Self.trimmed(indent + " " + String(axis))]
    }

    private static func trimmed(_ line: String) -> String {
        String(line.reversed().drop { $0 == " " }.reversed())
    }
}

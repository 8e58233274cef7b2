import Foundation

/// Lines or points over two axes, drawn as SVG with a legend in HTML.
struct Plot {
    struct Series {
        var name: String
        var points: [(x: Double, y: Double)]
        /// Dots that are not joined.
        var isScattered = false
        /// Whether the points of a line of few points are dotted.
        var isDotted = true
        /// Drawn thin, grey and dashed, for what others are compared with.
        var isReference = false
        /// What is written beside each point; empty for nothing.
        var labels: [String] = []
    }

    var title: String
    var horizontal: PlotAxis
    var vertical: PlotAxis
    var series: [Series]
    /// What there is to know beside the plot.
    var notes: [String] = []

    /// Lines of more points than this are thinned out to the means of their neighbours.
    private static let pointLimit = 600
    /// A part of this size at the beginning, as of a loss that falls fast, may lie beyond the axis where the rest could
    /// not be read otherwise.
    private static let head = (share: 0.1, ratio: 5.0)
    private static let size = (width: 640.0, height: 320.0)
    private static let margin = (left: 84.0, right: 18.0, top: 12.0, bottom: 62.0)

    /// The plot as an HTML figure.
    var html: String {
        let own = series.filter { !$0.isReference && !$0.points.isEmpty }
        var drawn = Array(own.prefix(PlotColors.limit))
        var notes = notes
        guard !drawn.isEmpty else {
            return "<figure><figcaption>\(escaped(title))</figcaption><p>Nothing was recorded.</p></figure>"
        }
        if own.count > drawn.count {
            notes.append("The first \(drawn.count) are drawn, and \(own.count - drawn.count) more are not.")
        }
        let groups = drawn.map { $0.isScattered ? 1 : ($0.points.count + Self.pointLimit - 1) / Self.pointLimit }
        for (index, group) in groups.enumerated() where group > 1 {
            drawn[index].points = Self.thinned(drawn[index].points, by: group)
            notes.append("\(drawn[index].name): each point is the mean of \(group) neighbours.")
        }
        let references = series.filter(\.isReference)
        let all = (drawn + references).flatMap(\.points)
        let x = FittedAxis(horizontal, values: all.map(\.x), padding: drawn.contains(where: \.isScattered) ? 0.03 : 0)
        var y = FittedAxis(vertical, values: all.map(\.y), padding: 0.04)
        if !y.isLogarithmic, vertical.range == nil, let rest = Self.readableRange(all) {
            y = FittedAxis(vertical, values: all.map(\.y), range: rest, padding: 0.04)
            for index in drawn.indices { drawn[index].points.removeAll { !(0...1).contains(y.place($0.y)) } }
            notes.append(
                "Values of the first tenth that lie beyond the axis, which is fitted to the rest, are not drawn.")
        }
        if vertical.scale == .logarithmicWhereWide {
            notes.append(
                y.isLogarithmic
                    ? "Logarithmic axis, as the largest value is over \(Int(PlotAxis.logarithmicRatio)) times the smallest."
                    : "Linear axis.")
        }
        return """
            <figure><figcaption>\(escaped(title))</figcaption>
            <div class=vertical>↑ \(escaped(vertical.title))\(y.isLogarithmic ? " (logarithmic)" : "")</div>
            \(svg(drawn, references, x, y))
            \(legend(drawn, references))
            \(notes.isEmpty ? "" : "<p class=note>\(notes.map { escaped($0) }.joined(separator: " "))</p>")
            </figure>
            """
    }

    private func svg(_ drawn: [Series], _ references: [Series], _ x: FittedAxis, _ y: FittedAxis) -> String {
        let (size, margin) = (Self.size, Self.margin)
        let (left, right, top, bottom) = (
            margin.left, size.width - margin.right, margin.top, size.height - margin.bottom
        )
        func across(_ value: Double) -> Double { left + x.place(value) * (right - left) }
        func up(_ value: Double) -> Double { bottom - y.place(value) * (bottom - top) }
        func text(_ x: Double, _ y: Double, _ content: String, _ more: String) -> String {
            "<text x=\"\(short(x))\" y=\"\(short(y))\" \(more)>\(escaped(content))</text>"
        }
        var parts = [
            "<svg viewBox=\"0 0 640 320\" role=\"img\" aria-label=\"\(escaped(title))\">"
        ]
        for tick in y.ticks {
            let place = up(tick.value)
            parts.append(
                "<line class=grid x1=\"\(short(left))\" x2=\"\(short(right))\" y1=\"\(short(place))\" y2=\"\(short(place))\"/>"
                    + text(left - 7, place + 5, tick.label, "text-anchor=\"end\""))
        }
        for tick in x.ticks {
            let place = across(tick.value)
            parts.append(
                "<line class=grid x1=\"\(short(place))\" x2=\"\(short(place))\" y1=\"\(short(top))\" y2=\"\(short(bottom))\"/>"
                    + text(place, bottom + 20, tick.label, "text-anchor=\"middle\""))
        }
        parts.append(
            text((left + right) / 2, size.height - 9, horizontal.title, "class=axis text-anchor=\"middle\""))
        for line in references {
            parts.append("<polyline class=reference points=\"\(path(line.points, across, up))\"/>")
        }
        for (index, line) in drawn.enumerated() {
            let color = "var(--s\(index))"
            if !line.isScattered {
                let dashes = PlotColors.dashes(of: index).svg.map { " stroke-dasharray=\"\($0)\"" } ?? ""
                parts.append(
                    "<polyline class=line style=\"stroke:\(color)\"\(dashes) points=\"\(path(line.points, across, up))\"/>"
                )
            }
            guard line.isScattered || (line.isDotted && line.points.count <= 50) else { continue }
            let radius = line.points.count > 200 ? 2 : 3
            for (place, point) in line.points.enumerated() {
                parts.append(
                    "<circle cx=\"\(short(across(point.x)))\" cy=\"\(short(up(point.y)))\" r=\"\(radius)\" "
                        + "style=\"fill:\(color)\"/>")
                guard place < line.labels.count, !line.labels[place].isEmpty else { continue }
                parts.append(
                    text(across(point.x), max(top + 14, up(point.y) - 8), line.labels[place], "text-anchor=\"middle\""))
            }
        }
        parts.append("</svg>")
        return parts.joined(separator: "\n")
    }

    private func path(
        _ points: [(x: Double, y: Double)], _ across: (Double) -> Double, _ up: (Double) -> Double
    ) -> String {
        points.map { "\(short(across($0.x))),\(short(up($0.y)))" }.joined(separator: " ")
    }

    private func legend(_ drawn: [Series], _ references: [Series]) -> String {
        let keys = drawn.enumerated().map { index, line in
            let dashes = line.isScattered ? "solid" : PlotColors.dashes(of: index).css
            return "<span class=key><i style=\"border-top:3px \(dashes) var(--s\(index))\"></i>"
                + "\(escaped(shown(line.name, limit: 60)))</span>"
        }
        let grey = references.map {
            "<span class=key><i style=\"border-top:2px dashed var(--muted)\"></i>\(escaped($0.name))</span>"
        }
        return "<div class=legend>\((keys + grey).joined(separator: " "))</div>"
    }

    /// What the values after the first tenth of the horizontal axis need, where all values need far more.
    private static func readableRange(_ points: [(x: Double, y: Double)]) -> ClosedRange<Double>? {
        let xs = points.map(\.x)
        guard let first = xs.min(), let last = xs.max(), last > first else { return nil }
        let rest = points.filter { $0.x > first + head.share * (last - first) }.map(\.y)
        let all = points.map(\.y)
        guard rest.count >= 10, let low = rest.min(), let high = rest.max(), high > low,
            let least = all.min(), let most = all.max(), most - least > head.ratio * (high - low)
        else { return nil }
        return low...high
    }

    private static func thinned(_ points: [(x: Double, y: Double)], by group: Int) -> [(x: Double, y: Double)] {
        stride(from: 0, to: points.count, by: group).map { start in
            let part = points[start..<min(start + group, points.count)]
            let sum = part.reduce((x: 0.0, y: 0.0)) { ($0.x + $1.x, $0.y + $1.y) }
            return (sum.x / Double(part.count), sum.y / Double(part.count))
        }
    }
}

/// A place in a drawing, with one decimal; what lies far beyond is kept near.
private func short(_ value: Double) -> String { String(format: "%.1f", min(max(value, -1e4), 1e4)) }

import Foundation

/// Lines over one axis, drawn as SVG.
struct LinePlot {
    struct Line {
        var name: String
        var points: [(x: Double, y: Double)]
        /// Drawn thin and dashed, for what others are compared with.
        var isReference = false
    }

    var title: String
    /// Shows the vertical axis by powers of ten; values that are not positive are left out.
    var isLogarithmic = false
    var lines: [Line]
    /// What the axes show; nil for what the points need.
    var horizontal: ClosedRange<Double>?
    var vertical: ClosedRange<Double>?

    /// More points than this are thinned out to the mean of their neighbours.
    private static let pointLimit = 600
    private static let colors = [
        "#1565c0", "#c62828", "#2e7d32", "#6a1b9a", "#ef6c00", "#00838f", "#ad1457", "#558b2f", "#4e342e", "#37474f",
    ]
    private static let width = 860.0
    private static let height = 280.0
    private static let margin = (left: 70.0, right: 15.0, top: 30.0, bottom: 30.0)

    var svg: String {
        let drawn = lines.map { line in
            Line(
                name: line.name, points: Self.thinned(line.points.filter { !isLogarithmic || $0.y > 0 }.map(scaled)),
                isReference: line.isReference)
        }
        let all = drawn.flatMap(\.points)
        guard let first = all.first else { return "<p>\(escaped(title)): nothing was recorded.</p>" }
        var low = first
        var high = first
        for point in all {
            low = (min(low.x, point.x), min(low.y, point.y))
            high = (max(high.x, point.x), max(high.y, point.y))
        }
        if let horizontal { (low.x, high.x) = (horizontal.lowerBound, horizontal.upperBound) }
        if let vertical { (low.y, high.y) = (vertical.lowerBound, vertical.upperBound) }
        if high.x == low.x { high.x += 1 }
        if high.y == low.y { (low.y, high.y) = (low.y - 0.5, high.y + 0.5) }

        func x(_ value: Double) -> Double {
            Self.margin.left + (value - low.x) / (high.x - low.x) * (Self.width - Self.margin.left - Self.margin.right)
        }
        func y(_ value: Double) -> Double {
            Self.height - Self.margin.bottom
                - (value - low.y) / (high.y - low.y) * (Self.height - Self.margin.top - Self.margin.bottom)
        }

        var parts = ["<svg viewBox=\"0 0 860 280\" role=\"img\" aria-label=\"\(escaped(title))\" font-size=\"12\">"]
        for index in 0...4 {
            let value = low.y + (high.y - low.y) * Double(index) / 4
            let label = String(format: "%.3g", isLogarithmic ? pow(10, value) : value)
            parts.append(
                String(
                    format: "<line x1=\"70\" x2=\"845\" y1=\"%.1f\" y2=\"%.1f\" stroke=\"#e3e7ec\"/>"
                        + "<text x=\"64\" y=\"%.1f\" text-anchor=\"end\" fill=\"#55606e\">%@</text>",
                    y(value), y(value), y(value) + 4, label))
        }
        for index in 0...4 {
            let value = low.x + (high.x - low.x) * Double(index) / 4
            parts.append(
                String(
                    format: "<text x=\"%.1f\" y=\"270\" text-anchor=\"middle\" fill=\"#55606e\">%@</text>", x(value),
                    String(format: high.x - low.x > 10 ? "%.0f" : "%.3g", value)))
        }
        for (index, line) in drawn.enumerated() {
            let color = Self.colors[index % Self.colors.count]
            let path = line.points.map { String(format: "%.1f,%.1f", x($0.x), y($0.y)) }.joined(separator: " ")
            let stroke = line.isReference ? "stroke-width=\"0.8\" stroke-dasharray=\"4 4\"" : "stroke-width=\"1.5\""
            parts.append("<polyline points=\"\(path)\" fill=\"none\" stroke=\"\(color)\" \(stroke)/>")
            if line.points.count <= 50, !line.isReference {
                for point in line.points {
                    parts.append(
                        String(
                            format: "<circle cx=\"%.1f\" cy=\"%.1f\" r=\"3\" fill=\"%@\"/>", x(point.x), y(point.y),
                            color))
                }
            }
            parts.append(
                "<text x=\"\(80 + min(220, 770 / drawn.count) * index)\" y=\"18\" fill=\"\(color)\">\(escaped(line.name))</text>"
            )
        }
        return parts.joined(separator: "\n") + "\n</svg>"
    }

    private func scaled(_ point: (x: Double, y: Double)) -> (x: Double, y: Double) {
        isLogarithmic ? (point.x, log10(point.y)) : point
    }

    private static func thinned(_ points: [(x: Double, y: Double)]) -> [(x: Double, y: Double)] {
        guard points.count > pointLimit else { return points }
        let group = (points.count + pointLimit - 1) / pointLimit
        return stride(from: 0, to: points.count, by: group).map { start in
            let part = points[start..<min(start + group, points.count)]
            let sum = part.reduce((x: 0.0, y: 0.0)) { ($0.x + $1.x, $0.y + $1.y) }
            return (sum.x / Double(part.count), sum.y / Double(part.count))
        }
    }
}

import Foundation

/// Values of several layers over the steps of a run, as a row of colours for each layer.
///
/// Rows are HTML, so that their names stay readable on a narrow page, where the colours shrink.
struct HeatMap {
    /// How values become colours.
    enum Scale {
        /// By powers of ten; 0 has a colour of its own.
        case logarithmic
        /// A share, from 0 to 1.
        case share
    }

    var title: String
    var scale: Scale
    /// What a colour stands for, with its unit.
    var quantity: String
    /// What the rows are, in their order.
    var rowTitle = "layers, from input to output"
    var tracks: [HealthTable.Track]
    /// Values that the colours reach over at least, so that several maps compare.
    var range: ClosedRange<Double>?
    var notes: [String] = []

    /// The most rows; of more, some are shown.
    private static let rowLimit = 64
    /// The most columns; neighbours of more become one.
    private static let columnLimit = 160
    /// Colours of the scale: classes `c0`, `c1`, … of the page's style.
    private static let colors = 9
    /// A drawing's width; the page stretches it.
    private static let width = 1000.0

    /// The colours of the scale, from small to large: those of viridis (Smith and van der Walt 2015).
    static let style: String = {
        let colors = [
            0x440154, 0x472D7B, 0x3B528B, 0x2C728E, 0x21918C, 0x28AE80, 0x5EC962, 0xADDC30, 0xFDE725,
        ]
        return colors.enumerated().map { ".c\($0) { --fill:#\(hexadecimal($1, digits: 6)) }" }.joined(separator: " ")
    }()

    /// The map as an HTML figure; empty where there is nothing to show.
    var html: String {
        let steps = Set(tracks.flatMap { $0.points.map(\.step) }).sorted()
        guard let first = steps.first, let last = steps.last else { return "" }
        let shown = Self.spread(tracks, limit: Self.rowLimit)
        let group = (steps.count + Self.columnLimit - 1) / Self.columnLimit
        let starts = stride(from: 0, to: steps.count, by: group).map { steps[$0] }
        // The last column is as wide as the mean of the others.
        let width = starts.count > 1 ? (Double(last) - Double(first)) / Double(starts.count - 1) : 1
        let end = Double(last) + max(1, width.rounded(.down))
        let axis = FittedAxis(
            PlotAxis(title: "", range: Double(first)...end, isWhole: true), values: [Double(first)])
        let colors = ColorScale(scale, values: shown.flatMap { $0.points.map(\.value) }, range: range)
        let rows = shown.map { row($0, starts: starts, end: end, axis, colors) }
        var notes = notes
        if shown.count < tracks.count { notes.append("\(shown.count) of \(tracks.count) are shown.") }
        if group > 1 { notes.append("Each column is the mean of up to \(group) looks.") }
        let ticks = axis.ticks.map { tick in
            // Labels at the ends stand within the row.
            let place = axis.place(tick.value)
            let shift = place < 0.05 ? 0 : place > 0.93 ? -100 : -50
            return "<span style=\"left:\(decimal(100 * place, digits: 1))%;transform:translateX(\(shift)%)\">"
                + "\(escaped(tick.label))</span>"
        }
        return """
            <figure class=heat><figcaption>\(escaped(title))</figcaption>
            <div class=vertical>↓ \(escaped(rowTitle))</div>
            <div class=rows>\(rows.joined(separator: "\n"))
            <span></span><div class=ticks>\(ticks.joined())</div><span></span><div class=across>optimizer steps</div></div>
            \(legend(colors))
            \(notes.isEmpty ? "" : "<p class=note>\(notes.map { escaped($0) }.joined(separator: " "))</p>")
            </figure>
            """
    }

    /// The first and last of `items`, and others in even steps between them.
    private static func spread<Item>(_ items: [Item], limit: Int) -> [Item] {
        guard items.count > limit else { return items }
        return (0..<limit).map { items[$0 * (items.count - 1) / (limit - 1)] }
    }

    private func row(
        _ track: HealthTable.Track, starts: [Int], end: Double, _ axis: FittedAxis, _ colors: ColorScale
    ) -> String {
        var classes = [String?](repeating: nil, count: starts.count)
        var column = 0
        var values: [[Double]] = Array(repeating: [], count: starts.count)
        for point in track.points {
            while column + 1 < starts.count, starts[column + 1] <= point.step { column += 1 }
            values[column].append(point.value)
        }
        for index in values.indices where !values[index].isEmpty { classes[index] = colors.name(of: values[index]) }
        var parts: [String] = []
        var begin = 0
        // Neighbours of one colour are one rectangle.
        for index in 1...classes.count where index == classes.count || classes[index] != classes[begin] {
            if let name = classes[begin] {
                let left = axis.place(Double(starts[begin])) * Self.width
                let right = axis.place(index < starts.count ? Double(starts[index]) : end) * Self.width
                parts.append(
                    "<rect class=\(name) x=\(decimal(left, digits: 1)) width=\(decimal(right - left, digits: 1)) height=10 />"
                )
            }
            begin = index
        }
        let name = shown(track.name, limit: 200)
        return "<span class=layer title=\"\(escaped(name))\"><bdi>\(escaped(name))</bdi></span>"
            + "<svg viewBox=\"0 0 \(Int(Self.width)) 10\" preserveAspectRatio=none shape-rendering=crispEdges role=img "
            + "aria-label=\"\(escaped(name))\">\(parts.joined())</svg>"
    }

    private func legend(_ colors: ColorScale) -> String {
        let swatches = (0..<Self.colors).map { "<i class=c\($0)></i>" }.joined()
        let others = [(ColorScale.zero, "exactly 0"), (ColorScale.nonFinite, "NaN or infinite")].filter {
            colors.used.contains($0.0)
        }
        let keys = others.map { "<span class=key><i class=\($0)></i>\($1)</span>" }.joined(separator: " ")
        return "<div class=legend><span>\(escaped(quantity))\(scale == .logarithmic ? " (logarithmic)" : ""):</span> "
            + "<span class=scale>\(colors.lowText) <span class=bar>\(swatches)</span> \(colors.highText)</span> \(keys)</div>"
    }

    /// Values to the names of colours.
    private final class ColorScale {
        static let (zero, nonFinite) = ("zero", "bad")

        private let isLogarithmic: Bool
        private let low: Double
        private let high: Double
        private(set) var used: Set<String> = []

        init(_ scale: Scale, values: [Double], range: ClosedRange<Double>?) {
            isLogarithmic = scale == .logarithmic
            guard isLogarithmic else {
                (low, high) = (0, 1)
                return
            }
            let all = values + (range.map { [$0.lowerBound, $0.upperBound] } ?? [])
            let powers = all.filter { $0 > 0 && $0.isFinite }.map(log10)
            // Whole powers of ten, three at least: a healthy model does not look like a mountain.
            var (least, most) = ((powers.min() ?? -1).rounded(.down), (powers.max() ?? 0).rounded(.up))
            while most - least < 3 {
                least -= 1
                if most - least < 3 { most += 1 }
            }
            (low, high) = (least, most)
        }

        var lowText: String { isLogarithmic ? Self.power(low) : "0" }
        var highText: String { isLogarithmic ? Self.power(high) : "1" }

        private static func power(_ exponent: Double) -> String {
            (-3...3).contains(exponent) ? String(format: "%g", pow(10, exponent)) : String(format: "1e%.0f", exponent)
        }

        /// The colour of the mean of `values`, of which there is one at least.
        func name(of values: [Double]) -> String {
            let name = found(values)
            used.insert(name)
            return name
        }

        private func found(_ values: [Double]) -> String {
            guard values.allSatisfy(\.isFinite) else { return Self.nonFinite }
            let mean = values.reduce(0, +) / Double(values.count)
            guard mean.isFinite else { return Self.nonFinite }
            guard mean > 0 || !isLogarithmic else { return Self.zero }
            // A share in a file may be any number.
            let place = min(max(((isLogarithmic ? log10(mean) : mean) - low) / (high - low), 0), 1)
            return "c\(min(Int(place * Double(HeatMap.colors)), HeatMap.colors - 1))"
        }
    }
}

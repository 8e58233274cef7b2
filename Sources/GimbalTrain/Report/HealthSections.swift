import Foundation

// The parts of a page that tell how gradients and activations fared, and what the doctor found.

extension HealthTable {
    /// The maps that any of a page's runs may have, each with the section that it stands in.
    static let maps: [(section: String, map: HeatMap, kind: Kind, quantity: Quantity)] = [
        (
            "Gradient flow",
            HeatMap(
                title: "gradient that arrives behind each layer", scale: .logarithmic, quantity: "root mean square",
                tracks: []),
            .activationGradient, .rootMeanSquare
        ),
        (
            "Gradient flow",
            HeatMap(
                title: "gradient of each parameter, before clipping", scale: .logarithmic, quantity: "norm",
                rowTitle: "parameters, from input to output", tracks: []),
            .gradient, .norm
        ),
        (
            "Activation health",
            HeatMap(
                title: "signal: what each layer gives out", scale: .logarithmic, quantity: "standard deviation",
                tracks: []),
            .activation, .deviation
        ),
        (
            "Activation health",
            HeatMap(title: "dead units", scale: .share, quantity: "share of a layer's units", tracks: []),
            .activation, .deadShare
        ),
        (
            "Activation health",
            HeatMap(title: "saturated activations", scale: .share, quantity: "share of elements", tracks: []),
            .activation, .saturatedShare
        ),
        (
            "Activation health",
            HeatMap(title: "activations of exactly 0", scale: .share, quantity: "share of elements", tracks: []),
            .activation, .zeroShare
        ),
        (
            "Updates against weights",
            HeatMap(
                title: "norm of a step's update over that of the parameter", scale: .logarithmic, quantity: "ratio",
                rowTitle: "parameters, from input to output", tracks: [],
                notes: ["About 0.001 is usual; far above it weights are thrown about, far below they stay as they are."]
            ),
            .update, .updateRatio
        ),
    ]

    /// Gradient flow, activation health and updates of one or several runs, each with its title.
    /// - Parameter runs: the name of each run, empty for the only one, and its table.
    static func sections(_ runs: [(name: String, table: HealthTable)]) -> [(title: String, body: String)] {
        var sections: [(title: String, body: String)] = []
        for (section, map, kind, quantity) in maps {
            let tracks = runs.map { $0.table.tracks(kind, quantity) }
            let values = tracks.joined().flatMap { $0.points.map(\.value) }
            guard !values.isEmpty else { continue }
            var body = ""
            if map.scale == .share, values.allSatisfy({ $0 == 0 }) {
                body = "<p class=note>\(escaped(map.title)): none at any look.</p>"
            } else {
                let positive = values.filter { $0 > 0 && $0.isFinite }
                for (run, tracks) in zip(runs, tracks) where !tracks.isEmpty {
                    var own = map
                    own.tracks = tracks
                    if !run.name.isEmpty { own.title += ": \(shown(run.name, limit: 60))" }
                    if let least = positive.min(), let most = positive.max() { own.range = least...most }
                    body += own.html
                }
            }
            if sections.last?.title == section {
                sections[sections.count - 1].body += body
            } else {
                sections.append((section, body))
            }
        }
        return sections
    }
}

extension Finding {
    /// The finding as HTML: what is wrong, where, what shows it and what helps.
    var html: String {
        func list(_ items: [String]) -> String {
            items.isEmpty ? "" : "<ul>\(items.map { "<li>\(escaped($0))</li>" }.joined())</ul>"
        }
        var parts = ["<h3>\(escaped(illness.title))</h3><p>\(escaped(summary)).</p>"]
        let place = layers.isEmpty ? "" : ", in \(listed(layers.map(\.asLayer), limit: 6, length: 60))"
        parts.append(
            "<p class=note>\(step == 0 ? "Before the first step" : "Before step \(step)")\(escaped(place)).</p>")
        parts.append(list(evidence + signs.map { "\($0.sign.title): \($0.evidence)" }))
        if !remedies.isEmpty {
            let steps = remedies.map { remedy in
                "<li>\(escaped(remedy.title))"
                    + (remedy.code.map { "<pre>\(escaped($0, keepsLines: true))</pre>" } ?? "")
                    + (remedy.evidence.map { "<span class=note>\(escaped($0))</span>" } ?? "") + "</li>"
            }
            parts.append("<p>What helps, the first to be tried first:</p><ol>\(steps.joined())</ol>")
        }
        return "<div class=finding>\(parts.joined())</div>"
    }
}

/// The spread of weights and gradients over the steps, where a run has written histograms.
enum HistogramSections {
    /// The most tensors that are shown.
    private static let limit = 40
    private static let bins = 16

    static func html(_ histograms: [EventFile.HistogramAtStep]) -> String {
        var order: [String] = []
        var byTag: [String: [EventFile.HistogramAtStep]] = [:]
        for histogram in histograms where !histogram.edges.isEmpty {
            if byTag[histogram.tag] == nil { order.append(histogram.tag) }
            byTag[histogram.tag, default: []].append(histogram)
        }
        let maps = order.prefix(limit).map { tag in
            "<details><summary>\(escaped(shown(tag, limit: 100)))</summary>\(map(tag, byTag[tag] ?? []).html)</details>"
        }
        let rest = order.count - maps.count
        return maps.joined(separator: "\n") + (rest > 0 ? "<p class=note>And \(rest) more.</p>" : "")
    }

    /// A row for each of equally wide ranges of values, the largest above.
    private static func map(_ tag: String, _ histograms: [EventFile.HistogramAtStep]) -> HeatMap {
        let least = histograms.compactMap(\.edges.first).min() ?? 0
        let most = histograms.compactMap(\.edges.last).max() ?? 0
        let width = most > least ? (most - least) / Double(bins) : 1
        let tracks = (0..<bins).reversed().map { bin in
            let low = least + Double(bin) * width
            return HealthTable.Track(
                name: String(format: "%.3g to %.3g", low, low + width),
                points: histograms.map {
                    (step: $0.step, value: $0.share(from: low, to: low + width, isLast: bin == bins - 1))
                })
        }
        return HeatMap(
            title: tag, scale: .logarithmic, quantity: "share of elements", rowTitle: "values", tracks: tracks)
    }
}

extension EventFile.HistogramAtStep {
    /// The share of elements between two values, as if those of a bin were spread evenly in it.
    fileprivate func share(from low: Double, to high: Double, isLast: Bool) -> Double {
        var sum = 0.0
        for (index, count) in counts.enumerated() where count > 0 {
            let (left, right) = (edges[index], edges[index + 1])
            if right > left {
                sum += count * max(0, min(right, high) - max(left, low)) / (right - left)
            } else if left >= low, left < high || (isLast && left <= high) {
                sum += count
            }
        }
        return sum / counts.reduce(0, +)
    }
}

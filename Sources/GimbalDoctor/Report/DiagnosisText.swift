import Foundation

extension Diagnosis: CustomStringConvertible {
    /// The picture of signal and gradient over depth, and the findings, for a terminal of 80 columns.
    public var description: String { picture() + "\n" + findingsText() }

    /// The signal's spread and the gradient behind each layer on a logarithmic scale, as Glorot and Bengio (2010, figures 6
    /// and 7) drew them; of many layers, some.
    /// - Parameter rows: lines at the most.
    public func picture(rows: Int = 24) -> String {
        let layers = examination.layers
        guard !layers.isEmpty else { return "no layer with weights was called\n" }
        let shown =
            layers.count <= rows ? Array(layers.indices) : (0..<rows).map { $0 * (layers.count - 1) / (rows - 1) }
        let signals = Scale(layers.map(\.output.spread))
        let gradients = Scale(layers.map { $0.outputGradient?.rootMeanSquare ?? 0 })
        let name = max(5, min(22, shown.map { layers[$0].name.count }.max() ?? 5))
        var lines = [
            "layer".padded(name) + "  " + "signal".padded(Scale.width + 10) + "gradient"
        ]
        for index in shown {
            let layer = layers[index]
            let gradient = layer.outputGradient?.rootMeanSquare ?? 0
            lines.append(
                layer.name.tail(name).padded(name) + "  " + signals.bar(layer.output.spread).padded(Scale.width + 1)
                    + short(layer.output.spread).padded(9) + gradients.bar(gradient).padded(Scale.width + 1)
                    + short(gradient))
        }
        if shown.count < layers.count { lines.append("\(shown.count) of \(layers.count) layers") }
        for (what, growth) in [("signal", examination.signalGrowth), ("gradient", examination.gradientGrowth)] {
            guard let growth else { continue }
            var line = "\(what): x\(short(growth.perLayer)) per layer, x\(short(growth.total)) from first to last"
            if abs(log10(growth.trend)) > 1, growth.steps > 4 {
                let left = [DType.float16, .bfloat16, .float32].compactMap { dtype in
                    growth.layersLeft(in: dtype).map { $0 == 0 ? "out of \(dtype)" : "\(dtype) for \($0) more" }
                }
                if !left.isEmpty { line += "; " + left.joined(separator: ", ") }
            }
            lines.append(line)
        }
        return lines.joined(separator: "\n") + "\n"
    }

    private func findingsText() -> String {
        guard !findings.isEmpty else {
            return "nothing found: signal and gradient keep their size, and the loss falls\n"
        }
        return findings.enumerated().map { "\($0 + 1). \($1)" }.joined(separator: "\n")
    }
}

extension Finding: CustomStringConvertible {
    /// The cause, what shows it, and what helps, on lines of their own.
    public var description: String { text + "\n" }

    /// The same without an end of the last line.
    package var text: String {
        var lines = ["\(illness.title): \(summary)"]
        lines += evidence.map { "   \($0)" }
        lines += signs.map { "   \($0.sign.title): \($0.evidence)" }
        for (index, remedy) in remedies.enumerated() {
            lines.append("   \(index == 0 ? "try" : "or") \(remedy.title)" + (remedy.code.map { ": \($0)" } ?? ""))
        }
        return lines.joined(separator: "\n")
    }
}

/// A logarithmic scale for bars.
private struct Scale {
    static let width = 18
    private let least: Double
    private let largest: Double

    init(_ values: [Double]) {
        let positive = values.filter { $0 > 0 && $0.isFinite }.map(log10)
        // At least three powers of ten, so that a healthy model does not look like a mountain.
        let middle = ((positive.min() ?? 0) + (positive.max() ?? 0)) / 2
        least = min(positive.min() ?? 0, middle - 1.5)
        largest = max(positive.max() ?? 0, middle + 1.5)
    }

    func bar(_ value: Double) -> String {
        guard value > 0 else { return "" }
        guard value.isFinite else { return String(repeating: "!", count: Self.width) }
        let share = (log10(value) - least) / (largest - least)
        return String(repeating: "#", count: max(1, Int((share * Double(Self.width)).rounded())))
    }
}

extension String {
    fileprivate func padded(_ width: Int) -> String { self + String(repeating: " ", count: max(0, width - count)) }
    /// The last `width` characters, the most telling of a path.
    fileprivate func tail(_ width: Int) -> String { count <= width ? self : "…" + suffix(width - 1) }
}

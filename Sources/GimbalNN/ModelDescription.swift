extension Module where Self: Layer {
    /// The tree of layers with the sizes each gives out (`*` stands for the batch) and its number of parameters.
    public var summary: String {
        let rows = ModelRow.rows(of: self, name: "", inputSizes: inputSizes, depth: 0).rows
        let widths = (
            rows.map(\.title.count).max() ?? 0, rows.map(\.sizes.count).max() ?? 0, rows.map(\.count.count).max() ?? 0
        )
        let lines = rows.map { row in
            guard !row.count.isEmpty else { return row.title }
            return row.title.padded(to: widths.0) + "  " + row.sizes.padded(to: widths.1) + "  "
                + String(repeating: " ", count: widths.2 - row.count.count) + row.count
        }
        let bytes = parameters.reduce(0) { $0 + $1.elementCount * $1.weights.dtype.byteCount }
        return (lines + ["\(parameterCount.grouped) parameters, \(bytes.grouped) bytes"]).joined(separator: "\n")
    }
}

/// A layer that holds others and shows them one line each.
public protocol LayerContainer: Layer {
    /// The layers inside, in the order an input passes through them.
    var layers: [any Layer] { get }
}

private struct ModelRow {
    var title: String
    var sizes: String
    var count: String

    static func rows(
        of layer: any Layer, name: String, inputSizes: [Int]?, depth: Int
    ) -> (rows: [ModelRow], outputSizes: [Int]?) {
        let indent = String(repeating: "  ", count: depth) + (name.isEmpty ? "" : name + ": ")
        let outputSizes = layer.outputSizes(inputSizes)
        guard let container = layer as? any LayerContainer else {
            let row = ModelRow(
                title: indent + layer.description, sizes: text(outputSizes), count: layer.parameterCount.grouped)
            return ([row], outputSizes)
        }
        var rows = [ModelRow(title: indent + "\(type(of: layer))", sizes: "", count: "")]
        var sizes = inputSizes
        for (index, inner) in container.layers.enumerated() {
            let part = Self.rows(of: inner, name: "\(index)", inputSizes: sizes, depth: depth + 1)
            rows += part.rows
            sizes = part.outputSizes
        }
        return (rows, outputSizes)
    }

    private static func text(_ sizes: [Int]?) -> String {
        sizes.map { "[" + (["*"] + $0.map(String.init)).joined(separator: ", ") + "]" } ?? ""
    }
}

extension String {
    fileprivate func padded(to width: Int) -> String {
        self + String(repeating: " ", count: Swift.max(0, width - count))
    }
}

extension Int {
    /// With a comma between groups of three digits.
    package var grouped: String {
        var text = ""
        for (index, digit) in String(magnitude).reversed().enumerated() {
            if index > 0 && index % 3 == 0 { text.append(",") }
            text.append(digit)
        }
        return (self < 0 ? "-" : "") + String(text.reversed())
    }
}

import Foundation

extension Tensor: CustomStringConvertible {
    /// Shape, dtype and device, then the elements as NumPy prints them: of a tensor of more than 1000, three at each end of
    /// long axes. Waits for the device, and downloads no more than is printed.
    public var description: String { described() }

    /// The same, with other limits.
    /// - Parameters:
    ///   - precision: digits after the point, at most.
    ///   - threshold: of more elements than this, the middle of long axes is left out.
    ///   - edgeCount: elements printed at each end of an axis where the middle is left out.
    public func described(precision: Int = 4, threshold: Int = 1000, edgeCount: Int = 3) -> String {
        let head = "Tensor(\(shape), \(dtype), \(device.id))"
        do {
            let isShortened = elementCount > threshold
            let shown = isShortened ? edges(edgeCount) : detached()
            let texts = numberTexts(try shown.doubles(), isReal: dtype.isFloatingPoint, precision: precision)
            let shortened = shape.sizes.map { isShortened && $0 > 2 * edgeCount }
            var layout = TextLayout(texts: texts, sizes: shown.shape.sizes, shortened: shortened, edgeCount: edgeCount)
            return head + "\n" + layout.text(axis: 0)
        } catch {
            return head + " unreadable: \(error)"
        }
    }

    /// The `count` first and last elements of each axis that has more than both.
    private func edges(_ count: Int) -> Tensor {
        withoutGradients {
            shape.indices.reduce(detached()) { part, axis in
                let size = part.shape[axis]
                if size <= 2 * count { return part }
                return Tensor.concatenated(
                    [part.sliced(0..<count, axis: axis), part.sliced(size - count..<size, axis: axis)], axis: axis)
            }
        }
    }
}

/// Numbers as texts of one width, in one notation.
private func numberTexts(_ values: [Double], isReal: Bool, precision: Int) -> [String] {
    var texts: [String]
    if isReal {
        let finite = values.filter { $0.isFinite && $0 != 0 }.map { abs($0) }
        let (largest, smallest) = (finite.max() ?? 0, finite.min() ?? 1)
        let isScientific =
            largest >= 1e8 || largest > 0 && smallest < pow(10, -Double(precision)) || largest / smallest > 1e5
        if isScientific {
            texts = values.map { $0.isFinite ? String(format: "%.\(precision)e", $0) : special($0) }
        } else {
            // As many digits after the point as the number that needs most, a point in any case.
            let digits = values.reduce(0) { digits, value in
                value.isFinite ? Swift.max(digits, digitsNeeded(value, precision)) : digits
            }
            texts = values.map { value in
                value.isFinite ? String(format: "%.\(digits)f", value) + (digits == 0 ? "." : "") : special(value)
            }
        }
    } else {
        texts = values.map { String(Int($0)) }
    }
    let width = texts.map(\.count).max() ?? 0
    return texts.map { String(repeating: " ", count: width - $0.count) + $0 }
}

private func special(_ value: Double) -> String { value.isNaN ? "nan" : value < 0 ? "-inf" : "inf" }

/// Digits after the point, at most `precision`, without zeros at the end.
private func digitsNeeded(_ value: Double, _ precision: Int) -> Int {
    var digits = String(format: "%.\(precision)f", value).split(separator: ".").dropFirst().first ?? ""
    while digits.last == "0" { digits.removeLast() }
    return digits.count
}

/// Texts of elements within brackets, in their order.
private struct TextLayout {
    var texts: [String]
    var sizes: [Int]
    /// Axes of which the middle is left out.
    var shortened: [Bool]
    var edgeCount: Int
    private var next = 0

    init(texts: [String], sizes: [Int], shortened: [Bool], edgeCount: Int) {
        self.texts = texts
        self.sizes = sizes
        self.shortened = shortened
        self.edgeCount = edgeCount
    }

    mutating func text(axis: Int) -> String {
        guard axis < sizes.count else {
            defer { next += 1 }
            return texts[next]
        }
        var parts: [String] = []
        for index in 0..<sizes[axis] {
            if shortened[axis] && index == edgeCount { parts.append("...") }
            parts.append(text(axis: axis + 1))
        }
        if shortened[axis] && edgeCount == 0 { parts = ["..."] }
        return "[" + joined(parts, innerAxes: sizes.count - axis - 1, indent: axis + 1) + "]"
    }

    /// Rows one below the other, with an empty line between matrices; elements side by side, within 75 columns.
    private func joined(_ parts: [String], innerAxes: Int, indent: Int) -> String {
        let margin = String(repeating: " ", count: indent)
        if innerAxes > 0 {
            return parts.joined(separator: "," + String(repeating: "\n", count: innerAxes) + margin)
        }
        var (lines, line) = ([String](), "")
        for part in parts {
            if !line.isEmpty && indent + line.count + part.count + 3 > 75 {
                lines.append(line + ",")
                line = part
            } else {
                line += line.isEmpty ? part : ", " + part
            }
        }
        return (lines + [line]).joined(separator: "\n" + margin)
    }
}

import Foundation
import GimbalTrain

/// The tensors of a weight file.
struct WeightInspection: Inspection {
    struct Item: Encodable {
        var name: String
        var type: String
        var shape: [Int]
        var bytes: Int?
        var values: Spread?
    }

    /// How the finite values of a tensor are spread. All but the counts are absent where there is none.
    struct Spread: Encodable {
        var minimum: Double?
        var maximum: Double?
        var mean: Double?
        var deviation: Double?
        var notFinite = 0
        var zeros = 0
        /// Rows of a matrix, or filters of a convolution, that are all 0: the unit gives out its bias and no more.
        var deadRows = 0

        /// - Parameter shape: of the tensor, whose elements `values` are, row-major.
        init(_ values: some RandomAccessCollection<Double>, _ shape: [Int]) {
            let finite = values.lazy.filter(\.isFinite)
            var (count, least, largest) = (0, Double.infinity, -Double.infinity)
            for value in finite {
                count += 1
                least = min(least, value)
                largest = max(largest, value)
                if value == 0 { zeros += 1 }
            }
            notFinite = values.count - count
            if shape.count > 1, shape[0] > 1, !values.isEmpty {
                let width = values.count / shape[0]
                deadRows = (0..<shape[0]).count { row in
                    values.dropFirst(row * width).prefix(width).allSatisfy { $0 == 0 }
                }
            }
            guard count > 0 else { return }
            // No sum of scaled values is beyond what a float64 holds.
            let size = max(abs(least), abs(largest))
            let scale = size > 0 ? size : 1
            let center = finite.reduce(0) { $0 + $1 / scale } / Double(count)
            let squares = finite.reduce(0) { $0 + ($1 / scale - center) * ($1 / scale - center) }
            (minimum, maximum) = (least, largest)
            (mean, deviation) = (center * scale, (squares / Double(count)).squareRoot() * scale)
        }
    }

    var path: String
    var format: String
    var items: [Item]
    /// What the file says beside its tensors.
    var metadata: [String: String] = [:]
    /// What is in the file and cannot be read.
    var warnings: [String] = []

    /// The weights in the file at `path`; nil where its name is not that of a weight file.
    init?(path: String, readsValues: Bool) throws {
        // Of those that are not read, the error tells how they are converted.
        let others = ["h5", "gguf"]
        guard
            WeightFile.Format(path: path) != nil || others.contains(URL(filePath: path).pathExtension.lowercased())
        else { return nil }
        let file = try WeightFile(path: path)
        self.path = path
        format = file.format.rawValue
        metadata = Dictionary(file.notes, uniquingKeysWith: { first, _ in first })
        warnings = file.unreadable.map { "'\(shown($0.name))' cannot be read: it is \($0.reason)" }
        items = try file.entries.map { entry in
            Item(
                name: entry.name, type: typeName(entry.type), shape: entry.shape.sizes,
                bytes: entry.type.isRead ? entry.shape.elementCount * entry.type.byteCount : nil,
                // What Gimbal does not read has no values to show.
                values: readsValues && entry.type.isRead ? try Self.spread(entry, in: file) : nil)
        }
    }

    /// Without a copy of what is mostly the largest.
    private static func spread(_ entry: WeightFile.Entry, in file: WeightFile) throws -> Spread {
        try file.bytes(of: entry).withUnsafeBytes { bytes in
            entry.type == .float32
                ? Spread(bytes.bindMemory(to: Float.self).lazy.map(Double.init), entry.shape.sizes)
                : Spread(entry.type.doubles(bytes), entry.shape.sizes)
        }
    }

    /// Shapes of what is not read are whatever the file says, beyond any whole number too.
    private var elements: Double { items.reduce(0) { $0 + $1.shape.reduce(1) { $0 * Double($1) } } }

    var text: String {
        let bytes = items.compactMap(\.bytes)
        let size = bytes.count == items.count ? ", \(bytes.reduce(0, +)) bytes" : ""
        var lines = [
            "\(shown(path, limit: 200)): \(counted(items.count, "tensor")), \(String(format: "%.0f", elements)) "
                + "number\(elements == 1 ? "" : "s")\(size)"
        ]
        for (key, value) in metadata.sorted(by: { $0.key < $1.key }) {
            lines.append("  \(shown(key)): \(shown(value, limit: 200))")
        }
        var table = [["name", "type", "shape"]]
        if items.contains(where: { $0.values != nil }) {
            table[0] += ["least", "largest", "mean", "deviation", "zeros", "not finite"]
        }
        for item in items {
            var row = [shown(item.name, limit: 80), item.type, "\(item.shape)"]
            if let values = item.values {
                row += [values.minimum, values.maximum, values.mean, values.deviation].map {
                    $0.map { String(format: "%.4g", $0) } ?? "-"
                }
                row += ["\(values.zeros)", "\(values.notFinite)"]
            }
            table.append(row)
        }
        lines += aligned(table).map { "  " + $0 }
        let sick = items.filter { ($0.values?.notFinite ?? 0) > 0 }
        if !sick.isEmpty {
            lines.append("warning: \(listed(sick.map(\.name))) \(sick.count == 1 ? "holds" : "hold") NaN or infinity")
        }
        for item in items where item.values?.deadRows ?? 0 > 0 {
            lines.append(
                "warning: \(item.values?.deadRows ?? 0) of \(item.shape[0]) rows of \(shown(item.name)) are all 0: such a "
                    + "unit gives out its bias and no more")
        }
        lines += warnings.map { "warning: \($0)" }
        return lines.joined(separator: "\n")
    }
}

/// What an element type is called: of one that Gimbal does not read, its name in the file.
private func typeName(_ type: SafeTensors.ElementType) -> String {
    if case .unread(let name) = type { name } else { "\(type)" }
}

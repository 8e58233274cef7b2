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

        init(_ values: some Collection<Double>) {
            let finite = values.lazy.filter(\.isFinite)
            var (count, least, largest) = (0, Double.infinity, -Double.infinity)
            for value in finite {
                count += 1
                least = min(least, value)
                largest = max(largest, value)
                if value == 0 { zeros += 1 }
            }
            notFinite = values.count - count
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
    var items: [Item]
    var metadata: [String: String] = [:]
    /// What is in the file and cannot be read.
    var warnings: [String] = []

    /// The weights in the file at `path`; nil where its name is not that of a weight file.
    init?(path: String, readsValues: Bool) throws {
        switch URL(filePath: path).pathExtension.lowercased() {
        // Of those that are not read, the error tells how they are converted.
        case "safetensors", "pt", "pth", "bin", "ckpt", "h5", "gguf":
            try self.init(SafeTensors(path: path), readsValues: readsValues)
        case "npz": try self.init(NumPyArchive(path: path), readsValues: readsValues)
        case "npy": try self.init(NumPyArray(path: path), path: path, readsValues: readsValues)
        default: return nil
        }
    }

    private init(_ file: SafeTensors, readsValues: Bool) throws {
        path = file.path
        metadata = file.metadata
        items = try file.entries.map { entry in
            Item(
                name: entry.name, type: typeName(entry.type), shape: entry.shape.sizes, bytes: entry.byteCount,
                // What Gimbal does not read has no values to show.
                values: readsValues && entry.type.isRead ? try Self.spread(entry, in: file) : nil)
        }
    }

    private init(_ file: NumPyArchive, readsValues: Bool) throws {
        path = file.path
        warnings = file.packedArrays.map { "'\(shown($0.name))' cannot be read: it is \($0.reason)" }
        items = try file.entries.map { entry in
            Item(
                name: entry.name, type: typeName(entry.type), shape: entry.shape.sizes,
                values: readsValues && entry.type.isRead ? Spread(try file.array(entry.name).doubles) : nil)
        }
    }

    private init(_ array: NumPyArray, path: String, readsValues: Bool) {
        self.path = path
        items = [
            Item(
                name: "", type: typeName(array.type), shape: array.shape.sizes, bytes: array.bytes.count,
                values: readsValues ? Spread(array.doubles) : nil)
        ]
    }

    /// Without a copy of what is mostly the largest.
    private static func spread(_ entry: SafeTensors.Entry, in file: SafeTensors) throws -> Spread {
        entry.type == .float32
            ? Spread(try file.floats(of: entry).lazy.map(Double.init)) : Spread(try file.doubles(of: entry))
    }

    /// Shapes of what is not read are whatever the file says, beyond any whole number too.
    private var elements: Double { items.reduce(0) { $0 + $1.shape.reduce(1) { $0 * Double($1) } } }

    var text: String {
        let bytes = items.compactMap(\.bytes)
        let size = bytes.count == items.count ? ", \(bytes.reduce(0, +)) bytes" : ""
        var lines = [
            "\(shown(path, limit: 200)): \(items.count) tensors, \(String(format: "%.0f", elements)) numbers\(size)"
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
        lines += warnings.map { "warning: \($0)" }
        return lines.joined(separator: "\n")
    }
}

/// What an element type is called: of one that Gimbal does not read, its name in the file.
private func typeName(_ type: SafeTensors.ElementType) -> String {
    if case .unread(let name) = type { name } else { "\(type)" }
}

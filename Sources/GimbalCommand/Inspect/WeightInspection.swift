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

        init(_ values: [Float]) {
            let finite = values.lazy.filter(\.isFinite)
            var (count, sum, least, largest) = (0, 0.0, Double.infinity, -Double.infinity)
            for value in finite {
                count += 1
                sum += Double(value)
                least = min(least, Double(value))
                largest = max(largest, Double(value))
                if value == 0 { zeros += 1 }
            }
            notFinite = values.count - count
            guard count > 0 else { return }
            let center = sum / Double(count)
            let squares = finite.reduce(0.0) { $0 + (Double($1) - center) * (Double($1) - center) }
            (minimum, maximum, mean, deviation) = (least, largest, center, (squares / Double(count)).squareRoot())
        }
    }

    var path: String
    var items: [Item]
    var metadata: [String: String] = [:]

    init(_ file: SafeTensors, readsValues: Bool) throws {
        path = file.path
        metadata = file.metadata
        items = try file.entries.map { entry in
            Item(
                name: entry.name, type: typeName(entry.type), shape: entry.shape.sizes, bytes: entry.byteCount,
                // What Gimbal does not read has no values to show.
                values: readsValues && entry.type.dtype != nil ? Spread(try file.floats(of: entry)) : nil)
        }
    }

    init(_ file: NumPyArchive, readsValues: Bool) throws {
        path = file.path
        let cpu = try Device.named("cpu")
        items = try file.entries.map { entry in
            Item(
                name: entry.name, type: typeName(entry.type), shape: entry.shape.sizes,
                values: readsValues && entry.type.dtype != nil
                    ? Spread(try file.array(entry.name).tensor(on: cpu).floats()) : nil)
        }
    }

    private var elements: Int { items.reduce(0) { $0 + $1.shape.reduce(1, *) } }

    var text: String {
        let bytes = items.compactMap(\.bytes)
        let size = bytes.count == items.count ? ", \(bytes.reduce(0, +)) bytes" : ""
        var lines = ["\(shown(path, limit: 200)): \(items.count) tensors, \(elements) numbers\(size)"]
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
        return lines.joined(separator: "\n")
    }
}

/// What an element type is called: of one that Gimbal does not read, its name in the file.
private func typeName(_ type: SafeTensors.ElementType) -> String {
    if case .unread(let name) = type { name } else { "\(type)" }
}

import Foundation

// What the reports share.

extension Collected where Value == CollectedOutputs {
    /// The outputs of `model`, in evaluation mode, for all of `dataset`.
    static func rows(
        of model: any TensorLayer, on dataset: Dataset, batchSize: Int, device: Device, _ transform: (Tensor) -> Tensor
    ) throws -> CollectedOutputs {
        var collected = Collected { $0 }
        model.evaluating {
            for batch in DataLoader(dataset, batchSize: batchSize, shuffles: false).batches(epoch: 0, on: device) {
                collected.update(withoutGradients { transform(model(batch.inputs)) }, batch.targets)
            }
        }
        return try collected.value
    }
}

extension Double {
    /// Nil for NaN and infinity, which JSON has no number for.
    var ifFinite: Double? { isFinite ? self : nil }
}

/// With four decimals, a dash for what is not known.
func number(_ value: Double?) -> String {
    guard let value, !value.isNaN else { return "-" }
    return String(format: "%.4f", value)
}

/// Rows of text, the first column flush left, the others flush right.
struct TextTable: CustomStringConvertible {
    var widths: [Int]
    var rows: [[String]] = []

    init(columns: Int) { widths = [Int](repeating: 0, count: columns) }

    mutating func add(_ row: [String]) {
        rows.append(row)
        widths = zip(widths, row).map { max($0, $1.count) }
    }

    var description: String {
        rows.map { row in
            zip(row, widths).enumerated().map { column, cell in
                let space = String(repeating: " ", count: cell.1 - cell.0.count)
                return column == 0 ? cell.0 + space : space + cell.0
            }.joined(separator: "  ")
        }.joined(separator: "\n")
    }
}

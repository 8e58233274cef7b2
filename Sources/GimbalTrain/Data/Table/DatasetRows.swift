import Gimbal

/// Rows of a table as features, on their way to becoming a data set or a batch.
struct DatasetRows: Sendable {
    private let width: Int
    private let classNames: [String]
    private var features: [Float] = []
    private var labels: [Int32] = []
    private var values: [Float] = []
    /// Number of rows.
    private(set) var count = 0

    private var isRegression: Bool { classNames.isEmpty }

    /// No rows.
    /// - Parameter count: how many rows memory is set aside for.
    init(_ schema: TableSchema, expecting count: Int = 0) {
        width = schema.featureCount
        classNames = schema.classNames
        features.reserveCapacity(count * width)
        if isRegression { values.reserveCapacity(count) } else { labels.reserveCapacity(count) }
    }

    /// - Returns: false for a row that is left out, as an input is missing and the schema has it so.
    @discardableResult
    mutating func add(_ rows: TableRows) throws -> Bool {
        let start = features.count
        features.append(contentsOf: repeatElement(0, count: width))
        let isAdded = try features.withUnsafeMutableBufferPointer { try rows.write(to: $0.baseAddress! + start) }
        guard isAdded else {
            features.removeLast(width)
            return false
        }
        if isRegression { values.append(rows.standardizedValue) } else { labels.append(rows.label) }
        count += 1
        return true
    }

    /// Adds some rows of others of the same schema.
    mutating func append(_ other: DatasetRows, rows: Range<Int>) {
        features.append(contentsOf: other.features[rows.lowerBound * width..<rows.upperBound * width])
        if isRegression {
            values.append(contentsOf: other.values[rows])
        } else {
            labels.append(contentsOf: other.labels[rows])
        }
        count += rows.count
    }

    /// Moves a row to others of the same schema; the last row takes its place.
    mutating func move(_ row: Int, to other: inout DatasetRows) {
        other.append(self, rows: row..<row + 1)
        let last = count - 1
        if row < last {
            features.withUnsafeMutableBufferPointer { features in
                (features.baseAddress! + row * width).update(from: features.baseAddress! + last * width, count: width)
            }
            if isRegression { values[row] = values[last] } else { labels[row] = labels[last] }
        }
        features.removeLast(width)
        if isRegression { values.removeLast() } else { labels.removeLast() }
        count = last
    }

    /// All rows.
    func dataset(name: String) -> Dataset {
        Dataset(
            name: name, inputShape: [width], inputs: .floats(features),
            targets: isRegression ? .values(values, width: 1) : .classes(labels, names: classNames))
    }

    /// All rows as a batch.
    /// - Parameters:
    ///   - number: the batch's place in its epoch.
    ///   - firstIndex: of the rows, which are counted on from it.
    func batch(number: Int, firstIndex: Int) -> HostBatch {
        HostBatch(
            number: number, indices: [Int](firstIndex..<firstIndex + count), inputs: features,
            inputShape: [count, width],
            targets: isRegression ? .values(values, shape: [count, 1]) : .classes(labels))
    }
}

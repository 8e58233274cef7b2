import Gimbal

/// Moves and scales each feature, and each number to be predicted, so that over the data it was fitted to it has mean 0
/// and standard deviation 1.
///
/// Fit it to the training part only, and apply it to all parts: the test part must not leak into training.
///
/// ```swift
/// let standardization = Standardization(fittedTo: train)
/// let (scaledTrain, scaledTest) = (standardization(train), standardization(test))
/// ```
public struct Standardization: Sendable, Equatable, Codable {
    /// The mean of each feature.
    public let means: [Double]
    /// The standard deviation of each feature (of the population, as scikit-learn's); 1 for one that never changes.
    public let deviations: [Double]
    /// The mean of each number to be predicted; empty where classes are.
    public let targetMeans: [Double]
    /// The standard deviation of each number to be predicted, as for features; empty where classes are.
    public let targetDeviations: [Double]

    /// - Parameters:
    ///   - means: one for each feature.
    ///   - deviations: one for each feature, none of them 0.
    ///   - targetMeans: one for each number to be predicted; empty where classes are.
    ///   - targetDeviations: likewise, none of them 0.
    public init(
        means: [Double], deviations: [Double], targetMeans: [Double] = [], targetDeviations: [Double] = []
    ) {
        require(
            means.count == deviations.count && !deviations.contains(0), "Standardization",
            "\(means.count) means, \(deviations.count) deviations, none of which may be 0")
        require(
            targetMeans.count == targetDeviations.count && !targetDeviations.contains(0), "Standardization",
            "\(targetMeans.count) means, \(targetDeviations.count) deviations of targets, none of which may be 0")
        self.means = means
        self.deviations = deviations
        self.targetMeans = targetMeans
        self.targetDeviations = targetDeviations
    }

    /// - Parameter dataset: where empty, means are 0 and deviations 1.
    public init(fittedTo dataset: Dataset) {
        (means, deviations) = meansAndDeviations(width: dataset.featureCount, count: dataset.count) {
            dataset.forEachRow($0)
        }
        guard case .values(let values, let width) = dataset.targets else {
            (targetMeans, targetDeviations) = ([], [])
            return
        }
        (targetMeans, targetDeviations) = meansAndDeviations(width: width, count: dataset.count) { body in
            values.withUnsafeBufferPointer { values in
                for start in stride(from: 0, to: values.count, by: width) {
                    body(UnsafeBufferPointer(rebasing: values[start..<start + width]))
                }
            }
        }
    }

    /// `dataset` with every feature, and every number to be predicted, standardised; its inputs become floats.
    public func callAsFunction(_ dataset: Dataset) -> Dataset {
        let width = dataset.featureCount
        require(width == means.count, "Standardization", "fitted to \(means.count) features, not \(width)")
        let floats = [Float](count: dataset.count * width) { result in
            var count = 0
            means.withUnsafeBufferPointer { means in
                deviations.withUnsafeBufferPointer { deviations in
                    dataset.forEachRow { row in
                        for column in 0..<width {
                            result[count + column] = Float((Double(row[column]) - means[column]) / deviations[column])
                        }
                        count += width
                    }
                }
            }
        }
        return Dataset(
            name: dataset.name, inputShape: dataset.inputShape, inputs: .floats(floats),
            targets: standardized(dataset.targets))
    }

    /// What a model trained on standardised targets gives, in the units of the data.
    /// - Parameter values: row-major, as many columns as there are numbers to be predicted.
    public func restoringTargets(_ values: [Double]) -> [Double] {
        guard !targetMeans.isEmpty else { return values }
        return values.enumerated().map { index, value in
            let column = index % targetMeans.count
            return value * targetDeviations[column] + targetMeans[column]
        }
    }

    private func standardized(_ targets: Dataset.Targets) -> Dataset.Targets {
        guard case .values(let values, let width) = targets, !targetMeans.isEmpty else { return targets }
        require(width == targetMeans.count, "Standardization", "fitted to \(targetMeans.count) targets, not \(width)")
        let scaled = values.enumerated().map { index, value in
            Float((Double(value) - targetMeans[index % width]) / targetDeviations[index % width])
        }
        return .values(scaled, width: width)
    }
}

/// Of each column of the rows that `forEachRow` goes through; a deviation of 0 is given as 1.
private func meansAndDeviations(
    width: Int, count: Int, _ forEachRow: ((UnsafeBufferPointer<Float>) -> Void) -> Void
) -> ([Double], [Double]) {
    let count = Double(max(count, 1))
    var sums = [Double](repeating: 0, count: width)
    forEachRow { row in
        for column in 0..<width { sums[column] += Double(row[column]) }
    }
    let means = sums.map { $0 / count }
    var squares = [Double](repeating: 0, count: width)
    forEachRow { row in
        for column in 0..<width {
            let distance = Double(row[column]) - means[column]
            squares[column] += distance * distance
        }
    }
    // The sum of equal floats is exact in Double (24 bits and those of the count), so a constant feature's deviation is
    // exactly 0.
    let deviations = squares.map { square in
        let deviation = (square / count).squareRoot()
        return deviation == 0 ? 1 : deviation
    }
    return (means, deviations)
}

extension Dataset {
    /// Calls `body` with each input in turn, widened to `Float`.
    fileprivate func forEachRow(_ body: (UnsafeBufferPointer<Float>) -> Void) {
        // In pieces, so that a data set kept as bytes is never a whole in floats.
        for start in stride(from: 0, to: count, by: 256) {
            let piece = batch(Array(start..<min(start + 256, count)))
            piece.inputs.withUnsafeBufferPointer { rows in
                for row in 0..<piece.count {
                    body(UnsafeBufferPointer(rebasing: rows[row * featureCount..<(row + 1) * featureCount]))
                }
            }
        }
    }
}

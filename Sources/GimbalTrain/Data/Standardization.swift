import Gimbal

/// Moves and scales each feature so that, over the data it was fitted to, it has mean 0 and standard deviation 1.
///
/// Fit it to the training part only, and apply it to all parts: the test part must not leak into training.
///
/// ```swift
/// let standardization = Standardization(fittedTo: train)
/// let (train, test) = (standardization(train), standardization(test))
/// ```
public struct Standardization: Sendable, Equatable {
    /// The mean of each feature.
    public let means: [Float]
    /// The standard deviation of each feature (of the population, as scikit-learn's); 1 for one that never changes.
    public let deviations: [Float]

    /// - Parameters:
    ///   - means: one for each feature.
    ///   - deviations: one for each feature, none of them 0.
    public init(means: [Float], deviations: [Float]) {
        require(
            means.count == deviations.count && !deviations.contains(0), "Standardization",
            "\(means.count) means, \(deviations.count) deviations, none of which may be 0")
        self.means = means
        self.deviations = deviations
    }

    /// - Parameter dataset: where empty, means are 0 and deviations 1.
    public init(fittedTo dataset: Dataset) {
        let width = dataset.featureCount
        var sums = [Double](repeating: 0, count: width)
        dataset.forEachRow { row in
            for column in 0..<width { sums[column] += Double(row[column]) }
        }
        let count = Double(max(dataset.count, 1))
        let means = sums.map { $0 / count }
        var squares = [Double](repeating: 0, count: width)
        dataset.forEachRow { row in
            for column in 0..<width {
                let distance = Double(row[column]) - means[column]
                squares[column] += distance * distance
            }
        }
        self.means = means.map { Float($0) }
        // The sum of equal floats is exact in Double (24 bits and those of the count), so a constant feature's deviation
        // is exactly 0.
        deviations = squares.map { square in
            let deviation = Float((square / count).squareRoot())
            return deviation == 0 ? 1 : deviation
        }
    }

    /// `dataset` with every feature standardised; its inputs become floats.
    public func callAsFunction(_ dataset: Dataset) -> Dataset {
        let width = dataset.featureCount
        require(width == means.count, "Standardization", "fitted to \(means.count) features, not \(width)")
        let floats = [Float](count: dataset.count * width) { result in
            var count = 0
            means.withUnsafeBufferPointer { means in
                deviations.withUnsafeBufferPointer { deviations in
                    dataset.forEachRow { row in
                        for column in 0..<width {
                            result[count + column] = (row[column] - means[column]) / deviations[column]
                        }
                        count += width
                    }
                }
            }
        }
        return Dataset(
            name: dataset.name, inputShape: dataset.inputShape, inputs: .floats(floats), targets: dataset.targets)
    }
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

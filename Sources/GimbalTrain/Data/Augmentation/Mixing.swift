import Foundation
import Gimbal

/// Mixes each example with another of the batch (Zhang et al. 2018, mixup: Beyond Empirical Risk Minimization):
/// x ← λ x + (1 - λ) x', and the targets likewise, with λ from Beta(α, α) once for the batch.
///
/// Classes become probabilities, [count, classes].
public struct Mixup: BatchTransform {
    /// α of the distribution Beta(α, α) of the share λ that an example keeps.
    public let alpha: Double
    /// Number of classes, for targets that are classes.
    public let classCount: Int

    /// - Parameters:
    ///   - alpha: > 0; the larger, the nearer λ lies to ½.
    ///   - classCount: number of classes, the width of the probabilities that classes become.
    public init(alpha: Double = 0.2, classCount: Int) {
        require(alpha > 0 && classCount > 0, "Mixup", "alpha = \(alpha), \(classCount) classes")
        self.alpha = alpha
        self.classCount = classCount
    }

    public func apply(to batch: HostBatch, random: inout AugmentationRandom) -> HostBatch {
        let share = Float(random.symmetricBeta(alpha))
        let partners = random.permutation(of: batch.count)
        let width = batch.count == 0 ? 0 : batch.inputs.count / batch.count
        let inputs = batch.inputs.withUnsafeBufferPointer { source in
            [Float](count: source.count) { result in
                for row in 0..<batch.count {
                    let (start, other) = (row * width, partners[row] * width)
                    for place in 0..<width {
                        result[start + place] = share * source[start + place] + (1 - share) * source[other + place]
                    }
                }
            }
        }
        return batch.replacing(inputs, batch.targets.mixed(share, partners, classCount))
    }
}

/// Puts a rectangle of another image of the batch into each (Yun et al. 2019, CutMix), and mixes the targets by area.
/// The rectangle is the same for the batch: its sides are √(1 - λ) of the image's, with λ from Beta(α, α), its centre
/// anywhere.
///
/// Classes become probabilities, [count, classes].
public struct CutMix: BatchTransform {
    /// α of the distribution Beta(α, α) of the share λ of its area that an image keeps.
    public let alpha: Double
    /// Number of classes, for targets that are classes.
    public let classCount: Int

    /// - Parameters:
    ///   - alpha: > 0; 1 makes every area equally likely.
    ///   - classCount: number of classes, the width of the probabilities that classes become.
    public init(alpha: Double = 1, classCount: Int) {
        require(alpha > 0 && classCount > 0, "CutMix", "alpha = \(alpha), \(classCount) classes")
        self.alpha = alpha
        self.classCount = classCount
    }

    public func apply(to batch: HostBatch, random: inout AugmentationRandom) -> HostBatch {
        let sizes = batch.inputShape.sizes
        require(sizes.count >= 3, "CutMix", "images have at least 2 axes after the batch, not \(batch.inputShape)")
        let (height, width) = (sizes[sizes.count - 2], sizes[sizes.count - 1])
        let side = (1 - random.symmetricBeta(alpha)).squareRoot()
        let partners = random.permutation(of: batch.count)
        func range(_ count: Int) -> Range<Int> {
            let middle = random.next(below: max(count, 1))
            let half = Int(side * Double(count)) / 2
            return max(middle - half, 0)..<min(middle + half, count)
        }
        let (rows, columns) = (range(height), range(width))
        // By the area that lies inside the image.
        let share = 1 - Float(rows.count * columns.count) / Float(max(height * width, 1))
        var inputs = batch.inputs
        let planes = batch.count == 0 ? 0 : batch.inputs.count / (batch.count * height * width)
        batch.inputs.withUnsafeBufferPointer { source in
            inputs.withUnsafeMutableBufferPointer { result in
                for row in 0..<batch.count where partners[row] != row {
                    for plane in 0..<planes {
                        for line in rows {
                            let start = ((row * planes + plane) * height + line) * width
                            let other = ((partners[row] * planes + plane) * height + line) * width
                            for column in columns { result[start + column] = source[other + column] }
                        }
                    }
                }
            }
        }
        return batch.replacing(inputs, batch.targets.mixed(share, partners, classCount))
    }
}

extension HostBatch {
    fileprivate func replacing(_ inputs: [Float], _ targets: Targets) -> HostBatch {
        HostBatch(number: number, indices: indices, inputs: inputs, inputShape: inputShape, targets: targets)
    }
}

extension HostBatch.Targets {
    /// share · own + (1 - share) · partner's, classes as probabilities.
    fileprivate func mixed(_ share: Float, _ partners: [Int], _ classCount: Int) -> HostBatch.Targets {
        switch self {
        case .classes(let classes):
            var values = [Float](repeating: 0, count: classes.count * classCount)
            for (row, own) in classes.enumerated() {
                let other = classes[partners[row]]
                require(
                    Int(max(own, other)) < classCount, "mixing", "class \(max(own, other)) among \(classCount)")
                values[row * classCount + Int(own)] += share
                values[row * classCount + Int(other)] += 1 - share
            }
            return .values(values, shape: [classes.count, classCount])
        case .tokens: stop("Mixup", "tokens cannot be mixed")
        case .values(let values, let shape):
            let width = shape.sizes.dropFirst().reduce(1, *)
            let mixed = values.indices.map { place in
                share * values[place] + (1 - share) * values[partners[place / width] * width + place % width]
            }
            return .values(mixed, shape: shape)
        }
    }
}

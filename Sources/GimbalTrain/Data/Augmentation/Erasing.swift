import Foundation
import Gimbal

/// Blanks squares at random places (DeVries and Taylor 2017, Improved Regularization of Convolutional Neural Networks
/// with Cutout). A square's centre lies anywhere in the image, so that part of it may lie outside.
public struct Cutout: ImageTransform {
    /// Side of a square, in pixels.
    public let size: Int
    /// Number of squares; they may overlap.
    public let count: Int

    /// Blanks `count` squares with sides of `size` pixels, neither of them negative.
    public init(size: Int, count: Int = 1) {
        require(size >= 0 && count >= 0, "Cutout", "\(count) squares of \(size)")
        self.size = size
        self.count = count
    }

    public func apply(
        _ image: UnsafePointer<Float>, _ size: ImageSize, to target: UnsafeMutablePointer<Float>,
        random: inout AugmentationRandom
    ) {
        target.update(from: image, count: size.count)
        guard size.count > 0 else { return }
        for _ in 0..<count {
            let top = random.next(below: size.height) - self.size / 2
            let left = random.next(below: size.width) - self.size / 2
            fill(
                target, size, rows: max(top, 0)..<min(top + self.size, size.height),
                columns: max(left, 0)..<min(left + self.size, size.width), with: 0)
        }
    }
}

/// Blanks a rectangle of random size and shape (Zhong et al. 2020, Random Erasing Data Augmentation), as torchvision's.
public struct RandomErasing: ImageTransform {
    /// The probability that an image is changed at all.
    public let probability: Double
    /// The rectangle's share of the image's area, drawn uniformly from this range.
    public let scale: ClosedRange<Double>
    /// The rectangle's height over its width, whose logarithm is drawn uniformly.
    public let ratio: ClosedRange<Double>
    /// What the rectangle is filled with, in every channel.
    public let value: Float

    /// Blanks a rectangle with `probability`. The defaults are those of torchvision; `scale` lies in 0...1, `ratio` is
    /// positive.
    public init(
        _ probability: Double = 0.5, scale: ClosedRange<Double> = 0.02...0.33, ratio: ClosedRange<Double> = 0.3...3.3,
        value: Float = 0
    ) {
        require(
            (0...1).contains(probability) && scale.lowerBound >= 0 && scale.upperBound <= 1 && ratio.lowerBound > 0,
            "RandomErasing", "a probability of \(probability), a scale of \(scale), a ratio of \(ratio)")
        self.probability = probability
        self.scale = scale
        self.ratio = ratio
        self.value = value
    }

    public func apply(
        _ image: UnsafePointer<Float>, _ size: ImageSize, to target: UnsafeMutablePointer<Float>,
        random: inout AugmentationRandom
    ) {
        target.update(from: image, count: size.count)
        guard random.chance(probability) else { return }
        // A shape that does not fit is drawn again, ten times at most.
        for _ in 0..<10 {
            let area = Double(size.height * size.width) * random.uniform(scale)
            let aspect = exp(random.uniform(log(ratio.lowerBound)...log(ratio.upperBound)))
            let height = Int((area * aspect).squareRoot().rounded())
            let width = Int((area / aspect).squareRoot().rounded())
            guard height < size.height, width < size.width else { continue }
            let top = random.next(below: size.height - height + 1)
            let left = random.next(below: size.width - width + 1)
            return fill(target, size, rows: top..<top + height, columns: left..<left + width, with: value)
        }
    }
}

/// Computes (x - mean) / deviation with one mean and deviation for each channel, as torchvision's `Normalize`.
public struct Normalize: ImageTransform {
    /// What is subtracted from each channel.
    public let means: [Float]
    /// What each channel is then divided by.
    public let deviations: [Float]

    /// One mean and one deviation for each channel of the images; no deviation may be 0.
    public init(means: [Float], deviations: [Float]) {
        require(
            means.count == deviations.count && !deviations.contains(0), "Normalize",
            "\(means.count) means, \(deviations.count) deviations, none of which may be 0")
        self.means = means
        self.deviations = deviations
    }

    public func apply(
        _ image: UnsafePointer<Float>, _ size: ImageSize, to target: UnsafeMutablePointer<Float>,
        random: inout AugmentationRandom
    ) {
        require(size.channels == means.count, "Normalize", "\(means.count) means for \(size.channels) channels")
        let plane = size.height * size.width
        for channel in 0..<size.channels {
            let (mean, deviation) = (means[channel], deviations[channel])
            for place in channel * plane..<(channel + 1) * plane { target[place] = (image[place] - mean) / deviation }
        }
    }
}

private func fill(
    _ image: UnsafeMutablePointer<Float>, _ size: ImageSize, rows: Range<Int>, columns: Range<Int>, with value: Float
) {
    for channel in 0..<size.channels {
        for row in rows {
            (image + (channel * size.height + row) * size.width + columns.lowerBound)
                .update(repeating: value, count: columns.count)
        }
    }
}

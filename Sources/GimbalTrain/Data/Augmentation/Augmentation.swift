import Gimbal

/// Random changes to the images of a batch that leave their class as it is, so that a model sees more than there are.
///
/// ```swift
/// let augmentation = Augmentation(seed: 42) {
///     RandomCrop(padding: 4)
///     RandomHorizontalFlip()
/// }
/// for host in loader.batches(epoch: 0) {
///     let batch = augmentation(host, epoch: 0).to(.current)
///     print(batch.inputs.shape)
/// }
/// ```
/// What happens to an image depends on the seed, the epoch and the image's place in the data set only, not on the batch
/// it is in, on what came before, or on the device: a resumed run sees what it would have seen.
public struct Augmentation: Sendable {
    /// What the random numbers of all steps follow from, with the epoch and the image's place in the data set.
    public let seed: UInt64
    private let steps: [AugmentationStep]

    /// An augmentation by `steps`, one per line, which are applied in this order.
    public init(seed: UInt64 = 0, @AugmentationBuilder _ steps: () -> [AugmentationStep]) {
        self.seed = seed
        self.steps = steps()
    }

    /// The batch with every step applied in turn.
    /// - Parameters:
    ///   - batch: of images, [count, channels, height, width] or [count, height, width].
    ///   - epoch: counted from 0; each has changes of its own.
    public func callAsFunction(_ batch: HostBatch, epoch: Int) -> HostBatch {
        var batch = batch
        var number = 0
        while number < steps.count {
            switch steps[number] {
            case .image:
                // Neighbouring steps over single images go together, so that an image stays in the cache.
                var transforms: [any ImageTransform] = []
                let first = number
                while number < steps.count, case .image(let transform) = steps[number] {
                    transforms.append(transform)
                    number += 1
                }
                batch = apply(transforms, first: first, to: batch, epoch: epoch)
            case .batch(let transform):
                var random = AugmentationRandom(seed: seed, epoch: epoch, item: batch.number, step: number | 1 << 15)
                batch = transform.apply(to: batch, random: &random)
                number += 1
            }
        }
        return batch
    }

    /// Whether every image is changed by itself, so that it comes out the same in any batch: no step looks at a batch as a
    /// whole.
    public var changesExamplesAlone: Bool {
        steps.allSatisfy { if case .image = $0 { true } else { false } }
    }

    /// Rows of the changed batch; all where `rows` is nil. Steps over single images are spared for the others.
    func callAsFunction(_ batch: HostBatch, epoch: Int, rows: Range<Int>?) -> HostBatch {
        guard let rows else { return self(batch, epoch: epoch) }
        return changesExamplesAlone ? self(batch.rows(rows), epoch: epoch) : self(batch, epoch: epoch).rows(rows)
    }

    private func apply(
        _ transforms: [any ImageTransform], first: Int, to batch: HostBatch, epoch: Int
    ) -> HostBatch {
        let sizes = batch.inputShape.sizes
        require(
            sizes.count == 3 || sizes.count == 4, "Augmentation",
            "images have 2 or 3 axes after the batch, not those of \(batch.inputShape)")
        let original = ImageSize(
            channels: sizes.count == 4 ? sizes[1] : 1, height: sizes[sizes.count - 2], width: sizes[sizes.count - 1])
        var size = original
        var largest = size.count
        for transform in transforms {
            size = transform.outputSize(size)
            largest = max(largest, size.count)
        }
        let final = size
        let scratch = UnsafeMutablePointer<Float>.allocate(capacity: 2 * max(largest, 1))
        defer { scratch.deallocate() }
        let inputs = batch.inputs.withUnsafeBufferPointer { source in
            [Float](count: batch.count * final.count) { result in
                guard let source = source.baseAddress, let result = result.baseAddress else { return }
                for (row, example) in batch.indices.enumerated() {
                    var image = source + row * original.count
                    var size = original
                    for (number, transform) in transforms.enumerated() {
                        var random = AugmentationRandom(
                            seed: seed, epoch: epoch, item: example, step: first + number)
                        let isLast = number == transforms.count - 1
                        let target = isLast ? result + row * final.count : scratch + (number % 2) * largest
                        transform.apply(image, size, to: target, random: &random)
                        size = transform.outputSize(size)
                        image = UnsafePointer(target)
                    }
                }
            }
        }
        let shape =
            sizes.count == 4
            ? [sizes[0], final.channels, final.height, final.width]
            : [
                sizes[0], final.height, final.width,
            ]
        return HostBatch(
            number: batch.number, indices: batch.indices, inputs: inputs, inputShape: Shape(shape),
            targets: batch.targets)
    }
}

/// The sizes of one image, which lies row-major, a channel after the other.
public struct ImageSize: Sendable, Hashable {
    /// Number of channels: 1 for grey, 3 for red, green and blue.
    public var channels: Int
    /// Number of rows of pixels.
    public var height: Int
    /// Number of pixels in a row.
    public var width: Int

    /// The sizes of an image of [channels, height, width].
    public init(channels: Int, height: Int, width: Int) {
        self.channels = channels
        self.height = height
        self.width = width
    }

    /// Elements of the image: channels · height · width.
    public var count: Int { channels * height * width }
}

/// A change to one image.
public protocol ImageTransform: Sendable {
    /// The sizes that an image of `size` takes on.
    func outputSize(_ size: ImageSize) -> ImageSize
    /// Writes the changed image.
    /// - Parameters:
    ///   - image: the elements as they are, row-major [channels, height, width].
    ///   - size: the sizes of `image`.
    ///   - target: room for an image of `outputSize(size)`, which does not overlap the source; all of it is written.
    ///   - random: the same for the same seed, epoch, image and step.
    func apply(
        _ image: UnsafePointer<Float>, _ size: ImageSize, to target: UnsafeMutablePointer<Float>,
        random: inout AugmentationRandom)
}

extension ImageTransform {
    /// The sizes that an image of `size` takes on: unless said otherwise, the same.
    public func outputSize(_ size: ImageSize) -> ImageSize { size }
}

/// A change to a batch as a whole.
public protocol BatchTransform: Sendable {
    /// The changed batch. `random` gives the same numbers for the same seed, epoch, batch of the epoch and step.
    func apply(to batch: HostBatch, random: inout AugmentationRandom) -> HostBatch
}

/// One step of an `Augmentation`, as its builder collects them.
public enum AugmentationStep: Sendable {
    /// A change to each image by itself.
    case image(any ImageTransform)
    /// A change to the batch as a whole.
    case batch(any BatchTransform)
}

/// Collects steps written one per line, with `if` and `for`.
@resultBuilder
public enum AugmentationBuilder {
    public static func buildExpression(_ step: any ImageTransform) -> [AugmentationStep] { [.image(step)] }
    public static func buildExpression(_ step: any BatchTransform) -> [AugmentationStep] { [.batch(step)] }
    public static func buildBlock(_ parts: [AugmentationStep]...) -> [AugmentationStep] { parts.flatMap { $0 } }
    public static func buildOptional(_ part: [AugmentationStep]?) -> [AugmentationStep] { part ?? [] }
    public static func buildEither(first: [AugmentationStep]) -> [AugmentationStep] { first }
    public static func buildEither(second: [AugmentationStep]) -> [AugmentationStep] { second }
    public static func buildArray(_ parts: [[AugmentationStep]]) -> [AugmentationStep] { parts.flatMap { $0 } }
}

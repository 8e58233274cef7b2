import Gimbal

/// What lies outside an image.
public enum ImagePadding: String, Sendable, Codable, CaseIterable {
    /// Zeros: a b c → 0 0 | a b c | 0 0.
    case zero
    /// The nearest pixel: a b c → a a | a b c | c c.
    case edge
    /// The image mirrored at its outermost pixels: a b c → c b | a b c | b a.
    case reflect

    /// The place that stands in for `index` outside 0..<count; nil for zero.
    @inline(__always)
    func place(of index: Int, in count: Int) -> Int? {
        if index >= 0 && index < count { return index }
        switch self {
        case .zero: return nil
        case .edge: return index < 0 ? 0 : count - 1
        case .reflect:
            if count == 1 { return 0 }
            let period = 2 * (count - 1)
            let folded = (index % period + period) % period
            return folded < count ? folded : period - folded
        }
    }
}

/// Pads every side and cuts out a part at a random place, as torchvision's `RandomCrop`.
///
/// With the size of the image itself, as is usual on CIFAR-10 (He et al. 2016), this is a shift by up to `padding`.
public struct RandomCrop: ImageTransform {
    /// Pixels added to every side before the part is cut out.
    public let padding: Int
    /// Height and width of the part; nil for those of the image.
    public let size: (height: Int, width: Int)?
    /// What the added pixels hold.
    public let mode: ImagePadding

    /// Pads every side by `padding` pixels and cuts out a part of `size`; nil for the size of the image. A part larger
    /// than the padded image stops the program when it is applied.
    public init(padding: Int = 0, size: (height: Int, width: Int)? = nil, mode: ImagePadding = .zero) {
        require(padding >= 0, "RandomCrop", "a padding of \(padding)")
        self.padding = padding
        self.size = size
        self.mode = mode
    }

    public func outputSize(_ image: ImageSize) -> ImageSize {
        guard let size else { return image }
        require(
            size.height > 0 && size.width > 0 && size.height <= image.height + 2 * padding
                && size.width <= image.width + 2 * padding, "RandomCrop",
            "no part of \(size.height) by \(size.width) in an image of \(image.height) by \(image.width) padded by "
                + "\(padding)")
        return ImageSize(channels: image.channels, height: size.height, width: size.width)
    }

    public func apply(
        _ image: UnsafePointer<Float>, _ size: ImageSize, to target: UnsafeMutablePointer<Float>,
        random: inout AugmentationRandom
    ) {
        let part = outputSize(size)
        let top = random.next(below: size.height + 2 * padding - part.height + 1) - padding
        let left = random.next(below: size.width + 2 * padding - part.width + 1) - padding
        copyWindow(image, size, top: top, left: left, to: target, part, mode)
    }
}

/// Moves the image by a random whole number of pixels, up to `maximum` in each direction.
public struct RandomShift: ImageTransform {
    /// The largest shift in pixels, up or down and to either side.
    public let maximum: (vertical: Int, horizontal: Int)
    /// What comes in from outside the image.
    public let mode: ImagePadding

    /// Moves the image by up to `maximum` pixels, ≥ 0, up or down and to either side.
    public init(_ maximum: Int, mode: ImagePadding = .zero) {
        self.init(vertical: maximum, horizontal: maximum, mode: mode)
    }

    /// Moves the image by up to `vertical` pixels up or down, and by up to `horizontal` to either side; neither is
    /// negative.
    public init(vertical: Int, horizontal: Int, mode: ImagePadding = .zero) {
        require(vertical >= 0 && horizontal >= 0, "RandomShift", "by up to \(vertical), \(horizontal)")
        maximum = (vertical, horizontal)
        self.mode = mode
    }

    public func apply(
        _ image: UnsafePointer<Float>, _ size: ImageSize, to target: UnsafeMutablePointer<Float>,
        random: inout AugmentationRandom
    ) {
        let top = random.next(below: 2 * maximum.vertical + 1) - maximum.vertical
        let left = random.next(below: 2 * maximum.horizontal + 1) - maximum.horizontal
        copyWindow(image, size, top: top, left: left, to: target, size, mode)
    }
}

/// Mirrors left and right with a given probability.
public struct RandomHorizontalFlip: ImageTransform {
    /// The probability that an image is mirrored.
    public let probability: Double

    /// Mirrors left and right with `probability`, in 0...1.
    public init(_ probability: Double = 0.5) {
        require((0...1).contains(probability), "RandomHorizontalFlip", "a probability of \(probability)")
        self.probability = probability
    }

    public func apply(
        _ image: UnsafePointer<Float>, _ size: ImageSize, to target: UnsafeMutablePointer<Float>,
        random: inout AugmentationRandom
    ) {
        guard random.chance(probability) else { return target.update(from: image, count: size.count) }
        for row in stride(from: 0, to: size.count, by: size.width) {
            for column in 0..<size.width { target[row + column] = image[row + size.width - 1 - column] }
        }
    }
}

/// Mirrors top and bottom with a given probability.
public struct RandomVerticalFlip: ImageTransform {
    /// The probability that an image is mirrored.
    public let probability: Double

    /// Mirrors top and bottom with `probability`, in 0...1.
    public init(_ probability: Double = 0.5) {
        require((0...1).contains(probability), "RandomVerticalFlip", "a probability of \(probability)")
        self.probability = probability
    }

    public func apply(
        _ image: UnsafePointer<Float>, _ size: ImageSize, to target: UnsafeMutablePointer<Float>,
        random: inout AugmentationRandom
    ) {
        guard random.chance(probability) else { return target.update(from: image, count: size.count) }
        for channel in 0..<size.channels {
            for row in 0..<size.height {
                (target + (channel * size.height + row) * size.width).update(
                    from: image + (channel * size.height + size.height - 1 - row) * size.width, count: size.width)
            }
        }
    }
}

/// Copies the part of an image, or of what surrounds it, that begins at (`top`, `left`).
private func copyWindow(
    _ image: UnsafePointer<Float>, _ size: ImageSize, top: Int, left: Int, to target: UnsafeMutablePointer<Float>,
    _ part: ImageSize, _ mode: ImagePadding
) {
    // Columns that lie in the image are copied as they are.
    let inside =
        min(max(0, -left), part.width)..<max(min(part.width, size.width - left), min(max(0, -left), part.width))
    for channel in 0..<size.channels {
        for row in 0..<part.height {
            let to = target + (channel * part.height + row) * part.width
            guard let place = mode.place(of: top + row, in: size.height) else {
                to.update(repeating: 0, count: part.width)
                continue
            }
            let from = image + (channel * size.height + place) * size.width
            for column in 0..<inside.lowerBound {
                to[column] = mode.place(of: left + column, in: size.width).map { from[$0] } ?? 0
            }
            (to + inside.lowerBound).update(from: from + left + inside.lowerBound, count: inside.count)
            for column in inside.upperBound..<part.width {
                to[column] = mode.place(of: left + column, in: size.width).map { from[$0] } ?? 0
            }
        }
    }
}

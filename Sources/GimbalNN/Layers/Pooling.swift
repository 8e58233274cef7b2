// Pooling of [batch, channels, one to three spatial axes...]: layers without parameters, one implementation for each
// kind.

/// The largest element of each window.
public class MaxPool: Module, Layer {
    /// The size of a window on each spatial axis.
    public let kernel: [Int]
    /// How far the window moves on each spatial axis.
    public let stride: [Int]
    /// Positions before and after the input on each spatial axis, none of which is ever the largest.
    public let padding: [Int]
    /// The distance between neighbouring elements of a window on each spatial axis.
    public let dilation: [Int]
    /// Whether there is a last window that begins in the input and reaches over its end.
    public let roundsUp: Bool

    fileprivate init(
        axes: Int, _ kernel: any SizePerAxis, _ stride: (any SizePerAxis)?, _ padding: any SizePerAxis,
        _ dilation: any SizePerAxis, _ roundsUp: Bool
    ) {
        self.kernel = kernel.sizes(axes)
        self.stride = (stride ?? kernel).sizes(axes)
        self.padding = padding.sizes(axes)
        self.dilation = dilation.sizes(axes)
        self.roundsUp = roundsUp
    }

    public func forward(_ input: Tensor) -> Tensor {
        input.maxPooled(kernel: kernel, stride: stride, padding: padding, dilation: dilation, roundsUp: roundsUp)
    }

    public override var signature: String { poolingDescription("\(type(of: self))", kernel, stride, padding) }
}

/// The mean of each window.
public class AvgPool: Module, Layer {
    /// The size of a window on each spatial axis.
    public let kernel: [Int]
    /// How far the window moves on each spatial axis.
    public let stride: [Int]
    /// Positions before and after the input on each spatial axis.
    public let padding: [Int]
    /// Whether padding counts as zeros in a mean, or not at all.
    public let countsPadding: Bool
    /// Whether there is a last window that begins in the input and reaches over its end.
    public let roundsUp: Bool

    fileprivate init(
        axes: Int, _ kernel: any SizePerAxis, _ stride: (any SizePerAxis)?, _ padding: any SizePerAxis,
        _ countsPadding: Bool, _ roundsUp: Bool
    ) {
        self.kernel = kernel.sizes(axes)
        self.stride = (stride ?? kernel).sizes(axes)
        self.padding = padding.sizes(axes)
        self.countsPadding = countsPadding
        self.roundsUp = roundsUp
    }

    public func forward(_ input: Tensor) -> Tensor {
        input.averagePooled(
            kernel: kernel, stride: stride, padding: padding, countsPadding: countsPadding, roundsUp: roundsUp)
    }

    public override var signature: String { poolingDescription("\(type(of: self))", kernel, stride, padding) }
}

/// The mean of each of a given number of parts of every channel, whatever its size.
public class AdaptiveAvgPool: Module, Layer {
    /// The number of parts on each spatial axis, which is its size in the output.
    public let sizes: [Int]

    fileprivate init(axes: Int, _ sizes: any SizePerAxis) { self.sizes = sizes.sizes(axes) }

    public func forward(_ input: Tensor) -> Tensor { input.adaptiveAveragePooled(to: sizes) }
    public override var signature: String { "\(type(of: self))(\(shortened(sizes)))" }
}

/// The largest element of each of a given number of parts of every channel, whatever its size.
public final class AdaptiveMaxPool2d: Module, Layer {
    /// The number of parts on each spatial axis, which is its size in the output.
    public let sizes: [Int]

    /// Makes as many parts as this: one number for both axes, or a list of height and width.
    public init(_ sizes: any SizePerAxis) { self.sizes = sizes.sizes(2) }

    public func forward(_ input: Tensor) -> Tensor { input.adaptiveMaxPooled(to: sizes) }
    public override var signature: String { "AdaptiveMaxPool2d(\(shortened(sizes)))" }
}

/// The mean of each channel: [batch, channels, axes...] to [batch, channels] (Lin et al. 2014).
public final class GlobalAveragePool: Module, Layer {
    public func forward(_ input: Tensor) -> Tensor {
        require(input.rank > 2, "GlobalAveragePool", "needs [batch, channels, axes...], not \(input.shape)")
        return input.mean([Int](2..<input.rank))
    }
}

/// The largest element of each window of [batch, channels, length].
public final class MaxPool1d: MaxPool {
    /// - Parameters:
    ///   - kernelSize: one number; so are the sizes below.
    ///   - stride: how far the window moves; the kernel's size unless given.
    ///   - padding: positions on both sides that are never the largest, at most half the kernel's size.
    ///   - dilation: distance between neighbouring elements of a window.
    ///   - roundsUp: adds a last window that reaches over the end (PyTorch's `ceil_mode`).
    public init(
        kernelSize: any SizePerAxis, stride: (any SizePerAxis)? = nil, padding: any SizePerAxis = 0,
        dilation: any SizePerAxis = 1, roundsUp: Bool = false
    ) { super.init(axes: 1, kernelSize, stride, padding, dilation, roundsUp) }
}

/// The largest element of each window of [batch, channels, height, width].
public final class MaxPool2d: MaxPool {
    /// - Parameters:
    ///   - kernelSize: one number for both axes, or a list of height and width; so are the sizes below.
    ///   - stride: how far the window moves; the kernel's size unless given.
    ///   - padding: positions on both sides that are never the largest, at most half the kernel's size.
    ///   - dilation: distance between neighbouring elements of a window.
    ///   - roundsUp: adds a last window that reaches over the end (PyTorch's `ceil_mode`).
    public init(
        kernelSize: any SizePerAxis, stride: (any SizePerAxis)? = nil, padding: any SizePerAxis = 0,
        dilation: any SizePerAxis = 1, roundsUp: Bool = false
    ) { super.init(axes: 2, kernelSize, stride, padding, dilation, roundsUp) }
}

/// The largest element of each window of [batch, channels, depth, height, width].
public final class MaxPool3d: MaxPool {
    /// - Parameters:
    ///   - kernelSize: one number for all axes, or a list of depth, height and width; so are the sizes below.
    ///   - stride: how far the window moves; the kernel's size unless given.
    ///   - padding: positions on both sides that are never the largest, at most half the kernel's size.
    ///   - dilation: distance between neighbouring elements of a window.
    ///   - roundsUp: adds a last window that reaches over the end (PyTorch's `ceil_mode`).
    public init(
        kernelSize: any SizePerAxis, stride: (any SizePerAxis)? = nil, padding: any SizePerAxis = 0,
        dilation: any SizePerAxis = 1, roundsUp: Bool = false
    ) { super.init(axes: 3, kernelSize, stride, padding, dilation, roundsUp) }
}

/// The mean of each window of [batch, channels, length].
public final class AvgPool1d: AvgPool {
    /// - Parameters:
    ///   - kernelSize: one number; so are the sizes below.
    ///   - stride: how far the window moves; the kernel's size unless given.
    ///   - padding: positions on both sides, at most half the kernel's size.
    ///   - countsPadding: whether padding counts as zeros, or not at all (PyTorch's `count_include_pad`).
    ///   - roundsUp: adds a last window that reaches over the end (PyTorch's `ceil_mode`).
    public init(
        kernelSize: any SizePerAxis, stride: (any SizePerAxis)? = nil, padding: any SizePerAxis = 0,
        countsPadding: Bool = true, roundsUp: Bool = false
    ) { super.init(axes: 1, kernelSize, stride, padding, countsPadding, roundsUp) }
}

/// The mean of each window of [batch, channels, height, width].
public final class AvgPool2d: AvgPool {
    /// - Parameters:
    ///   - kernelSize: one number for both axes, or a list of height and width; so are the sizes below.
    ///   - stride: how far the window moves; the kernel's size unless given.
    ///   - padding: positions on both sides, at most half the kernel's size.
    ///   - countsPadding: whether padding counts as zeros, or not at all (PyTorch's `count_include_pad`).
    ///   - roundsUp: adds a last window that reaches over the end (PyTorch's `ceil_mode`).
    public init(
        kernelSize: any SizePerAxis, stride: (any SizePerAxis)? = nil, padding: any SizePerAxis = 0,
        countsPadding: Bool = true, roundsUp: Bool = false
    ) { super.init(axes: 2, kernelSize, stride, padding, countsPadding, roundsUp) }
}

/// The mean of each window of [batch, channels, depth, height, width].
public final class AvgPool3d: AvgPool {
    /// - Parameters:
    ///   - kernelSize: one number for all axes, or a list of depth, height and width; so are the sizes below.
    ///   - stride: how far the window moves; the kernel's size unless given.
    ///   - padding: positions on both sides, at most half the kernel's size.
    ///   - countsPadding: whether padding counts as zeros, or not at all (PyTorch's `count_include_pad`).
    ///   - roundsUp: adds a last window that reaches over the end (PyTorch's `ceil_mode`).
    public init(
        kernelSize: any SizePerAxis, stride: (any SizePerAxis)? = nil, padding: any SizePerAxis = 0,
        countsPadding: Bool = true, roundsUp: Bool = false
    ) { super.init(axes: 3, kernelSize, stride, padding, countsPadding, roundsUp) }
}

/// The mean of each of `sizes` parts of [batch, channels, length].
public final class AdaptiveAvgPool1d: AdaptiveAvgPool {
    /// Makes as many parts of the length as this number.
    public init(_ sizes: any SizePerAxis) { super.init(axes: 1, sizes) }
}

/// The mean of each of `sizes` parts of [batch, channels, height, width].
public final class AdaptiveAvgPool2d: AdaptiveAvgPool {
    /// Makes as many parts as this: one number for both axes, or a list of height and width.
    public init(_ sizes: any SizePerAxis) { super.init(axes: 2, sizes) }
}

/// The mean of each of `sizes` parts of [batch, channels, depth, height, width].
public final class AdaptiveAvgPool3d: AdaptiveAvgPool {
    /// Makes as many parts as this: one number for all axes, or a list of depth, height and width.
    public init(_ sizes: any SizePerAxis) { super.init(axes: 3, sizes) }
}

private func pooledSizes(_ inputSizes: [Int]?, axes: Int, _ geometry: ([Int]) -> PoolingGeometry) -> [Int]? {
    guard let inputSizes, inputSizes.count == axes + 1 else { return nil }
    return inputSizes.prefix(1) + geometry([Int](inputSizes.dropFirst())).outputSizes
}

private func poolingDescription(_ name: String, _ kernel: [Int], _ stride: [Int], _ padding: [Int]) -> String {
    name + "(kernelSize: \(shortened(kernel))" + (stride == kernel ? "" : ", stride: \(shortened(stride))")
        + (padding.allSatisfy { $0 == 0 } ? ")" : ", padding: \(shortened(padding)))")
}

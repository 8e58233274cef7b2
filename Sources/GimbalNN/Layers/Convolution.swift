/// Slides a kernel over [batch, channels, axes...] (LeCun et al. 1989); `Conv1d`, `Conv2d` and `Conv3d` fix the axes.
public class Convolution: Module, Layer {
    /// The kernels, [outputs, inputs / groups, kernel...].
    public let weight: Parameter
    /// What is added to each output channel, [outputs]; nil without `hasBias`.
    public let bias: Parameter?
    /// Kernel, stride, padding and dilation on each spatial axis, and the number of groups. Of `.same` padding, what
    /// stands on both sides.
    public let geometry: ConvolutionGeometry
    /// Zeros behind each axis, beyond those that stand on both sides.
    private let paddingBehind: [Int]

    /// Number of spatial axes.
    class var axes: Int { stop("Convolution", "Conv1d, Conv2d or Conv3d says over how many axes") }

    /// - Parameters:
    ///   - inputs: channels of the input, divisible by `groups`.
    ///   - outputs: channels of the output, divisible by `groups`.
    ///   - kernelSize: one number for all spatial axes, or a list with one for each; so are the sizes below.
    ///   - stride: positions that the kernel moves on between neighbouring outputs.
    ///   - padding: zeros on both sides, or `.same` for as many as keep the input's size, which needs a stride of 1.
    ///   - dilation: distance between neighbouring elements of the kernel.
    ///   - groups: parts into which the channels are divided, each with kernels of its own.
    ///   - hasBias: whether a number is added to each output channel.
    ///   - weightInitializer: uniform in ±1/√(inputs / groups · kernel) unless given, as PyTorch's layer.
    ///   - biasInitializer: the same unless given.
    ///   - generator: what first values are drawn from.
    ///   - device: where the layer is made.
    public init(
        _ inputs: Int, _ outputs: Int, kernelSize: any SizePerAxis, stride: any SizePerAxis = 1,
        padding: some SizePerAxis, dilation: any SizePerAxis = 1, groups: Int = 1, hasBias: Bool = true,
        weightInitializer: Initializer? = nil, biasInitializer: Initializer? = nil,
        generator: RandomGenerator = .current, device: Device = .current
    ) {
        let (axes, name) = (Self.axes, "\(Self.self)")
        let (kernel, stride, dilation) = (kernelSize.sizes(axes), stride.sizes(axes), dilation.sizes(axes))
        var (paddingBefore, paddingBehind) = (0.sizes(axes), 0.sizes(axes))
        if padding is SamePadding {
            require(stride.allSatisfy { $0 == 1 }, name, "the padding `.same` needs a stride of 1, not \(stride)")
            for axis in 0..<axes {
                let zeros = dilation[axis] * (kernel[axis] - 1)
                (paddingBefore[axis], paddingBehind[axis]) = (zeros / 2, zeros % 2)
            }
        } else {
            paddingBefore = padding.sizes(axes)
        }
        self.paddingBehind = paddingBehind
        geometry = ConvolutionGeometry(
            kernel: kernel, stride: stride, padding: paddingBefore, dilation: dilation, groups: groups)
        (weight, bias) = kernelParameters(
            name, inputs, outputs, geometry, isTransposed: false, hasBias: hasBias, weightInitializer, biasInitializer,
            generator, device)
    }

    /// The same without padding: a default of the generic parameter would not be inherited.
    public convenience init(
        _ inputs: Int, _ outputs: Int, kernelSize: any SizePerAxis, stride: any SizePerAxis = 1,
        dilation: any SizePerAxis = 1, groups: Int = 1, hasBias: Bool = true, weightInitializer: Initializer? = nil,
        biasInitializer: Initializer? = nil, generator: RandomGenerator = .current, device: Device = .current
    ) {
        self.init(
            inputs, outputs, kernelSize: kernelSize, stride: stride, padding: 0, dilation: dilation, groups: groups,
            hasBias: hasBias, weightInitializer: weightInitializer, biasInitializer: biasInitializer,
            generator: generator, device: device)
    }

    public func forward(_ input: Tensor) -> Tensor {
        guard paddingBehind.contains(where: { $0 > 0 }) else {
            return input.convolved(weight: weight.value, bias: bias?.value, geometry)
        }
        require(input.rank == geometry.axes + 2, "\(type(of: self))", "an input of \(input.shape) has not the axes")
        let whole = input.padded([(0, 0), (0, 0)] + paddingBehind.map { (0, $0) })
        return whole.convolved(weight: weight.value, bias: bias?.value, geometry)
    }

    public override var signature: String {
        "\(type(of: self))(\(weight.shape[1] * geometry.groups), \(weight.shape[0]), \(geometry.summary)"
            + (bias == nil ? ", hasBias: false)" : ")")
    }
}

/// A convolution over [batch, channels, length].
public final class Conv1d: Convolution {
    override class var axes: Int { 1 }
}

/// A convolution over [batch, channels, height, width].
///
/// ```swift
/// let layer = Conv2d(3, 16, kernelSize: 3, padding: 1)
/// let y = layer(x)  // [64, 3, 32, 32] to [64, 16, 32, 32]
/// ```
public final class Conv2d: Convolution {
    override class var axes: Int { 2 }
}

/// A convolution over [batch, channels, depth, height, width].
public final class Conv3d: Convolution {
    override class var axes: Int { 3 }
}

/// The transposed convolution over [batch, channels, axes...]: it enlarges where `Convolution` shrinks
/// (Zeiler et al. 2010); `ConvTranspose1d`, `ConvTranspose2d` and `ConvTranspose3d` fix the axes.
public class TransposedConvolution: Module, Layer {
    /// The kernels, [inputs, outputs / groups, kernel...].
    public let weight: Parameter
    /// What is added to each output channel, [outputs]; nil without `hasBias`.
    public let bias: Parameter?
    /// Kernel, stride, padding and dilation on each spatial axis, and the number of groups, all of them those of the
    /// convolution that would shrink the output to the input.
    public let geometry: ConvolutionGeometry
    /// What is added to the size of each spatial axis, to choose among those that a convolution would shrink alike.
    public let outputPadding: [Int]

    /// Number of spatial axes.
    class var axes: Int {
        stop("TransposedConvolution", "ConvTranspose1d, ConvTranspose2d or ConvTranspose3d says over how many axes")
    }

    /// - Parameters:
    ///   - inputs: channels of the input, divisible by `groups`.
    ///   - outputs: channels of the output, divisible by `groups`.
    ///   - kernelSize: one number for all spatial axes, or a list with one for each; so are the sizes below.
    ///   - stride: positions between neighbouring elements of the input in the output.
    ///   - padding: elements left out on both sides of the output.
    ///   - outputPadding: added to the smallest size that a convolution would shrink to the input's.
    ///   - dilation: distance between neighbouring elements of the kernel.
    ///   - groups: parts into which the channels are divided, each with kernels of its own.
    ///   - hasBias: whether a number is added to each output channel.
    ///   - weightInitializer: uniform in ±1/√(outputs / groups · kernel) unless given, as PyTorch's layer.
    ///   - biasInitializer: the same unless given.
    ///   - generator: what first values are drawn from.
    ///   - device: where the layer is made.
    public init(
        _ inputs: Int, _ outputs: Int, kernelSize: any SizePerAxis, stride: any SizePerAxis = 1,
        padding: any SizePerAxis = 0, outputPadding: any SizePerAxis = 0, dilation: any SizePerAxis = 1,
        groups: Int = 1, hasBias: Bool = true, weightInitializer: Initializer? = nil,
        biasInitializer: Initializer? = nil, generator: RandomGenerator = .current, device: Device = .current
    ) {
        let axes = Self.axes
        geometry = ConvolutionGeometry(
            kernel: kernelSize.sizes(axes), stride: stride.sizes(axes), padding: padding.sizes(axes),
            dilation: dilation.sizes(axes), groups: groups)
        self.outputPadding = outputPadding.sizes(axes)
        (weight, bias) = kernelParameters(
            "\(Self.self)", inputs, outputs, geometry, isTransposed: true, hasBias: hasBias, weightInitializer,
            biasInitializer, generator, device)
    }

    public func forward(_ input: Tensor) -> Tensor {
        input.transposedConvolved(
            weight: weight.value, bias: bias?.value, geometry, outputPadding: outputPadding)
    }

    public override var signature: String {
        "\(type(of: self))(\(weight.shape[0]), \(weight.shape[1] * geometry.groups), \(geometry.summary)"
            + (outputPadding.allSatisfy { $0 == 0 } ? "" : ", outputPadding: \(shortened(outputPadding))")
            + (bias == nil ? ", hasBias: false)" : ")")
    }
}

/// The transposed convolution over [batch, channels, length]: it enlarges where `Conv1d` shrinks (Zeiler et al. 2010).
public final class ConvTranspose1d: TransposedConvolution {
    override class var axes: Int { 1 }
}

/// The transposed convolution over [batch, channels, height, width]: it enlarges where `Conv2d` shrinks (Zeiler et al. 2010).
public final class ConvTranspose2d: TransposedConvolution {
    override class var axes: Int { 2 }
}

/// The transposed convolution over [batch, channels, depth, height, width]: it enlarges where `Conv3d` shrinks (Zeiler et al. 2010).
public final class ConvTranspose3d: TransposedConvolution {
    override class var axes: Int { 3 }
}

/// Weight and bias of a convolution. PyTorch's He initialisation with a = √5 comes to ±1/√fanIn.
private func kernelParameters(
    _ name: String, _ inputs: Int, _ outputs: Int, _ geometry: ConvolutionGeometry, isTransposed: Bool, hasBias: Bool,
    _ weightInitializer: Initializer?, _ biasInitializer: Initializer?, _ generator: RandomGenerator, _ device: Device
) -> (weight: Parameter, bias: Parameter?) {
    let groups = geometry.groups
    require(
        inputs > 0 && outputs > 0 && inputs % groups == 0 && outputs % groups == 0, name,
        "\(inputs) and \(outputs) channels cannot be divided into \(groups) groups")
    let channels = isTransposed ? [inputs, outputs / groups] : [outputs, inputs / groups]
    let shape = Shape(channels + geometry.kernel)
    let bound = 1 / Double(shape.sizes.dropFirst().reduce(1, *)).squareRoot()
    let standard = Initializer.uniform(low: -bound, high: bound)
    let weight = Parameter((weightInitializer ?? standard).make(shape, generator: generator, device: device))
    guard hasBias else { return (weight, nil) }
    return (weight, Parameter((biasInitializer ?? standard).make([outputs], generator: generator, device: device)))
}

extension ConvolutionGeometry {
    /// What differs from the defaults, for descriptions.
    fileprivate var summary: String {
        "kernelSize: \(shortened(kernel))" + (stride.allSatisfy { $0 == 1 } ? "" : ", stride: \(shortened(stride))")
            + (padding.allSatisfy { $0 == 0 } ? "" : ", padding: \(shortened(padding))")
            + (dilation.allSatisfy { $0 == 1 } ? "" : ", dilation: \(shortened(dilation))")
            + (groups == 1 ? "" : ", groups: \(groups)")
    }
}

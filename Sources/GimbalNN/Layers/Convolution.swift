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

    init(
        _ name: String, axes: Int, _ inputs: Int, _ outputs: Int, kernelSize: any SizePerAxis,
        stride: any SizePerAxis, padding: any SizePerAxis, dilation: any SizePerAxis, groups: Int, hasBias: Bool,
        weightInitializer: Initializer?, biasInitializer: Initializer?, generator: RandomGenerator, device: Device
    ) {
        let (kernel, stride, dilation) = (kernelSize.sizes(axes), stride.sizes(axes), dilation.sizes(axes))
        var padding = padding.sizes(axes)
        var paddingBehind = [Int](repeating: 0, count: axes)
        if padding == SamePadding().sizes(axes) {
            require(stride.allSatisfy { $0 == 1 }, name, "the padding `.same` needs a stride of 1, not \(stride)")
            for axis in 0..<axes {
                let zeros = dilation[axis] * (kernel[axis] - 1)
                (padding[axis], paddingBehind[axis]) = (zeros / 2, zeros % 2)
            }
        }
        self.paddingBehind = paddingBehind
        geometry = ConvolutionGeometry(
            kernel: kernel, stride: stride, padding: padding, dilation: dilation, groups: groups)
        require(
            inputs > 0 && outputs > 0 && inputs % groups == 0 && outputs % groups == 0, name,
            "\(inputs) and \(outputs) channels cannot be divided into \(groups) groups")
        (weight, bias) = kernelParameters(
            Shape([outputs, inputs / groups] + geometry.kernel), outputs: outputs, hasBias: hasBias,
            weightInitializer, biasInitializer, generator, device)
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
    /// - Parameters:
    ///   - inputs: channels of the input, divisible by `groups`.
    ///   - outputs: channels of the output, divisible by `groups`.
    ///   - kernelSize: one number; so are the sizes below.
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
        padding: some SizePerAxis = 0, dilation: any SizePerAxis = 1, groups: Int = 1, hasBias: Bool = true,
        weightInitializer: Initializer? = nil, biasInitializer: Initializer? = nil,
        generator: RandomGenerator = .current, device: Device = .current
    ) {
        super.init(
            "Conv1d", axes: 1, inputs, outputs, kernelSize: kernelSize, stride: stride, padding: padding,
            dilation: dilation, groups: groups, hasBias: hasBias, weightInitializer: weightInitializer,
            biasInitializer: biasInitializer, generator: generator, device: device)
    }
}

/// A convolution over [batch, channels, height, width].
///
/// ```swift
/// let layer = Conv2d(3, 16, kernelSize: 3, padding: 1)
/// let y = layer(x)  // [64, 3, 32, 32] to [64, 16, 32, 32]
/// ```
public final class Conv2d: Convolution {
    /// - Parameters:
    ///   - inputs: channels of the input, divisible by `groups`.
    ///   - outputs: channels of the output, divisible by `groups`.
    ///   - kernelSize: one number for both axes, or a list of height and width; so are the sizes below.
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
        padding: some SizePerAxis = 0, dilation: any SizePerAxis = 1, groups: Int = 1, hasBias: Bool = true,
        weightInitializer: Initializer? = nil, biasInitializer: Initializer? = nil,
        generator: RandomGenerator = .current, device: Device = .current
    ) {
        super.init(
            "Conv2d", axes: 2, inputs, outputs, kernelSize: kernelSize, stride: stride, padding: padding,
            dilation: dilation, groups: groups, hasBias: hasBias, weightInitializer: weightInitializer,
            biasInitializer: biasInitializer, generator: generator, device: device)
    }
}

/// A convolution over [batch, channels, depth, height, width].
public final class Conv3d: Convolution {
    /// - Parameters:
    ///   - inputs: channels of the input, divisible by `groups`.
    ///   - outputs: channels of the output, divisible by `groups`.
    ///   - kernelSize: one number for all axes, or a list of depth, height and width; so are the sizes below.
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
        padding: some SizePerAxis = 0, dilation: any SizePerAxis = 1, groups: Int = 1, hasBias: Bool = true,
        weightInitializer: Initializer? = nil, biasInitializer: Initializer? = nil,
        generator: RandomGenerator = .current, device: Device = .current
    ) {
        super.init(
            "Conv3d", axes: 3, inputs, outputs, kernelSize: kernelSize, stride: stride, padding: padding,
            dilation: dilation, groups: groups, hasBias: hasBias, weightInitializer: weightInitializer,
            biasInitializer: biasInitializer, generator: generator, device: device)
    }
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

    init(
        _ name: String, axes: Int, _ inputs: Int, _ outputs: Int, kernelSize: any SizePerAxis,
        stride: any SizePerAxis, padding: any SizePerAxis, outputPadding: any SizePerAxis,
        dilation: any SizePerAxis, groups: Int, hasBias: Bool, weightInitializer: Initializer?,
        biasInitializer: Initializer?, generator: RandomGenerator, device: Device
    ) {
        geometry = ConvolutionGeometry(
            kernel: kernelSize.sizes(axes), stride: stride.sizes(axes), padding: padding.sizes(axes),
            dilation: dilation.sizes(axes), groups: groups)
        self.outputPadding = outputPadding.sizes(axes)
        require(
            inputs > 0 && outputs > 0 && inputs % groups == 0 && outputs % groups == 0, name,
            "\(inputs) and \(outputs) channels cannot be divided into \(groups) groups")
        (weight, bias) = kernelParameters(
            Shape([inputs, outputs / groups] + geometry.kernel), outputs: outputs, hasBias: hasBias,
            weightInitializer, biasInitializer, generator, device)
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
    /// - Parameters:
    ///   - inputs: channels of the input, divisible by `groups`.
    ///   - outputs: channels of the output, divisible by `groups`.
    ///   - kernelSize: one number; so are the sizes below.
    ///   - stride: positions that the kernel moves on, in the output, between neighbouring elements of the input.
    ///   - padding: elements left out on both sides of the output.
    ///   - outputPadding: added to the smallest size that a `Conv1d` would shrink to the input's.
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
        super.init(
            "ConvTranspose1d", axes: 1, inputs, outputs, kernelSize: kernelSize, stride: stride, padding: padding,
            outputPadding: outputPadding, dilation: dilation, groups: groups, hasBias: hasBias,
            weightInitializer: weightInitializer, biasInitializer: biasInitializer, generator: generator,
            device: device)
    }
}

/// The transposed convolution over [batch, channels, height, width]: it enlarges where `Conv2d` shrinks
/// (Zeiler et al. 2010).
public final class ConvTranspose2d: TransposedConvolution {
    /// - Parameters:
    ///   - inputs: channels of the input, divisible by `groups`.
    ///   - outputs: channels of the output, divisible by `groups`.
    ///   - kernelSize: one number for both axes, or a list of height and width; so are the sizes below.
    ///   - stride: positions that the kernel moves on, in the output, between neighbouring elements of the input.
    ///   - padding: elements left out on both sides of the output.
    ///   - outputPadding: added to the smallest size that a `Conv2d` would shrink to the input's.
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
        super.init(
            "ConvTranspose2d", axes: 2, inputs, outputs, kernelSize: kernelSize, stride: stride, padding: padding,
            outputPadding: outputPadding, dilation: dilation, groups: groups, hasBias: hasBias,
            weightInitializer: weightInitializer, biasInitializer: biasInitializer, generator: generator,
            device: device)
    }
}

/// The transposed convolution over [batch, channels, depth, height, width]: it enlarges where `Conv3d` shrinks
/// (Zeiler et al. 2010).
public final class ConvTranspose3d: TransposedConvolution {
    /// - Parameters:
    ///   - inputs: channels of the input, divisible by `groups`.
    ///   - outputs: channels of the output, divisible by `groups`.
    ///   - kernelSize: one number for all axes, or a list of depth, height and width; so are the sizes below.
    ///   - stride: positions that the kernel moves on, in the output, between neighbouring elements of the input.
    ///   - padding: elements left out on both sides of the output.
    ///   - outputPadding: added to the smallest size that a `Conv3d` would shrink to the input's.
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
        super.init(
            "ConvTranspose3d", axes: 3, inputs, outputs, kernelSize: kernelSize, stride: stride, padding: padding,
            outputPadding: outputPadding, dilation: dilation, groups: groups, hasBias: hasBias,
            weightInitializer: weightInitializer, biasInitializer: biasInitializer, generator: generator,
            device: device)
    }
}

/// Weight and bias of a convolution. PyTorch's He initialisation with a = √5 comes to ±1/√fanIn.
private func kernelParameters(
    _ shape: Shape, outputs: Int, hasBias: Bool, _ weightInitializer: Initializer?, _ biasInitializer: Initializer?,
    _ generator: RandomGenerator, _ device: Device
) -> (weight: Parameter, bias: Parameter?) {
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

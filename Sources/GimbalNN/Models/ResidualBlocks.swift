/// What the shortcut of a residual block does where size or channels change; elsewhere it is the identity.
public enum Shortcut: String, Sendable, CaseIterable {
    /// A 1x1 convolution with batch normalisation (option B of He et al. 2016).
    case projection
    /// Every second position, and zeros for the new channels (option A): no parameters.
    case identity
}

/// relu(bn2(conv2(relu(bn1(conv1(x))))) + shortcut(x)) (He et al. 2016, figure 5 left).
public final class BasicBlock: Module, Layer {
    /// A 3x3 convolution, with the stride of the block.
    public let conv1: Conv2d
    /// The normalisation after `conv1`, before rectification.
    public let bn1: BatchNorm2d
    /// A 3x3 convolution that keeps size and channels.
    public let conv2: Conv2d
    /// The normalisation after `conv2`, before the shortcut is added.
    public let bn2: BatchNorm2d
    /// Adapts the input to the output where size or channels change; nil elsewhere, and in networks without shortcuts.
    public let downsample: (any TensorLayer)?
    /// Whether the shortcut is added; false in the plain networks of the paper.
    public let isResidual: Bool

    init(_ make: ResidualMaker, _ inputs: Int, _ outputs: Int, stride: Int) {
        conv1 = make.convolution(inputs, outputs, kernel: 3, stride: stride)
        bn1 = BatchNorm2d(outputs, device: make.device)
        conv2 = make.convolution(outputs, outputs, kernel: 3)
        bn2 = make.lastNormalization(outputs)
        downsample = make.downsample(inputs, outputs, stride: stride)
        isResidual = make.shortcut != nil
    }

    public func forward(_ input: Tensor) -> Tensor {
        let change = conv2(bn1.rectified(conv1(input)))
        return bn2.rectified(change, adding: isResidual ? downsample?(input) ?? input : nil)
    }

    public override var signature: String { residualDescription("BasicBlock", conv1, conv2, isResidual) }
}

/// 1x1, 3x3 and 1x1 convolutions, the last with four times the channels, around the shortcut (He et al. 2016, figure 5
/// right). The stride is in the 3x3 convolution, as torchvision has it.
public final class Bottleneck: Module, Layer {
    /// How many channels the output has for each of the inner ones.
    public static let expansion = 4

    /// A 1x1 convolution to the inner channels.
    public let conv1: Conv2d
    /// The normalisation after `conv1`, before rectification.
    public let bn1: BatchNorm2d
    /// A 3x3 convolution of the inner channels, with the stride of the block.
    public let conv2: Conv2d
    /// The normalisation after `conv2`, before rectification.
    public let bn2: BatchNorm2d
    /// A 1x1 convolution to `expansion` times the inner channels.
    public let conv3: Conv2d
    /// The normalisation after `conv3`, before the shortcut is added.
    public let bn3: BatchNorm2d
    /// Adapts the input to the output where size or channels change; nil elsewhere, and in networks without shortcuts.
    public let downsample: (any TensorLayer)?
    /// Whether the shortcut is added; false in the plain networks of the paper.
    public let isResidual: Bool

    init(_ make: ResidualMaker, _ inputs: Int, _ width: Int, stride: Int) {
        let outputs = width * Bottleneck.expansion
        conv1 = make.convolution(inputs, width, kernel: 1)
        bn1 = BatchNorm2d(width, device: make.device)
        conv2 = make.convolution(width, width, kernel: 3, stride: stride)
        bn2 = BatchNorm2d(width, device: make.device)
        conv3 = make.convolution(width, outputs, kernel: 1)
        bn3 = make.lastNormalization(outputs)
        downsample = make.downsample(inputs, outputs, stride: stride)
        isResidual = make.shortcut != nil
    }

    public func forward(_ input: Tensor) -> Tensor {
        let change = conv3(bn2.rectified(conv2(bn1.rectified(conv1(input)))))
        return bn3.rectified(change, adding: isResidual ? downsample?(input) ?? input : nil)
    }

    public override var signature: String { residualDescription("Bottleneck", conv1, conv3, isResidual) }
}

private func residualDescription(_ name: String, _ first: Conv2d, _ last: Conv2d, _ isResidual: Bool) -> String {
    "\(name)(\(first.weight.shape[1]), \(last.weight.shape[0])\(isResidual ? "" : ", isResidual: false"))"
}

/// Every `stride`-th position of [batch, channels, height, width], with zeros for the channels that are new.
final class ZeroPaddedShortcut: Module, Layer {
    let outputs: Int
    let stride: Int

    init(outputs: Int, stride: Int) {
        self.outputs = outputs
        self.stride = stride
    }

    func forward(_ input: Tensor) -> Tensor {
        let thinned = stride == 1 ? input : input.averagePooled(kernel: [1, 1], stride: [stride, stride])
        var missing = thinned.shape
        missing[1] = outputs - missing[1]
        if missing[1] == 0 { return thinned }
        let zeros = Tensor(repeating: 0, missing, dtype: input.dtype, device: input.device)
        return Tensor.concatenated([thinned, zeros], axis: 1)
    }
}

/// Makes the parts of residual networks by one set of choices.
struct ResidualMaker {
    /// Nil for networks without shortcuts.
    var shortcut: Shortcut?
    var startsAsIdentity: Bool
    var generator: RandomGenerator
    var device: Device

    /// A convolution that keeps the size but for its stride, without bias, by He et al. (2015) over its outputs.
    func convolution(_ inputs: Int, _ outputs: Int, kernel: Int, stride: Int = 1) -> Conv2d {
        Conv2d(
            inputs, outputs, kernelSize: kernel, stride: stride, padding: kernel / 2, hasBias: false,
            weightInitializer: .heNormal(fan: .output), generator: generator, device: device)
    }

    /// The last normalisation of a branch.
    func lastNormalization(_ channels: Int) -> BatchNorm2d {
        let layer = BatchNorm2d(channels, device: device)
        if startsAsIdentity { layer.weight?.assign(.zeros([channels], device: device)) }
        return layer
    }

    func downsample(_ inputs: Int, _ outputs: Int, stride: Int) -> (any TensorLayer)? {
        guard let shortcut, stride != 1 || inputs != outputs else { return nil }
        switch shortcut {
        case .identity: return ZeroPaddedShortcut(outputs: outputs, stride: stride)
        case .projection:
            return Sequential([
                convolution(inputs, outputs, kernel: 1, stride: stride), BatchNorm2d(outputs, device: device),
            ])
        }
    }

    /// `count` blocks, the first with the stride; `inputs` become the channels of its output.
    func stage(_ block: ResNet.Block, _ count: Int, _ inputs: inout Int, _ width: Int, stride: Int) -> Sequential {
        var blocks: [any TensorLayer] = []
        for index in 0..<count {
            let stride = index == 0 ? stride : 1
            switch block {
            case .basic:
                blocks.append(BasicBlock(self, inputs, width, stride: stride))
                inputs = width
            case .bottleneck:
                blocks.append(Bottleneck(self, inputs, width, stride: stride))
                inputs = width * Bottleneck.expansion
            }
        }
        return Sequential(blocks)
    }
}

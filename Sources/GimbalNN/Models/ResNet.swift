/// A residual network for large images (He et al. 2016, table 1), with torchvision's names, so that its weights load.
///
/// ```swift
/// let model = ResNet.resNet18(classes: 1000)
/// try model.load(from: "resnet18.safetensors")
/// ```
/// Its input is [batch, channels, height, width], its output [batch, classes].
public final class ResNet: Module, Layer {
    /// The 7x7 convolution at the start, with a stride of 2.
    public let conv1: Conv2d
    /// The normalisation after `conv1`; rectification and 3x3 maximum pooling with a stride of 2 follow.
    public let bn1: BatchNorm2d
    /// The first stage: `width` channels (with bottlenecks 4 · width), a quarter of the input's height and width.
    public let layer1: Sequential
    /// The second stage: twice the channels of the first, an eighth of the input's height and width.
    public let layer2: Sequential
    /// The third stage: twice the channels of the second, a sixteenth of the input's height and width.
    public let layer3: Sequential
    /// The last stage: twice the channels of the third, a 32nd of the input's height and width.
    public let layer4: Sequential
    /// The head on the mean over height and width; may be replaced for other classes.
    public var fc: Linear
    private let relu = ReLU()
    private let maxpool = MaxPool2d(kernelSize: 3, stride: 2, padding: 1)
    private let avgpool = GlobalAveragePool()

    /// What the stages are made of.
    public enum Block: Sendable {
        /// Two convolutions of 3x3.
        case basic
        /// 1x1, 3x3 and 1x1, the last with four times the channels.
        case bottleneck
    }

    /// A network with weights as they are drawn, not trained: convolutions by He et al. (2015) over their outputs.
    /// - Parameters:
    ///   - block: what the stages are made of.
    ///   - blocks: how many blocks each of the four stages has.
    ///   - classes: features of the output.
    ///   - channels: channels of the input.
    ///   - width: channels of the first stage; each later one has twice those of the one before.
    ///   - isResidual: whether the blocks have shortcuts; without, this is the plain network of the paper.
    ///   - startsAsIdentity: whether the last normalisation of each branch begins with a scale of 0, so that every
    ///     block begins as its shortcut (Goyal et al. 2017).
    ///   - generator: draws the weights.
    ///   - device: where the parameters lie.
    public init(
        _ block: Block, blocks: [Int], classes: Int = 1000, channels: Int = 3, width: Int = 64,
        isResidual: Bool = true, startsAsIdentity: Bool = false, generator: RandomGenerator = .current,
        device: Device = .current
    ) {
        require(blocks.count == 4 && blocks.allSatisfy { $0 > 0 }, "ResNet", "needs four stages, not \(blocks)")
        let make = ResidualMaker(
            shortcut: isResidual ? .projection : nil, startsAsIdentity: startsAsIdentity, generator: generator,
            device: device)
        conv1 = make.convolution(channels, width, kernel: 7, stride: 2)
        bn1 = BatchNorm2d(width, device: device)
        var inputs = width
        let stages = blocks.enumerated().map { stage, count in
            make.stage(block, count, &inputs, width << stage, stride: stage == 0 ? 1 : 2)
        }
        (layer1, layer2, layer3, layer4) = (stages[0], stages[1], stages[2], stages[3])
        fc = Linear(inputs, classes, generator: generator, device: device)
    }

    public func forward(_ input: Tensor) -> Tensor {
        let stem = maxpool(relu(bn1(conv1(input))))
        return fc(avgpool(layer4(layer3(layer2(layer1(stem))))))
    }

    /// The network of 18 layers, with 2 basic blocks in each stage.
    public static func resNet18(
        classes: Int = 1000, channels: Int = 3, width: Int = 64, isResidual: Bool = true,
        startsAsIdentity: Bool = false, generator: RandomGenerator = .current, device: Device = .current
    ) -> ResNet {
        ResNet(
            .basic, blocks: [2, 2, 2, 2], classes: classes, channels: channels, width: width,
            isResidual: isResidual, startsAsIdentity: startsAsIdentity, generator: generator, device: device)
    }

    /// The network of 34 layers, with 3, 4, 6 and 3 basic blocks.
    public static func resNet34(
        classes: Int = 1000, channels: Int = 3, width: Int = 64, isResidual: Bool = true,
        startsAsIdentity: Bool = false, generator: RandomGenerator = .current, device: Device = .current
    ) -> ResNet {
        ResNet(
            .basic, blocks: [3, 4, 6, 3], classes: classes, channels: channels, width: width,
            isResidual: isResidual, startsAsIdentity: startsAsIdentity, generator: generator, device: device)
    }

    /// The network of 50 layers, with 3, 4, 6 and 3 bottlenecks, their stride in the 3x3 convolutions as
    /// torchvision has it.
    public static func resNet50(
        classes: Int = 1000, channels: Int = 3, width: Int = 64, isResidual: Bool = true,
        startsAsIdentity: Bool = false, generator: RandomGenerator = .current, device: Device = .current
    ) -> ResNet {
        ResNet(
            .bottleneck, blocks: [3, 4, 6, 3], classes: classes, channels: channels, width: width,
            isResidual: isResidual, startsAsIdentity: startsAsIdentity, generator: generator, device: device)
    }
}

/// A residual network for small images such as CIFAR's (He et al. 2016, section 4.2): a 3x3 convolution, three stages
/// of n basic blocks with 16, 32 and 64 channels, and a linear layer; 6n + 2 layers in all.
public final class SmallResNet: Module, Layer {
    /// The 3x3 convolution at the start, which keeps the size.
    public let conv1: Conv2d
    /// The normalisation after `conv1`, before rectification.
    public let bn1: BatchNorm2d
    /// The first stage: `width` channels at the input's height and width.
    public let layer1: Sequential
    /// The second stage: twice `width` channels, half the input's height and width.
    public let layer2: Sequential
    /// The last stage: four times `width` channels, a quarter of the input's height and width.
    public let layer3: Sequential
    /// The head on the mean over height and width; may be replaced for other classes.
    public var fc: Linear
    private let relu = ReLU()
    private let avgpool = GlobalAveragePool()

    /// A network with weights as they are drawn, not trained: convolutions by He et al. (2015) over their outputs.
    /// - Parameters:
    ///   - depth: 6n + 2 for n blocks in each stage: 20, 32, 44, 56, 110, …
    ///   - classes: features of the output.
    ///   - channels: channels of the input.
    ///   - width: channels of the first stage; each later one has twice those of the one before.
    ///   - shortcut: what the shortcut does where size or channels change.
    ///   - isResidual: whether the blocks have shortcuts; without, this is the plain network of the paper.
    ///   - startsAsIdentity: whether the last normalisation of each branch begins with a scale of 0, so that every
    ///     block begins as its shortcut (Goyal et al. 2017).
    ///   - generator: draws the weights.
    ///   - device: where the parameters lie.
    public init(
        depth: Int, classes: Int = 10, channels: Int = 3, width: Int = 16, shortcut: Shortcut = .projection,
        isResidual: Bool = true, startsAsIdentity: Bool = false, generator: RandomGenerator = .current,
        device: Device = .current
    ) {
        require(depth >= 8 && depth % 6 == 2, "SmallResNet", "a depth of 6n + 2, not \(depth)")
        let make = ResidualMaker(
            shortcut: isResidual ? shortcut : nil, startsAsIdentity: startsAsIdentity, generator: generator,
            device: device)
        conv1 = make.convolution(channels, width, kernel: 3)
        bn1 = BatchNorm2d(width, device: device)
        var inputs = width
        let stages = (0..<3).map { stage in
            make.stage(.basic, (depth - 2) / 6, &inputs, width << stage, stride: stage == 0 ? 1 : 2)
        }
        (layer1, layer2, layer3) = (stages[0], stages[1], stages[2])
        fc = Linear(inputs, classes, generator: generator, device: device)
    }

    public func forward(_ input: Tensor) -> Tensor {
        fc(avgpool(layer3(layer2(layer1(relu(bn1(conv1(input))))))))
    }
}

extension SmallResNet {
    /// The network of 20 layers, 3 blocks in each stage: about 0.27 million parameters.
    public static func resNet20(classes: Int = 10, channels: Int = 3, shortcut: Shortcut = .projection) -> SmallResNet {
        SmallResNet(depth: 20, classes: classes, channels: channels, shortcut: shortcut)
    }

    /// The network of 32 layers, 5 blocks in each stage: about 0.47 million parameters.
    public static func resNet32(classes: Int = 10, channels: Int = 3, shortcut: Shortcut = .projection) -> SmallResNet {
        SmallResNet(depth: 32, classes: classes, channels: channels, shortcut: shortcut)
    }

    /// The network of 44 layers, 7 blocks in each stage: about 0.66 million parameters.
    public static func resNet44(classes: Int = 10, channels: Int = 3, shortcut: Shortcut = .projection) -> SmallResNet {
        SmallResNet(depth: 44, classes: classes, channels: channels, shortcut: shortcut)
    }

    /// The network of 56 layers, 9 blocks in each stage: about 0.86 million parameters.
    public static func resNet56(classes: Int = 10, channels: Int = 3, shortcut: Shortcut = .projection) -> SmallResNet {
        SmallResNet(depth: 56, classes: classes, channels: channels, shortcut: shortcut)
    }

    /// The network of 110 layers, 18 blocks in each stage: about 1.7 million parameters.
    public static func resNet110(classes: Int = 10, channels: Int = 3, shortcut: Shortcut = .projection) -> SmallResNet
    {
        SmallResNet(depth: 110, classes: classes, channels: channels, shortcut: shortcut)
    }
}

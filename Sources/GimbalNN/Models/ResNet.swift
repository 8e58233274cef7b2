/// A residual network for large images (He et al. 2016, table 1), with torchvision's names, so that its weights load.
///
/// ```swift
/// let model = ResNet.resNet18(classes: 1000)
/// try model.load(from: "resnet18.safetensors")
/// ```
/// Its input is [batch, channels, height, width], its output [batch, classes].
public final class ResNet: Module, Layer {
    public let conv1: Conv2d
    public let bn1: BatchNorm2d
    public let layer1: Sequential
    public let layer2: Sequential
    public let layer3: Sequential
    public let layer4: Sequential
    /// The head, which may be replaced for other classes.
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

    /// - Parameters:
    ///   - blocks: how many blocks each of the four stages has.
    ///   - width: channels of the first stage; each later one has twice those of the one before.
    ///   - isResidual: without, the blocks have no shortcuts: the plain network of the paper.
    ///   - startsAsIdentity: whether the last normalisation of each branch begins with a scale of 0, so that every block
    ///     begins as its shortcut (Goyal et al. 2017).
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

    /// 18 layers of basic blocks.
    public static func resNet18(
        classes: Int = 1000, channels: Int = 3, width: Int = 64, startsAsIdentity: Bool = false,
        generator: RandomGenerator = .current, device: Device = .current
    ) -> ResNet {
        ResNet(
            .basic, blocks: [2, 2, 2, 2], classes: classes, channels: channels, width: width,
            startsAsIdentity: startsAsIdentity, generator: generator, device: device)
    }

    /// 34 layers of basic blocks.
    public static func resNet34(
        classes: Int = 1000, channels: Int = 3, width: Int = 64, startsAsIdentity: Bool = false,
        generator: RandomGenerator = .current, device: Device = .current
    ) -> ResNet {
        ResNet(
            .basic, blocks: [3, 4, 6, 3], classes: classes, channels: channels, width: width,
            startsAsIdentity: startsAsIdentity, generator: generator, device: device)
    }

    /// 50 layers of bottleneck blocks, with the stride in their 3x3 convolutions as torchvision has it.
    public static func resNet50(
        classes: Int = 1000, channels: Int = 3, width: Int = 64, startsAsIdentity: Bool = false,
        generator: RandomGenerator = .current, device: Device = .current
    ) -> ResNet {
        ResNet(
            .bottleneck, blocks: [3, 4, 6, 3], classes: classes, channels: channels, width: width,
            startsAsIdentity: startsAsIdentity, generator: generator, device: device)
    }
}

/// A residual network for small images such as CIFAR's (He et al. 2016, section 4.2): a 3x3 convolution, three stages of
/// n basic blocks with 16, 32 and 64 channels, and a linear layer; 6n + 2 layers in all.
public final class SmallResNet: Module, Layer {
    public let conv1: Conv2d
    public let bn1: BatchNorm2d
    public let layer1: Sequential
    public let layer2: Sequential
    public let layer3: Sequential
    /// The head, which may be replaced for other classes.
    public var fc: Linear
    private let relu = ReLU()
    private let avgpool = GlobalAveragePool()

    /// - Parameters:
    ///   - depth: 6n + 2 for n blocks in each stage: 20, 32, 44, 56, 110, …
    ///   - width: channels of the first stage; each later one has twice those of the one before.
    ///   - shortcut: what the shortcut does where size or channels change.
    ///   - isResidual: without, the blocks have no shortcuts: the plain network of the paper.
    ///   - startsAsIdentity: whether the last normalisation of each branch begins with a scale of 0, so that every block
    ///     begins as its shortcut (Goyal et al. 2017).
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
    public static func resNet20(classes: Int = 10, channels: Int = 3, shortcut: Shortcut = .projection) -> SmallResNet {
        SmallResNet(depth: 20, classes: classes, channels: channels, shortcut: shortcut)
    }
    public static func resNet32(classes: Int = 10, channels: Int = 3, shortcut: Shortcut = .projection) -> SmallResNet {
        SmallResNet(depth: 32, classes: classes, channels: channels, shortcut: shortcut)
    }
    public static func resNet44(classes: Int = 10, channels: Int = 3, shortcut: Shortcut = .projection) -> SmallResNet {
        SmallResNet(depth: 44, classes: classes, channels: channels, shortcut: shortcut)
    }
    public static func resNet56(classes: Int = 10, channels: Int = 3, shortcut: Shortcut = .projection) -> SmallResNet {
        SmallResNet(depth: 56, classes: classes, channels: channels, shortcut: shortcut)
    }
    public static func resNet110(classes: Int = 10, channels: Int = 3, shortcut: Shortcut = .projection) -> SmallResNet
    {
        SmallResNet(depth: 110, classes: classes, channels: channels, shortcut: shortcut)
    }
}

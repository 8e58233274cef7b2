import GimbalTrain

/// The nets of `gimbal bench` that GimbalNN has no models of.
enum NetModels {
    /// Linear layers of these widths with rectification between.
    static func mlp(_ widths: [Int]) -> Sequential {
        var layers: [any TensorLayer] = []
        for (inputs, outputs) in zip(widths, widths.dropFirst()) {
            if !layers.isEmpty { layers.append(ReLU()) }
            layers.append(Linear(inputs, outputs))
        }
        return Sequential(layers)
    }

    /// Pairs of 3x3 convolutions with 64, 128 and 256 channels, each pair before a pooling (Simonyan and Zisserman 2015),
    /// for 3x32x32.
    static func vgg() -> Sequential {
        var layers: [any TensorLayer] = []
        for (inputs, outputs) in [(3, 64), (64, 128), (128, 256)] {
            layers += convolved(inputs, outputs) + convolved(outputs, outputs) + [MaxPool2d(kernelSize: 2)]
        }
        return Sequential(layers + [Flatten(), Linear(256 * 4 * 4, 10)])
    }

    /// Depthwise separable convolutions (Howard et al. 2017), seven of them.
    static func mobileNet() -> Sequential {
        var layers = convolved(3, 32, stride: 2)
        let sizes = [
            (32, 64, 1), (64, 128, 2), (128, 128, 1), (128, 256, 2), (256, 256, 1), (256, 512, 2), (512, 512, 1),
        ]
        for (inputs, outputs, stride) in sizes {
            layers += convolved(inputs, inputs, stride: stride, groups: inputs) + convolved(inputs, outputs, kernel: 1)
        }
        return Sequential(layers + [GlobalAveragePool(), Linear(512, 100)])
    }

    /// Two convolutions and three linear layers (LeCun et al. 1998), rectified, for 1x28x28.
    static func leNet() -> Sequential {
        Sequential {
            Conv2d(1, 6, kernelSize: 5, padding: 2)
            ReLU()
            MaxPool2d(kernelSize: 2)
            Conv2d(6, 16, kernelSize: 5)
            ReLU()
            MaxPool2d(kernelSize: 2)
            Flatten()
            Linear(400, 120)
            ReLU()
            Linear(120, 84)
            ReLU()
            Linear(84, 10)
        }
    }

    /// Eight convolutions of width 7 over 64 channels, with dilations of 1, 2, 4 and 8, twice.
    static func dilated() -> Sequential {
        let layers = (0..<8).flatMap { index -> [any TensorLayer] in
            let dilation = 1 << (index % 4)
            return [Conv1d(64, 64, kernelSize: 7, padding: 3 * dilation, dilation: dilation), ReLU()]
        }
        return Sequential(layers + [GlobalAveragePool(), Linear(64, 10)])
    }

    /// A convolution that keeps the size but for its stride, without bias, normalised and rectified.
    static func convolved(
        _ inputs: Int, _ outputs: Int, kernel: Int = 3, stride: Int = 1, groups: Int = 1
    ) -> [any TensorLayer] {
        [
            Conv2d(
                inputs, outputs, kernelSize: kernel, stride: stride, padding: kernel / 2, groups: groups, hasBias: false
            ),
            BatchNorm2d(outputs), ReLU(),
        ]
    }
}

/// Classes of pixels (Ronneberger et al. 2015): 32, 64 and 128 channels at three sizes, down by pooling and up by
/// transposed convolutions, with what was seen on the way down beside them.
final class UNet: Module, Layer {
    let down1 = UNet.pair(1, 32)
    let down2 = UNet.pair(32, 64)
    let bottom = UNet.pair(64, 128)
    let rise2 = ConvTranspose2d(128, 64, kernelSize: 2, stride: 2)
    let up2 = UNet.pair(128, 64)
    let rise1 = ConvTranspose2d(64, 32, kernelSize: 2, stride: 2)
    let up1 = UNet.pair(64, 32)
    let head = Conv2d(32, 4, kernelSize: 1)
    private let pool = MaxPool2d(kernelSize: 2)

    func forward(_ input: Tensor) -> Tensor {
        let first = down1(input)
        let second = down2(pool(first))
        let low = bottom(pool(second))
        let middle = up2(.concatenated([second, rise2(low)], axis: 1))
        return head(up1(.concatenated([first, rise1(middle)], axis: 1)))
    }

    private static func pair(_ inputs: Int, _ outputs: Int) -> Sequential {
        Sequential(NetModels.convolved(inputs, outputs) + NetModels.convolved(outputs, outputs))
    }
}

/// A text as the mean of its words' vectors, and a linear head.
final class MeanOfEmbeddings: Module, Layer {
    let embedding = Embedding(30000, 64)
    let head = Linear(64, 10)

    func forward(_ input: Tensor) -> Tensor { head(embedding(input).mean([1])) }
}

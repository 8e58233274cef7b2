import GimbalTrain

extension Benchmark {
    /// Convolutions with a bias and the gradients of their input and weight, batches of 32. They run where they are named.
    ///
    /// The same as those of PyTorch in `Benchmarks/peers/compare_convolutions.py`, which reads their variants: channels, kernel and
    /// the sizes of the image.
    static var convolutions: [Benchmark] {
        [
            // 3 x 3 of deep nets, from wide planes to small ones.
            ConvolutionCase(64, 64, [3, 3], [56, 56]), ConvolutionCase(64, 64, [3, 3], [16, 16]),
            ConvolutionCase(128, 128, [3, 3], [8, 8]), ConvolutionCase(256, 256, [3, 3], [4, 4]),
            ConvolutionCase(512, 512, [3, 3], [2, 2]), ConvolutionCase(512, 512, [3, 3], [7, 7]),
            ConvolutionCase(256, 256, [3, 3], [14, 14]), ConvolutionCase(32, 32, [3, 3], [16, 16]),
            ConvolutionCase(16, 16, [3, 3], [32, 32]), ConvolutionCase(17, 33, [3, 3], [9, 9]),
            // Strides, and the first layers of nets.
            ConvolutionCase(64, 128, [3, 3], [16, 16], stride: 2),
            ConvolutionCase(256, 512, [3, 3], [4, 4], stride: 2),
            ConvolutionCase(3, 64, [7, 7], [64, 64], stride: 2), ConvolutionCase(3, 64, [3, 3], [32, 32]),
            ConvolutionCase(1, 32, [3, 3], [64, 64]),
            // Products of channels alone.
            ConvolutionCase(256, 256, [1, 1], [14, 14]), ConvolutionCase(64, 256, [1, 1], [16, 16]),
            ConvolutionCase(512, 128, [1, 1], [4, 4]), ConvolutionCase(64, 128, [1, 1], [16, 16], stride: 2),
            // Larger kernels, dilated ones and those along an axis.
            ConvolutionCase(32, 64, [5, 5], [14, 14]), ConvolutionCase(64, 64, [7, 7], [14, 14]),
            ConvolutionCase(64, 64, [3, 3], [32, 32], dilation: 2), ConvolutionCase(64, 64, [1, 7], [17, 17]),
            ConvolutionCase(64, 64, [7, 1], [17, 17]), ConvolutionCase(64, 64, [7], [512], dilation: 4),
            ConvolutionCase(128, 128, [3], [1000]), ConvolutionCase(80, 256, [5], [200]),
            // In groups, and a kernel for each channel.
            ConvolutionCase(128, 128, [3, 3], [14, 14], groups: 32),
            ConvolutionCase(64, 64, [3, 3], [32, 32], groups: 64),
            ConvolutionCase(128, 128, [3, 3], [16, 16], stride: 2, groups: 128),
            ConvolutionCase(96, 96, [5, 5], [14, 14], groups: 96),
            ConvolutionCase(96, 96, [7, 7], [28, 28], groups: 96),
            ConvolutionCase(256, 256, [31], [200], groups: 256),
        ].map(\.benchmark)
    }
}

private struct ConvolutionCase {
    let channels, outputs: Int
    let image: [Int]
    let geometry: ConvolutionGeometry
    let variant: String

    init(
        _ channels: Int, _ outputs: Int, _ kernel: [Int], _ image: [Int], stride: Int = 1, dilation: Int = 1,
        groups: Int = 1
    ) {
        (self.channels, self.outputs, self.image) = (channels, outputs, image)
        geometry = ConvolutionGeometry(
            kernel: kernel, stride: kernel.map { _ in stride }, padding: kernel.map { dilation * ($0 - 1) / 2 },
            dilation: kernel.map { _ in dilation }, groups: groups)
        func sizes(_ sizes: [Int]) -> String { sizes.map(String.init).joined(separator: "x") }
        let others = [("stride", stride), ("dilation", dilation), ("groups", groups)].filter { $0.1 > 1 }
        variant = (["\(channels) to \(outputs)", sizes(kernel), sizes(image)] + others.map { "\($0) \($1)" })
            .joined(separator: ", ")
    }

    var benchmark: Benchmark {
        let batch = 32
        let weight = Shape([outputs, channels / geometry.groups] + geometry.kernel)
        let result = Shape([batch, outputs] + geometry.outputSizes(image))
        let perOutput = weight.elementCount / outputs
        return Benchmark(
            name: "convolution", variant: variant, batch: batch,
            operations: 6 * Double(result.elementCount) * Double(perOutput), unasked: .nowhere
        ) { _ in
            let x = Tensor.normal(Shape([batch, channels] + image)).requiringGradient()
            let weight = Tensor.normal(weight).requiringGradient()
            let bias = Tensor.normal([outputs])
            let arriving = Tensor.normal(result)
            return {
                let y = x.convolved(weight: weight, bias: bias, geometry)
                _ = try gradient(of: y, withRespectTo: [x, weight], gradient: arriving)
            }
        }
    }
}

import GimbalNN
import GimbalTestSupport
import Testing

/// Convolution, pooling and the layers made of them against central differences.
@Suite struct ConvolutionGradientTests {
    @Test func convolutions() throws {
        let cases: [(Shape, Int, ConvolutionGeometry)] = [
            ([2, 3, 7], 2, ConvolutionGeometry(kernel: [3])),
            ([1, 4, 9], 4, ConvolutionGeometry(kernel: [2], stride: [2], padding: [1], dilation: [3], groups: 2)),
            ([2, 2, 5, 4], 3, ConvolutionGeometry(kernel: [3, 2], padding: [1, 0])),
            ([1, 3, 5, 5], 3, ConvolutionGeometry(kernel: [3, 3], stride: [2, 2], padding: [1, 1], groups: 3)),
            ([1, 2, 4, 6], 2, ConvolutionGeometry(kernel: [1, 3], stride: [3, 1], dilation: [1, 2])),
            ([1, 2, 3, 4, 3], 2, ConvolutionGeometry(kernel: [2, 3, 2], stride: [1, 2, 1], padding: [1, 1, 0])),
        ]
        for (shape, outputs, geometry) in cases {
            let weight = Shape([outputs, shape[1] / geometry.groups] + geometry.kernel)
            let inputs = [spread(shape), spread(weight, low: -0.5, high: 0.6), spread([outputs])]
            let piece = Piece.layer("Conv\(geometry.axes)d")
            try expectGradient(of: piece, inputs, "\(shape) \(geometry)") {
                $0[0].convolved(weight: $0[1], bias: $0[2], geometry)
            }
        }
    }

    @Test func transposedConvolutions() throws {
        let cases: [(Shape, Int, ConvolutionGeometry, [Int])] = [
            ([2, 2, 3, 4], 3, ConvolutionGeometry(kernel: [3, 3]), [0, 0]),
            (
                [1, 4, 3, 3], 2,
                ConvolutionGeometry(kernel: [3, 2], stride: [2, 3], padding: [1, 0], groups: 2), [1, 2]
            ),
            ([1, 2, 4, 3], 2, ConvolutionGeometry(kernel: [2, 2], stride: [1, 2], dilation: [2, 1]), [1, 0]),
        ]
        for (shape, outputs, geometry, outputPadding) in cases {
            let weight = Shape([shape[1], outputs / geometry.groups] + geometry.kernel)
            try expectGradient(
                of: .layer("ConvTranspose2d"), [spread(shape), spread(weight), spread([outputs])], "\(geometry)"
            ) {
                $0[0].transposedConvolved(weight: $0[1], bias: $0[2], geometry, outputPadding: outputPadding)
            }
        }
    }

    @Test func pooling() throws {
        let x = spread([2, 2, 5, 7])
        let layers: [(String, any TensorLayer)] = [
            ("MaxPool2d", MaxPool2d(kernelSize: 2)),
            ("MaxPool2d", MaxPool2d(kernelSize: [3, 2], stride: [2, 1], padding: [1, 0], roundsUp: true)),
            ("MaxPool2d", MaxPool2d(kernelSize: 2, stride: 1, dilation: 2)),
            ("AvgPool2d", AvgPool2d(kernelSize: 3, stride: 2, padding: 1)),
            ("AvgPool2d", AvgPool2d(kernelSize: 3, stride: 2, padding: 1, countsPadding: false)),
            ("AvgPool2d", AvgPool2d(kernelSize: [2, 3], roundsUp: true)),
            ("AdaptiveAvgPool2d", AdaptiveAvgPool2d([3, 4])), ("AdaptiveAvgPool2d", AdaptiveAvgPool2d(1)),
            ("AdaptiveMaxPool2d", AdaptiveMaxPool2d([2, 3])), ("GlobalAveragePool", GlobalAveragePool()),
        ]
        for (name, layer) in layers { try expectGradient(of: .layer(name), [x], "\(layer)") { layer($0[0]) } }
        let line = spread([2, 3, 11])
        let volume = spread([1, 2, 3, 4, 5])
        let others: [(String, any TensorLayer, (values: [Double], shape: Shape))] = [
            ("MaxPool1d", MaxPool1d(kernelSize: 3, stride: 2, padding: 1), line),
            ("AvgPool1d", AvgPool1d(kernelSize: 4, stride: 3, padding: 2), line),
            ("AdaptiveAvgPool1d", AdaptiveAvgPool1d(4), line),
            ("MaxPool3d", MaxPool3d(kernelSize: 2, stride: [1, 2, 2], padding: [1, 0, 1]), volume),
            ("AvgPool3d", AvgPool3d(kernelSize: [3, 2, 2], stride: 1, padding: [1, 1, 0]), volume),
            ("AdaptiveAvgPool3d", AdaptiveAvgPool3d([2, 3, 2]), volume),
        ]
        for (name, layer, input) in others {
            try expectGradient(of: .layer(name), [input], "\(layer)") { layer($0[0]) }
        }
    }

    @Test func normalization() throws {
        try expectGradient(of: .layer("BatchNorm2d"), [spread([3, 2, 2, 3])], module: { BatchNorm2d(2) }) { $0($1[0]) }
        try expectGradient(
            of: .layer("BatchNorm3d"), [spread([2, 2, 2, 2, 2])], module: { BatchNorm3d(2, isAffine: false) }
        ) { $0($1[0]) }
    }

    @Test func droppingChannelsAndBranches() throws {
        func check(_ name: String, _ shape: Shape, _ make: (RandomGenerator) -> any TensorLayer) throws {
            try expectGradient(of: .layer(name), [spread(shape)]) { inputs in
                // A new generator for each evaluation, so that all drop the same.
                let layer = make(RandomGenerator(seed: 3))
                return layer(inputs[0])
            }
        }
        try check("Dropout1d", [3, 4, 2]) { Dropout1d(0.4, generator: $0) }
        try check("Dropout2d", [3, 4, 2, 2]) { Dropout2d(0.4, generator: $0) }
        try check("Dropout3d", [2, 4, 2, 1, 2]) { Dropout3d(0.4, generator: $0) }
        for mode in StochasticDepth.Mode.allCases {
            try check("StochasticDepth", [6, 3]) { StochasticDepth(0.5, mode: mode, generator: $0) }
        }
    }

    @Test func residualNetworks() throws {
        let network: () -> SmallResNet = { SmallResNet(depth: 8, classes: 3, channels: 2, width: 2) }
        // Far from a kink of ReLU, by the choice of the input.
        try expectGradient(of: .layer("SmallResNet"), [spread([2, 2, 4, 3])], tolerance: 1e-5, module: network) {
            $0($1[0])
        }
    }
}

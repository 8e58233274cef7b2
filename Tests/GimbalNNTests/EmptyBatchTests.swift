import GimbalNN
import GimbalTestSupport
import Testing

/// A batch of no samples: empty results, gradients of 0, statistics as they were; PyTorch's answers.
@Suite struct EmptyBatchTests {
    private func expect(_ layer: some Layer<Tensor, Tensor>, _ shape: Shape, gives expected: Shape) throws {
        for isTraining in [true, false] {
            let buffers = layer.stateDictionary()
            layer.setMode(isTraining ? .training : .evaluation)
            let x = Tensor.zeros(shape).requiringGradient()
            let y = layer(x)
            #expect(y.shape == expected, "\(layer.signature): \(y.shape)")
            for parameter in layer.parameters { parameter.gradient = nil }
            try y.sum().backward()
            #expect(x.gradient?.shape == shape, "\(layer.signature)")
            for parameter in layer.parameters {
                let values = try parameter.gradient?.floats() ?? []
                #expect(values.allSatisfy { $0 == 0 }, "\(layer.signature), \(parameter.name): \(values)")
            }
            let after = layer.stateDictionary()
            for name in buffers.names {
                let (old, new) = (try buffers[name]?.floats(), try after[name]?.floats())
                #expect(old == new, "\(layer.signature), \(name)")
            }
        }
    }

    @Test(arguments: BackendUnderTest.all) func layers(on subject: BackendUnderTest) throws {
        try withDevice(Device(backend: subject.backend)) {
            try expect(BatchNorm1d(3), [0, 3], gives: [0, 3])
            try expect(BatchNorm1d(3, momentum: nil), [0, 3, 4], gives: [0, 3, 4])
            try expect(BatchNorm1d(3), [2, 3, 0], gives: [2, 3, 0])
            try expect(BatchNorm2d(3), [0, 3, 2, 2], gives: [0, 3, 2, 2])
            try expect(BatchNorm2d(3, isAffine: false), [0, 3, 2, 2], gives: [0, 3, 2, 2])
            try expect(BatchNorm2d(3, tracksRunningStatistics: false), [0, 3, 2, 2], gives: [0, 3, 2, 2])
            try expect(BatchNorm3d(3), [0, 3, 2, 2, 2], gives: [0, 3, 2, 2, 2])
            try expect(GroupNorm(groups: 2, channels: 4), [0, 4, 3], gives: [0, 4, 3])
            try expect(InstanceNorm1d(3), [0, 3, 4], gives: [0, 3, 4])
            try expect(
                InstanceNorm2d(3, isAffine: true, tracksRunningStatistics: true), [0, 3, 2, 2], gives: [0, 3, 2, 2])
            try expect(LayerNorm([4]), [0, 4], gives: [0, 4])
            try expect(RMSNorm([4]), [0, 4], gives: [0, 4])
            try expect(Linear(3, 2), [0, 3], gives: [0, 2])
            try expect(Conv1d(3, 2, kernelSize: 3), [0, 3, 5], gives: [0, 2, 3])
            try expect(Conv2d(3, 2, kernelSize: 3), [0, 3, 5, 5], gives: [0, 2, 3, 3])
            try expect(ConvTranspose2d(3, 2, kernelSize: 3), [0, 3, 5, 5], gives: [0, 2, 7, 7])
            try expect(MaxPool2d(kernelSize: 2), [0, 3, 4, 4], gives: [0, 3, 2, 2])
            try expect(AvgPool2d(kernelSize: 2), [0, 3, 4, 4], gives: [0, 3, 2, 2])
            try expect(AdaptiveAvgPool2d(1), [0, 3, 4, 4], gives: [0, 3, 1, 1])
            try expect(ReLU(), [0, 3], gives: [0, 3])
            try expect(Dropout(0.5), [0, 3], gives: [0, 3])
            for kind in RecurrentKind.allCases {
                try expect(
                    RecurrentTests.make(kind, 3, 2, layers: 2, isBatchFirst: true, isBidirectional: true), [0, 4, 3],
                    gives: [0, 4, 4])
            }
            let encoder = TransformerEncoderLayer(4, heads: 2, feedforwardSize: 8, isBatchFirst: true)
            try expect(TransformerEncoder([encoder]), [0, 3, 4], gives: [0, 3, 4])
        }
    }

    @Test func aRectifiedNormWithAResidual() throws {
        let (scale, shift) = (Tensor.ones([3]).requiringGradient(), Tensor.zeros([3]).requiringGradient())
        let (x, residual) = (Tensor.zeros([0, 3, 2]).requiringGradient(), Tensor.zeros([0, 3, 2]).requiringGradient())
        let mean = Tensor.full(like: scale.detached(), 5)
        let y = x.batchNormalized(
            scale: scale, shift: shift, running: (mean, .ones([3])), momentum: 0.5, epsilon: 1e-5, isRectified: true,
            residual: residual)
        #expect(y.shape == [0, 3, 2])
        try y.sum().backward()
        #expect(x.gradient?.shape == [0, 3, 2] && residual.gradient?.shape == [0, 3, 2])
        let (ofScale, kept) = (try scale.gradient?.floats(), try mean.floats())
        #expect(ofScale == [0, 0, 0] && kept == [5, 5, 5])
    }
}

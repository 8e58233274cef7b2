import GimbalNN
import GimbalTestSupport
import Testing

/// What each layer does beside its operation, whose values the conformance and parity suites check.
@Suite struct LayerTests {
    let device = Device(backend: ReferenceBackend())

    @Test func dropoutDropsInTrainingOnlyAndKeepsTheMean() throws {
        try withDevice(device) {
            let layer = Dropout(0.3, generator: RandomGenerator(seed: 1))
            let x = Tensor.ones([100, 100])
            let values = try layer(x).doubles()
            let dropped = values.count { $0 == 0 }
            #expect(abs(dropped - 3000) < 300)  // Six standard deviations.
            #expect(values.allSatisfy { $0 == 0 || abs($0 - 1 / 0.7) < 1e-12 })
            #expect(try layer(x).doubles() != values, "each call draws anew")
            layer.isTraining = false
            #expect(try layer(x).doubles() == (try x.doubles()))
            #expect(try Dropout(1)(x).sum().item() == 0)
            #expect(try Dropout(0)(x).doubles() == (try x.doubles()))
        }
    }

    @Test func batchNormWithoutRunningStatisticsUsesTheBatchInEvaluationToo() throws {
        try withDevice(device) {
            let layer = BatchNorm1d(2, isAffine: false, tracksRunningStatistics: false)
            #expect(layer.parameters.isEmpty)
            layer.isTraining = false
            let output = try layer(Tensor([1, 10, 3, 30] as [Float], [2, 2])).doubles()
            for (actual, expected) in zip(output, [-1.0, -1, 1, 1]) { #expect(abs(actual - expected) < 1e-4) }
        }
    }

    @Test func batchNormWithoutMomentumAveragesAllBatches() throws {
        try withDevice(device) {
            let layer = BatchNorm1d(1, momentum: nil)
            for values in [[0, 2], [4, 6], [8, 16]] as [[Float]] { _ = layer(Tensor(values, [2, 1])) }
            let mean = try layer.runningMean!.value.doubles()[0]
            #expect(abs(mean - 6) < 1e-12)
        }
    }

    @Test func residualAddsItsInput() throws {
        try withDevice(device) {
            let body = Linear(2, 2, weightInitializer: .zeros, biasInitializer: .ones)
            let plain = try Residual { body }(Tensor([3, 4] as [Float], [1, 2])).doubles()
            #expect(plain == [4, 5])
            let widening = Residual(shortcut: Linear(2, 3, weightInitializer: .ones, biasInitializer: .zeros)) {
                Linear(2, 3, weightInitializer: .zeros, biasInitializer: .zeros)
            }
            let widened = try widening(Tensor([3, 4] as [Float], [1, 2])).doubles()
            #expect(widened == [7, 7, 7])
            #expect(widening.parameters.map(\.name).last == "shortcut.bias")
        }
    }

    @Test func linearTakesAnyNumberOfLeadingAxes() {
        withDevice(device) {
            let layer = Linear(4, 3)
            for shape in [[4], [2, 4], [5, 2, 4], [0, 4], [2, 0, 4]] as [Shape] {
                #expect(layer(Tensor.ones(shape)).shape == Shape(shape.sizes.dropLast() + [3]))
            }
        }
    }

    @Test func checkpointedLayersGiveTheSameGradients() throws {
        try withDevice(device) {
            func gradients(_ isCheckpointed: Bool) throws -> [[Double]] {
                let generator = RandomGenerator(seed: 9)
                return try withGenerator(generator) {
                    let block = Sequential {
                        Linear(4, 8)
                        BatchNorm1d(8)
                        ReLU()
                        Dropout(0.4)
                        Linear(8, 4)
                    }
                    let x = Tensor(spread([6, 4]).values, [6, 4]).requiringGradient()
                    let y = isCheckpointed ? checkpointed(x) { block($0) } : block(x)
                    try y.square().sum().backward()
                    let norm = block.layers[1] as! BatchNorm1d
                    #expect(norm.batchCount?.value == 1)
                    return try [x.gradient!.doubles(), norm.runningVariance!.value.doubles()]
                        + block.parameters.map { try $0.gradient!.doubles() }
                }
            }
            let (kept, recomputed) = (try gradients(false), try gradients(true))
            #expect(recomputed == kept)
        }
    }
}

import GimbalTestSupport
import GimbalTrain
import Testing

/// Live, averaged and best weights, by one rule.
@Suite struct ModelWeightsTests {
    private struct Net {
        let model = Sequential {
            Linear(2, 3)
            BatchNorm1d(3)
        }

        func change(_ factor: Double) {
            for parameter in model.parameters { parameter.assign(parameter.value.detached() * factor + 1) }
            _ = model(Tensor([1, 2, 3, 5 * factor], [2, 2]))
        }

        func values() throws -> [[Double]] {
            let norm = try #require(model.layers[1] as? BatchNorm1d)
            let tensors = model.parameters.map { $0.value.detached() } + [try #require(norm.runningMean).value]
            return try tensors.map { try $0.doubles() } + [[Double(try #require(norm.batchCount).value)]]
        }
    }

    @Test func theBestComeBackBuffersIncludedAndTheLiveOnesAfterThem() throws {
        try withDevice(Device(backend: ReferenceBackend())) {
            let net = Net()
            let weights = ModelWeights(net.model)
            #expect(weights.kind(for: .best) == .last)
            net.change(2)
            #expect(weights.keepIfBest(1, epoch: 1))
            let best = try net.values()
            net.change(3)
            for value in [2, 1, .nan, nil] as [Double?] { #expect(!weights.keepIfBest(value, epoch: 2)) }
            let live = try net.values()
            #expect(live != best)
            try weights.choose(.best)
            #expect(try net.values() == best)
            try weights.choose(.last)
            #expect(try net.values() == live)
            try weights.choose(.averaged)
            #expect(try net.values() == live, "none is kept")
            try weights.choose(.best)
            try weights.resumeLive()
            #expect(try net.values() == live)
            #expect(weights.best?.epoch == 1 && weights.best?.value == 1)
        }
    }

    @Test func theAverageIsWhatIsTestedAndCopied() throws {
        try withDevice(Device(backend: ReferenceBackend())) {
            let net = Net()
            let weights = ModelWeights(net.model, averageDecay: 0.5, mode: .maximum)
            net.change(2)
            try weights.average?.update()
            net.change(3)
            try weights.average?.update()
            let live = try net.values()
            var tested: [[Double]] = []
            try weights.whileTested {
                tested = try net.values()
                #expect(weights.keepIfBest(-1, epoch: 1))
            }
            #expect(tested != live)
            #expect(try net.values() == live)
            net.change(4)
            try weights.average?.update()
            try weights.whileTested { #expect(!weights.keepIfBest(-2, epoch: 2)) }
            try weights.choose(.best)
            #expect(try net.values() == tested)
            try weights.choose(.averaged)
            #expect(weights.kind(for: .averaged) == .averaged)
            #expect(try net.values() != tested)
        }
    }
}

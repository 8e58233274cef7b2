import GimbalTestSupport
import GimbalTrain
import Testing

/// Depth multiplies. Fifty layers of sigmoids lose the gradient on its way down; the field's cures bring it back.
@Suite struct DepthTests {
    static let depth = 50
    static let digits = Dataset.digits().split(trainFraction: 0.8, seed: 0)

    func model(_ change: (inout ModelSettings) -> Void) -> ModelSettings {
        var settings = ModelSettings(inputs: 64, outputs: 10)
        settings.hidden = 64
        settings.layers = Self.depth
        settings.normalization = .none
        change(&settings)
        return settings
    }

    /// Norms of the gradients of the weights of the first and the last hidden layer, over one batch.
    func gradientNorms(_ settings: ModelSettings) throws -> (first: Float, last: Float) {
        let net = withGenerator(RandomGenerator(seed: 1)) { settings.makeModel(device: .cpu) }
        let batch = Self.digits.train.flattened.batch([Int](0..<64)).to(.cpu)
        try crossEntropy(net(batch.inputs), batch.targets).backward()
        let weights = net.parameters.filter { $0.shape == [64, 64] }
        let norms = try [weights.first!, weights.last!].map {
            try gradientNorm([$0]).item()
        }
        return (norms[0], norms[1])
    }

    @Test func sigmoidsWithSmallWeightsLoseTheGradient() throws {
        let (first, last) = try gradientNorms(
            model {
                $0.activation = .sigmoid
                $0.initialization = .normal
                $0.initializationScale = 0.1
            })
        #expect(last > 1e-4, "the last layer learns")
        #expect(first <= last * 1e-6, "\(first) against \(last)")
    }

    @Test func heInitializationKeepsIt() throws {
        let (first, last) = try gradientNorms(model { $0.initialization = .heNormal })
        #expect(first > last * 1e-2 && first < last * 1e2, "\(first) against \(last)")
    }

    func accuracy(_ settings: ModelSettings, _ change: (inout TrainingSettings) -> Void = { _ in }) throws -> Double {
        var training = TrainingSettings()
        training.optimizer = .adam
        training.learningRate = 1e-3
        training.clipNorm = 1
        training.epochs = 8
        change(&training)
        // The last weights, without a look at any data on the way.
        let run = try Recipe(model: settings, training: training).makeRun(train: Self.digits.train, device: .cpu)
        try run.trainer.run()
        return try #require(try run.evaluate(on: Self.digits.test).accuracy)
    }

    @Test func theSickNetLearnsNothing() throws {
        let accuracy = try accuracy(
            model {
                $0.activation = .sigmoid
                $0.initialization = .normal
                $0.initializationScale = 0.1
            }
        ) { $0.epochs = 3 }
        #expect(accuracy < 0.2)
    }

    @Test func heInitializationAndReLUTrainIt() throws {
        let accuracy = try accuracy(
            model {
                $0.hidden = 128
                $0.initialization = .heNormal
            }
        ) {
            $0.learningRate = 2e-4
            $0.schedule = .cosine
            $0.warmup = 100
            $0.epochs = 30
        }
        #expect(accuracy >= 0.9)
    }

    /// The sigmoids themselves, normalised: what saturates is brought back to where they are steep.
    @Test func batchNormalizationTrainsTheSigmoids() throws {
        let accuracy = try accuracy(
            model {
                $0.activation = .sigmoid
                $0.initialization = .xavierNormal
                $0.normalization = .batch
            }
        ) {
            $0.schedule = .cosine
            $0.epochs = 20
        }
        #expect(accuracy >= 0.9)
    }

    @Test func residualConnectionsTrainIt() throws {
        let settings = model {
            $0.isResidual = true
            $0.initialization = .heNormal
            $0.normalization = .batch
        }
        #expect(try accuracy(settings) >= 0.9)
    }
}

import GimbalNN
import GimbalONNX
import GimbalTestSupport
import GimbalTrain
import Testing

/// Every model that `gimbal train --model` builds, and those of GimbalNN, give by onnxruntime what they give here.
@Suite("The zoo by onnxruntime", .enabled(if: RuntimeComparison.python != nil, RuntimeComparison.reasonToSkip))
struct ZooTests {
    private func add(_ name: String, _ settings: ModelSettings, to comparison: RuntimeComparison) throws {
        try withGenerator(RandomGenerator(seed: 3)) {
            let model = settings.makeModel(device: .cpu)
            func batch(_ count: Int) -> Tensor { Tensor.normal(Shape([count] + settings.sampleShape.sizes)) }
            settleStatistics(model, batch(8))
            try comparison.add(name, model, batch)
        }
    }

    @Test("Multilayer perceptrons of every activation")
    func activations() throws {
        try RuntimeComparison.run { comparison in
            for activation in ModelSettings.Activation.allCases {
                var settings = ModelSettings(inputs: 12, outputs: 5)
                (settings.hidden, settings.layers, settings.activation) = (16, 2, activation)
                settings.dropout = 0.5
                try add(activation.rawValue, settings, to: comparison)
            }
        }
    }

    @Test("Multilayer perceptrons of every normalisation, residual and plain, and without a hidden layer")
    func normalizations() throws {
        try RuntimeComparison.run { comparison in
            for normalization in ModelSettings.Normalization.allCases {
                for isResidual in [false, true] {
                    var settings = ModelSettings(inputs: 12, outputs: 3, task: .regression)
                    (settings.hidden, settings.layers) = (16, 4)
                    (settings.normalization, settings.isResidual) = (normalization, isResidual)
                    try add("\(normalization)-\(isResidual ? "residual" : "plain")", settings, to: comparison)
                }
            }
            var settings = ModelSettings(inputs: 12, outputs: 3)
            settings.layers = 0
            try add("linear", settings, to: comparison)
        }
    }

    @Test("Recurrent nets of every kind, in one direction and in both, of one layer and of several")
    func recurrent() throws {
        try RuntimeComparison.run { comparison in
            for kind in [ModelSettings.Kind.rnn, .lstm, .gru] {
                for isBidirectional in [false, true] {
                    for layers in [1, 3] {
                        var settings = ModelSettings(kind: kind, inputShape: [1, 7, 5], outputs: 4)
                        (settings.hidden, settings.layers) = (12, layers)
                        settings.isBidirectional = isBidirectional
                        try add("\(kind)-\(isBidirectional ? "both" : "one")-\(layers)", settings, to: comparison)
                    }
                }
            }
            var settings = ModelSettings(kind: .rnn, inputShape: [9], outputs: 2, task: .regression)
            (settings.hidden, settings.activation) = (12, .relu)
            try add("rnn-relu", settings, to: comparison)
        }
    }

    @Test("Transformers")
    func transformers() throws {
        try RuntimeComparison.run { comparison in
            for activation in [ModelSettings.Activation.gelu, .relu] {
                var settings = ModelSettings(kind: .transformer, inputShape: [1, 6, 5], outputs: 4)
                (settings.hidden, settings.heads, settings.activation) = (16, 4, activation)
                try add("transformer-\(activation)", settings, to: comparison)
            }
        }
    }

    @Test("Residual nets for small images")
    func smallResNets() throws {
        try RuntimeComparison.run { comparison in
            for (kind, isResidual) in [(ModelSettings.Kind.resnet20, true), (.resnet20, false), (.resnet56, true)] {
                var settings = ModelSettings(kind: kind, inputShape: [3, 16, 16], outputs: 10)
                (settings.hidden, settings.isResidual) = (8, isResidual)
                try add("\(kind)-\(isResidual ? "residual" : "plain")", settings, to: comparison)
            }
            let identity = SmallResNet(depth: 20, width: 8, shortcut: .identity)
            settleStatistics(identity, .normal([8, 3, 16, 16]))
            try comparison.add("identity-shortcuts", identity) { .normal([$0, 3, 16, 16]) }
        }
    }

    @Test("ResNet 18, 34 and 50")
    func resNets() throws {
        try RuntimeComparison.run { comparison in
            try withGenerator(RandomGenerator(seed: 5)) {
                let nets = [
                    ("resnet18", ResNet.resNet18(classes: 10, width: 16)),
                    ("resnet34", ResNet.resNet34(classes: 10, width: 16)),
                    ("resnet50", ResNet.resNet50(classes: 10, width: 16)),
                ]
                for (name, net) in nets {
                    settleStatistics(net, .normal([4, 3, 64, 64]))
                    try comparison.add(name, net, batches: [1, 5]) { .normal([$0, 3, 64, 64]) }
                }
            }
        }
    }

    @Test("Language models")
    func languageModels() throws {
        try RuntimeComparison.run { comparison in
            for sharesTokens in [false, true] {
                let model = LanguageModel(
                    vocabulary: 11, length: 9, size: 16, heads: 2, layers: 2, sharesTokens: sharesTokens)
                try comparison.add("language-\(sharesTokens ? "shared" : "own")", model) { batch in
                    Tensor((0..<batch * 7).map { Int32($0 * 5 % 11) }, [batch, 7])
                }
            }
        }
    }

    /// With padding, as in training: the last source of every three has no token at all.
    @Test("Models from one sequence to another")
    func sequenceToSequence() throws {
        func pairs(_ batch: Int) -> Tensor {
            Tensor(
                (0..<batch).flatMap { row -> [Int32] in
                    func sequence(_ count: Int) -> [Int32] {
                        (0..<6).map { $0 < count ? Int32((row * 3 + $0 * 5) % 8 + 1) : 0 }
                    }
                    return sequence([6, 3, 0][row % 3]) + sequence(1 + row % 6)
                }, [batch, 2, 6])
        }
        try RuntimeComparison.run { comparison in
            for kind in RecurrentLanguageModel.Kind.allCases {
                for layers in [1, 2] {
                    let model = RecurrentSequenceToSequence(
                        sourceVocabulary: 9, targetVocabulary: 11, size: 8, hiddenSize: 6, layers: layers, kind: kind)
                    try comparison.add("recurrent-\(kind)-\(layers)", model, pairs)
                }
            }
            for sharesTokens in [false, true] {
                let model = TransformerSequenceToSequence(
                    sourceVocabulary: 9, targetVocabulary: 11, length: 8, size: 16, heads: 2, layers: 2,
                    sharesTokens: sharesTokens)
                try comparison.add("transformer-\(sharesTokens ? "shared" : "own")", model, pairs)
            }
        }
    }
}

import GimbalNN
import GimbalTestSupport
import Testing

/// Pieces that are made of others, and those that PyTorch's random numbers keep from being compared value by value.
@Suite struct PieceTests {
    @Test func classifiersOverSequencesDifferentiate() throws {
        for isBidirectional in [false, true] {
            try expectGradient(
                of: .layer("RecurrentClassifier"), [spread([2, 3, 4])], "bidirectional: \(isBidirectional)",
                module: { () -> RecurrentClassifier in
                    let net = GRU(inputSize: 4, hiddenSize: 3, isBatchFirst: true, isBidirectional: isBidirectional)
                    return RecurrentClassifier(net, classes: 2)
                }
            ) { model, inputs in model(inputs[0]) }
        }
        try expectGradient(
            of: .layer("TransformerClassifier"), [spread([2, 3, 3])],
            module: { TransformerClassifier(inputs: 3, classes: 2, size: 4, heads: 2, layers: 1, dropout: 0) }
        ) { model, inputs in model(inputs[0]) }
        try expectGradient(
            of: .layer("TemporalConvolutionClassifier"), [spread([2, 5, 2])],
            module: { TemporalConvolutionClassifier(inputs: 2, classes: 2, size: 3, layers: 2) }
        ) { model, inputs in model(inputs[0]) }
        try expectGradient(
            of: .layer("TemporalBlock"), [spread([2, 2, 5])], module: { TemporalBlock(2, 3, dilation: 2) }
        ) { block, inputs in block(inputs[0]) }
    }

    @Test func recurrentLanguageModelsDifferentiate() throws {
        for (kind, shares) in [(.lstm, true), (.gru, false)] as [(RecurrentLanguageModel.Kind, Bool)] {
            try expectGradient(
                of: .layer("RecurrentLanguageModel"), [spread([6, 4])], "\(kind), shared: \(shares)",
                module: {
                    RecurrentLanguageModel(vocabulary: 4, size: 3, layers: 2, kind: kind, sharesTokens: shares)
                }
            ) { model, inputs in model(Tensor([1, 3, 0, 2, 2, 1] as [Int32], [2, 3])) * inputs[0] }
        }
    }

    @Test func theFirstLayersDifferentiate() throws {
        try expectGradient(of: .layer("Linear"), [spread([4, 3])], module: { Linear(3, 2) }) { $0($1[0]) }
        try expectGradient(of: .layer("BatchNorm1d"), [spread([4, 3])], module: { BatchNorm1d(3) }) { $0($1[0]) }
    }

    /// Of 40,000 elements a share of p is dropped, within five standard errors, and the others are scaled to keep the mean.
    @Test(arguments: [0.1, 0.5, 0.9]) func dropoutDropsItsShare(_ probability: Double) throws {
        let layer = Dropout(probability, generator: RandomGenerator(seed: 3))
        let values = try withDevice(.cpu) { try layer(Tensor.ones([200, 200])).doubles() }
        let dropped = Double(values.count { $0 == 0 }) / 40_000
        let bound = 5 * (probability * (1 - probability) / 40_000).squareRoot()
        #expect(abs(dropped - probability) < bound)
        #expect(values.allSatisfy { $0 == 0 || abs($0 - 1 / (1 - probability)) < 1e-6 })
        Ledger.record(.layer("Dropout"), .property, on: "cpu", error: abs(dropped - probability), tolerance: bound)
    }
}

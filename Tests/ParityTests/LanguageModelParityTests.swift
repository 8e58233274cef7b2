import GimbalNN
import GimbalOptim
import GimbalTestSupport
import Testing

/// Fifty training steps of a causal language model, and position encodings, against PyTorch.
@Suite(.serialized) struct LanguageModelParityTests {
    @Test(arguments: devices) func fiftySteps(_ subject: BackendUnderTest) throws {
        let fixture = try Fixture("language_model")
        let device = subject.device
        try withDevice(device) {
            let model = LanguageModel(vocabulary: 11, length: 6, size: 8, heads: 2, layers: 2)
            let parameters = model.parameters
            let names = fixture.names.filter { $0.hasPrefix("before.") }.map { String($0.dropFirst(7)) }
            #expect(Set(names) == Set(parameters.map(\.name)))
            for parameter in parameters { parameter.assign(try fixture.tensor("before.\(parameter.name)", on: device)) }
            let tokens = try fixture.integers("tokens")
            let targets = try fixture.integers("targets")
            let optimizer = AdamW(parameters, learningRate: 3e-3)
            var losses: [Tensor] = []
            for step in 0..<50 {
                let batch = step * 18..<(step + 1) * 18
                let loss = crossEntropy(model(Tensor(Array(tokens[batch]), [3, 6])), Tensor(Array(targets[batch])))
                losses.append(loss.detached())
                model.zeroGradients()
                try loss.backward()
                try clipGradientNorm(parameters, maxNorm: 1)
                try optimizer.step()
            }
            let piece = Piece.layer("LanguageModel")
            try expectClose(.stacked(losses), try fixture.values("losses"), 1e-4, "losses", of: piece, .steps)
            for parameter in parameters {
                var (actual, expected) = (parameter.value, try fixture.values("after.\(parameter.name)"))
                if parameter.name.hasSuffix("in_proj_bias") {
                    // The bias of keys, the second third, shifts all scores of a query alike: its gradient is rounding
                    // alone, which Adam makes into steps.
                    actual = .concatenated([actual.sliced(0..<8), actual.sliced(16..<24)])
                    expected.removeSubrange(8..<16)
                }
                try expectClose(actual, expected, 1e-4, parameter.name, of: piece, .steps)
            }
        }
    }

    @Test(arguments: devices) func positions(_ subject: BackendUnderTest) throws {
        let fixture = try Fixture("language_model")
        try withDevice(subject.device) {
            try expectClose(
                SinusoidalPositions(6)(Tensor.zeros([9, 6])), try fixture.values("sinusoidal"), 1e-6, "sinusoidal",
                of: .layer("SinusoidalPositions"))
            let rotate = RotaryPositions(6, maximumLength: 20)
            let x = try fixture.tensor("rotary.inputs", on: subject.device)
            try expectClose(
                rotate(x), try fixture.values("rotary.outputs"), 1e-6, "rotary", of: .layer("RotaryPositions"))
            let tail = try rotate(x.sliced(4..<9, axis: 2), offset: 4).floats()
            #expect(try tail == rotate(x).sliced(4..<9, axis: 2).floats())
        }
    }
}

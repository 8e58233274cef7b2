import GimbalNN
import GimbalTestSupport
import Testing

/// Every activation layer against PyTorch: values, gradients, kinks, infinities and NaN.
@Suite(.serialized) struct ActivationParityTests {
    /// The fixture's name of each layer, with settings, and the layer's own name.
    static var layers: [(name: String, piece: String, layer: any TensorLayer)] {
        [
            ("mish", "Mish", Mish()), ("selu", "SELU", SELU()), ("celu", "CELU", CELU()),
            ("celu_0.5", "CELU", CELU(scale: 0.5)), ("softplus_2", "Softplus", Softplus(beta: 2)),
            ("softplus_threshold", "Softplus", Softplus(beta: 1.5, threshold: 1)),
            ("softsign", "Softsign", Softsign()), ("hardtanh", "Hardtanh", Hardtanh()),
            ("hardtanh_range", "Hardtanh", Hardtanh(-0.5...2)), ("hardsigmoid", "Hardsigmoid", Hardsigmoid()),
            ("hardswish", "Hardswish", Hardswish()), ("relu6", "ReLU6", ReLU6()),
            ("log_sigmoid", "LogSigmoid", LogSigmoid()), ("tanhshrink", "Tanhshrink", Tanhshrink()),
            ("softshrink", "Softshrink", Softshrink()), ("softshrink_1", "Softshrink", Softshrink(1)),
            ("hardshrink", "Hardshrink", Hardshrink()), ("hardshrink_1", "Hardshrink", Hardshrink(1)),
            ("threshold", "Threshold", Threshold(0.5, value: 20)), ("rrelu_evaluation", "RReLU", evaluating(RReLU())),
            ("sigmoid", "Sigmoid", Sigmoid()), ("tanh", "Tanh", Tanh()), ("relu", "ReLU", ReLU()),
            ("leaky_relu", "LeakyReLU", LeakyReLU()), ("elu", "ELU", ELU()), ("silu", "SiLU", SiLU()),
            ("gelu", "GELU", GELU()), ("gelu_tanh", "GELU", GELU(approximatesByTanh: true)),
        ]
    }

    static func evaluating(_ layer: RReLU) -> RReLU {
        layer.isTraining = false
        return layer
    }

    /// Where the gradient at NaN and infinity is not compared: these hand on NaN where PyTorch takes one side of a kink,
    /// and give the limit where PyTorch's formula is infinity times 0.
    static let withoutSpecialGradients: Set<String> = ["relu", "leaky_relu", "elu", "gelu", "gelu_tanh"]

    @Test(arguments: devices) func functionsOfOneElement(_ subject: BackendUnderTest) throws {
        let fixture = try Fixture("activation-layers")
        let upstream = try fixture.tensor("upstream", on: subject.device)
        #expect(Self.layers.count == fixture.names.count { $0.hasSuffix(".specials") })
        for (name, piece, layer) in Self.layers {
            let inputs = try fixture.tensor("inputs", on: subject.device).requiringGradient()
            let outputs = layer(inputs)
            try expectClose(
                outputs, try fixture.values("\(name).outputs"), 1e-6, name, of: .activation(piece), .outputs)
            try outputs.backward(gradient: upstream)
            try expectClose(
                try #require(inputs.gradient), try fixture.values("\(name).gradients"), 1e-5, "gradient of \(name)",
                of: .activation(piece), .gradients)

            let specials = try fixture.tensor("specials", on: subject.device).requiringGradient()
            let results = layer(specials)
            expectSame(try results.floats(), try fixture.values("\(name).specials"), "\(name) of NaN, inf, -inf")
            if Self.withoutSpecialGradients.contains(name) { continue }
            try results.sum().backward()
            let gradient = try #require(specials.gradient)
            expectSame(
                try gradient.floats(), try fixture.values("\(name).special_gradients"),
                "gradient of \(name) at NaN, inf, -inf")
        }
    }

    /// Equal to the last place or so, with NaN equal to NaN.
    func expectSame(_ actual: [Float], _ expected: [Float], _ what: String) {
        for (actual, expected) in zip(actual, expected) {
            #expect(
                actual == expected || (actual.isNaN && expected.isNaN)
                    || abs(actual - expected) <= 1e-6 * abs(expected),
                "\(what): \(actual), expected \(expected)")
        }
    }

    @Test(arguments: devices) func learnedSlopes(_ subject: BackendUnderTest) throws {
        let fixture = try Fixture("activation-layers")
        for (name, count) in [("prelu_shared", 1), ("prelu_channels", 6)] {
            let layer = PReLU(count, device: subject.device)
            if count == 1 {
                let slopes = try layer.weight.value.floats()
                #expect(slopes == [0.25])
            } else {
                layer.weight.assign(try fixture.tensor("\(name).weight", on: subject.device))
            }
            let inputs = try fixture.tensor("inputs", on: subject.device).requiringGradient()
            let outputs = layer(inputs)
            try outputs.backward(gradient: try fixture.tensor("upstream", on: subject.device))
            let piece = Piece.activation("PReLU")
            try expectClose(outputs, try fixture.values("\(name).outputs"), 1e-6, name, of: piece, .outputs)
            try expectClose(
                try #require(inputs.gradient), try fixture.values("\(name).gradients"), 1e-6, "gradient of \(name)",
                of: piece, .gradients)
            try expectClose(
                try #require(layer.weight.gradient), try fixture.values("\(name).weight_gradients"), 1e-5,
                "gradient of the slopes of \(name)", of: piece, .gradients)
        }
    }

    @Test(arguments: devices) func functionsAlongAnAxis(_ subject: BackendUnderTest) throws {
        let fixture = try Fixture("activation-layers")
        let upstream = try fixture.tensor("volume_upstream", on: subject.device)
        for axis in 0..<3 {
            let layers: [(String, String, any TensorLayer)] = [
                ("softmax", "Softmax", Softmax(axis: axis)), ("log_softmax", "LogSoftmax", LogSoftmax(axis: axis - 3)),
                ("softmin", "Softmin", Softmin(axis: axis)), ("glu", "GLU", GLU(axis: axis - 3)),
            ]
            for (name, piece, layer) in layers {
                let inputs = try fixture.tensor("volume", on: subject.device).requiringGradient()
                let outputs = layer(inputs)
                let arriving = name == "glu" ? upstream.sliced(0..<outputs.shape[axis], axis: axis) : upstream
                try outputs.backward(gradient: arriving)
                try expectClose(
                    outputs, try fixture.values("\(name)_\(axis).outputs"), 1e-5, "\(name) along \(axis)",
                    of: .activation(piece), .outputs)
                try expectClose(
                    try #require(inputs.gradient), try fixture.values("\(name)_\(axis).gradients"), 1e-5,
                    "gradient of \(name) along \(axis)", of: .activation(piece), .gradients)
            }
        }
    }
}

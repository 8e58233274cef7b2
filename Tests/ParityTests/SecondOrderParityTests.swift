import GimbalNN
import GimbalTestSupport
import Testing

/// Gradients of gradients against PyTorch, on every backend.
@Suite(.serialized) struct SecondOrderParityTests {
    /// The functions that `second_order.py` differentiates twice.
    static let functions: [(name: String, function: @Sendable ([Tensor]) -> Tensor)] = [
        ("exp", { $0[0].exp() }), ("sine", { $0[0].sine() }), ("sigmoid", { $0[0].sigmoid() }),
        ("tanh", { $0[0].tanh() }), ("logSigmoid", { $0[0].logSigmoid() }), ("softsign", { $0[0].softsign() }),
        ("relu", { $0[0].relu() }), ("leakyReLU", { $0[0].leakyReLU(slope: 0.1) }), ("elu", { $0[0].elu() }),
        ("selu", { $0[0].selu() }), ("celu", { $0[0].celu(scale: 0.7) }), ("silu", { $0[0].silu() }),
        ("gelu", { $0[0].gelu() }), ("geluTanh", { $0[0].gelu(approximatesByTanh: true) }),
        ("mish", { $0[0].mish() }), ("softplus", { $0[0].softplus() }), ("hardSwish", { $0[0].hardSwish() }),
        ("tanhShrink", { $0[0].tanhShrink() }), ("divide", { $0[0] / $0[1] }), ("power", { $0[0].power($0[1]) }),
        ("product", { $0[0].matrixMultiplied(by: $0[1]).tanh() }),
        ("linear", { $0[0].linear(weight: $0[1], bias: $0[2]).silu() }), ("softmax", { $0[0].softmax() }),
        ("logSoftmax", { $0[0].logSoftmax() }),
        ("crossEntropy", { crossEntropy($0[0], Tensor([1, 0, 7, 3, 3] as [Int32])) }),
        ("layerNorm", { $0[0].layerNormalized(scale: $0[1], shift: $0[2]) }),
        (
            "batchNorm",
            { $0[0].batchNormalized(scale: $0[1], shift: $0[2], running: nil, momentum: 0.1, epsilon: 1e-5) }
        ),
        (
            "convolution",
            {
                $0[0].convolved(
                    weight: $0[1], bias: $0[2],
                    ConvolutionGeometry(
                        kernel: [3, 2], stride: [2, 1], padding: [1, 1], dilation: [1, 2], groups: 2)
                ).tanh()
            }
        ),
        (
            "transposedConvolution",
            {
                $0[0].transposedConvolved(
                    weight: $0[1], bias: $0[2],
                    ConvolutionGeometry(
                        kernel: [3, 2], stride: [2, 2], padding: [1, 1], dilation: [1, 1], groups: 2),
                    outputPadding: [1, 1]
                ).tanh()
            }
        ),
        ("maxPool", { $0[0].maxPooled(kernel: [3, 3], stride: [2, 2], padding: [1, 1]).tanh() }),
        ("averagePool", { $0[0].averagePooled(kernel: [3, 3], stride: [2, 2], padding: [1, 1]).tanh() }),
        ("embedding", { $0[0].gathered(Tensor([1, 3, 1, 0, 5, 1] as [Int32], [2, 3])).tanh() }),
        ("attention", { scaledDotProductAttention($0[0], $0[1], $0[2], isCausal: true) }),
        ("lstm", { recurrent(.lstm, $0) }), ("gru", { recurrent(.gru, $0) }),
    ]

    private static func recurrent(_ kind: RecurrentKind, _ operands: [Tensor]) -> Tensor {
        operands[0].recurrent(
            kind,
            RecurrentWeights(
                input: operands[1], hidden: operands[2], inputBias: operands[3], hiddenBias: operands[4])
        ).outputs
    }

    @Test(arguments: devices) func hessianVectorProducts(_ subject: BackendUnderTest) throws {
        let fixture = try Fixture("second-order")
        try withDevice(subject.device) {
            for (name, function) in Self.functions {
                let count = fixture.names.filter { $0.hasPrefix("\(name).operand.") }.count
                let leaves = try (0..<count).map {
                    try fixture.tensor("\(name).operand.\($0)", on: subject.device).requiringGradient()
                }
                let output = function(leaves)
                let first = try gradient(
                    of: output, withRespectTo: leaves,
                    gradient: try fixture.tensor("\(name).upstream", on: subject.device), createsGraph: true)
                let product = try first.enumerated().map { index, gradient in
                    (gradient * (try fixture.tensor("\(name).vector.\(index)", on: subject.device))).sum()
                }.reduce(Tensor(0), +)
                let second = try gradient(of: product, withRespectTo: leaves, unused: .zeros)
                for index in leaves.indices {
                    try expectClose(
                        first[index], try fixture.values("\(name).first.\(index)"), 1e-5,
                        "\(name), gradient \(index)")
                    try expectClose(
                        second[index], try fixture.values("\(name).second.\(index)"), 1e-4,
                        "\(name), second gradient \(index)")
                }
            }
        }
    }

    @Test(arguments: devices) func theGradientPenaltyOfACritic(_ subject: BackendUnderTest) throws {
        let fixture = try Fixture("second-order")
        try withDevice(subject.device) {
            let critic = Sequential {
                Linear(6, 16)
                SiLU()
                Linear(16, 1)
            }
            for parameter in critic.parameters {
                parameter.assign(try fixture.tensor("penalty.\(parameter.name)", on: subject.device))
            }
            let x = try fixture.tensor("penalty.inputs", on: subject.device).requiringGradient()
            let slopes = try gradient(of: critic(x).sum(), withRespectTo: x, createsGraph: true)
            let penalty = (slopes.square().sum([1]).squareRoot() - 1).square().mean()
            try expectClose(penalty, try fixture.values("penalty.value"), 1e-5, "penalty")
            try penalty.backward()
            for parameter in critic.parameters {
                let expected = try fixture.values("penalty.gradients.\(parameter.name)")
                guard let gradient = parameter.gradient else {
                    #expect(expected.allSatisfy { $0 == 0 }, "\(parameter.name) has no gradient")
                    continue
                }
                try expectClose(gradient, expected, 1e-4, "penalty, gradient of \(parameter.name)")
            }
        }
    }
}

import Gimbal

extension GraphRules {
    static let elementRules = unaryRules + binaryRules + maskRules + inPlaceRules

    private static func unary(_ call: String, weight: Int = 1, _ compute: @escaping @Sendable (Tensor) -> Tensor)
        -> GraphRule
    {
        GraphRule(call, 1, weight: weight) { _ in GraphPlan("$0.\(call)") { compute($0[0]) } }
    }

    private static let unaryRules: [GraphRule] = [
        unary("exp()") { $0.exp() }, unary("log()") { $0.log() }, unary("squareRoot()") { $0.squareRoot() },
        unary("reciprocalSquareRoot()") { $0.reciprocalSquareRoot() }, unary("reciprocal()") { $0.reciprocal() },
        unary("square()", weight: 2) { $0.square() }, unary("sine()") { $0.sine() }, unary("cosine()") { $0.cosine() },
        unary("absolute()") { $0.absolute() }, unary("sign()") { $0.sign() },
        unary("clamped(to: -0.5...1)") { $0.clamped(to: -0.5...1) },
        unary("affine(scale: -1.5, shift: 0.25)", weight: 2) { $0.affine(scale: -1.5, shift: 0.25) },
        unary("power(3)") { $0.power(3) }, unary("sigmoid()", weight: 2) { $0.sigmoid() },
        unary("tanh()", weight: 2) { $0.tanh() }, unary("relu()", weight: 3) { $0.relu() },
        unary("leakyReLU()") { $0.leakyReLU() }, unary("elu()") { $0.elu() }, unary("selu()") { $0.selu() },
        unary("celu(scale: 1.5)") { $0.celu(scale: 1.5) }, unary("silu()") { $0.silu() },
        unary("gelu()", weight: 2) { $0.gelu() },
        unary("gelu(approximatesByTanh: true)") { $0.gelu(approximatesByTanh: true) }, unary("mish()") { $0.mish() },
        unary("softplus()") { $0.softplus() },
        unary("softplus(beta: 3, threshold: 2)") { $0.softplus(beta: 3, threshold: 2) },
        unary("logSigmoid()") { $0.logSigmoid() }, unary("softsign()") { $0.softsign() },
        unary("hardTanh()") { $0.hardTanh() }, unary("hardSigmoid()") { $0.hardSigmoid() },
        unary("hardSwish()") { $0.hardSwish() }, unary("hardShrink()") { $0.hardShrink() },
        unary("softShrink()") { $0.softShrink() }, unary("tanhShrink()") { $0.tanhShrink() },
        unary("threshold(0.1, value: 3)") { $0.threshold(0.1, value: 3) }, unary("relu6()") { $0.relu6() },
        unary("contiguous()") { $0.contiguous() }, unary("detached()") { $0.detached() }, unary("copy()") { $0.copy() },
        unary("cast(to: .bfloat16)") { $0.cast(to: .bfloat16) }, unary("cast(to: .float16)") { $0.cast(to: .float16) },
        GraphRule("checkpointed", 1) { _ in
            GraphPlan("checkpointed($0) { x in x.tanh() * x }") { checkpointed($0[0]) { $0.tanh() * $0 } }
        },
        GraphRule("dropout", 1) { planner in
            let probability = planner.among([0.5, 0.1])
            return GraphPlan("$0.droppedOut(probability: \(probability))") {
                $0[0].droppedOut(probability: probability)
            }
        },
        GraphRule("glu", 1) { planner in
            guard planner.rank(0) > 0 else { return nil }
            let axis = planner.axis()
            return planner.shape(0)[axis] % 2 == 1 ? nil : GraphPlan("$0.glu(axis: \(axis))") { $0[0].glu(axis: axis) }
        },
        GraphRule("prelu", 1) { planner in
            guard planner.rank(0) >= 2 else { return nil }
            let channels = planner.flag() ? planner.shape(0)[1] : 1
            planner.tensor([channels] + [Int](repeating: 1, count: planner.rank(0) - 2))
            return GraphPlan("$0.prelu(slopes: $1)") { $0[0].prelu(slopes: $0[1]) }
        },
    ]

    /// Whether two operands have shapes that broadcast, to no more elements than a graph may have.
    static func broadcasts(_ planner: GraphPlanner) -> Bool {
        planner.operands[0].shape.broadcast(with: planner.operands[1].shape).map { $0.elementCount <= 20_000 } ?? false
    }

    private static func binary(
        _ source: String, weight: Int = 2, _ compute: @escaping @Sendable (Tensor, Tensor) -> Tensor
    ) -> GraphRule {
        GraphRule(source, 2, weight: weight) { planner in
            broadcasts(planner) ? GraphPlan(source) { compute($0[0], $0[1]) } : nil
        }
    }

    private static let binaryRules: [GraphRule] = [
        binary("$0 + $1", weight: 6, +), binary("$0 - $1", weight: 4, -), binary("$0 * $1", weight: 6, *),
        binary("$0 / $1", weight: 2, /),
        binary("Tensor.maximum($0, $1)", Tensor.maximum), binary("Tensor.minimum($0, $1)", Tensor.minimum),
        binary("$0.absolute().power($1)", weight: 1) { $0.absolute().power($1) },
        binary("Tensor.select($0 .> $1, $0, $1)") { Tensor.select($0 .> $1, $0, $1) },
        binary("$0 * $1.detached()", weight: 1) { $0 * $1.detached() },
        GraphRule("own +", 1, weight: 3) { planner in
            // A tensor of fewer axes, or with axes of 1, as biases have.
            var shape = planner.shape(0)
            shape.removeFirst(planner.below(shape.count + 1))
            for axis in shape.indices where planner.flag() { shape[axis] = 1 }
            planner.tensor(shape)
            return planner.flag()
                ? GraphPlan("$0 * $1") { $0[0] * $0[1] } : GraphPlan("$0 + $1") { $0[0] + $0[1] }
        },
    ]

    private static let maskRules: [GraphRule] = [
        GraphRule("select", 1) { planner in
            planner.tensor(planner.shape(0), .mask)
            planner.tensor([])
            return GraphPlan("Tensor.select($1, $0, $2)") { Tensor.select($0[1], $0[0], $0[2]) }
        },
        GraphRule("filled", 1) { planner in
            planner.tensor(planner.shape(0), .mask)
            return GraphPlan("$0.filled(where: $1, with: 0.5)") { $0[0].filled(where: $0[1], with: 0.5) }
        },
        GraphRule("isNaN", 1, weight: 1) { _ in
            GraphPlan("Tensor.select($0.isNaN(), $0.scalar(1), $0)") {
                Tensor.select($0[0].isNaN(), $0[0].scalar(1), $0[0])
            }
        },
    ]

    private static let inPlaceRules: [GraphRule] = [
        GraphRule("assign", 1) { planner in
            guard planner.rank(0) > 0 else { return nil }
            let size = planner.shape(0)[0]
            let start = planner.below(size + 1)
            let end = start + planner.below(size - start + 1)
            planner.tensor([end - start] + planner.shape(0).dropFirst())
            return GraphPlan("{ var z = $0; z[\(start)..<\(end)] = $1; return z }()") { tensors in
                var z = tensors[0]
                z[start..<end] = tensors[1].cast(to: z.dtype)
                return z
            }
        },
        GraphRule("assign number", 1) { planner in
            guard planner.rank(0) > 0 else { return nil }
            planner.tensor(planner.shape(0), .mask)
            return GraphPlan("{ var z = $0; z[$1] = 0.5; return z }()") { tensors in
                var z = tensors[0]
                z[tensors[1]] = 0.5
                return z
            }
        },
        GraphRule("+=", 1, weight: 1) { planner in
            guard planner.rank(0) > 0, planner.shape(0)[0] > 0 else { return nil }
            let row = planner.below(planner.shape(0)[0])
            return GraphPlan("{ var z = $0; z[\(row)] *= 2; z += 1; return z }()") { tensors in
                var z = tensors[0]
                z[row] *= 2
                z += 1
                return z
            }
        },
    ]
}

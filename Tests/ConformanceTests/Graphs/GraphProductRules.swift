import Gimbal

extension GraphRules {
    static let productRules: [GraphRule] = [
        GraphRule("matrixMultiplied", 2, weight: 6) { planner in
            let (x, y) = (planner.shape(0), planner.shape(1))
            guard x.count >= 2, y.count >= 2, x[x.count - 1] == y[y.count - 2] else { return nil }
            guard let batch = Shape(x.dropLast(2)).broadcast(with: Shape(y.dropLast(2))) else { return nil }
            let work = batch.elementCount * x[x.count - 2] * x[x.count - 1] * y[y.count - 1]
            return work > 60_000 ? nil : GraphPlan("$0.matrixMultiplied(by: $1)") { $0[0].matrixMultiplied(by: $0[1]) }
        },
        GraphRule("squared matrix", 1, weight: 4) { planner in
            let x = planner.shape(0)
            guard x.count >= 2, planner.count(0) * x[x.count - 2] <= 60_000 else { return nil }
            return GraphPlan("$0.matrixMultiplied(by: $0.transposed())") {
                $0[0].matrixMultiplied(by: $0[0].transposed())
            }
        },
        GraphRule("own product", 1, weight: 5) { planner in
            let x = planner.shape(0)
            guard x.count >= 2 else { return nil }
            let (inner, columns) = (x[x.count - 1], planner.among([1, 2, 3, 5, 8, 17, 33, 65]))
            let batch = planner.flag() ? Array(x.dropLast(2)) : []
            guard planner.count(0) * columns <= 60_000 else { return nil }
            if planner.flag() {
                planner.tensor(batch + [columns, inner], .weight(inputs: inner))
                return GraphPlan("$0.matrixMultiplied(by: $1.transposed())") {
                    $0[0].matrixMultiplied(by: $0[1].transposed())
                }
            }
            planner.tensor(batch + [inner, columns], .weight(inputs: inner))
            return GraphPlan("$0.matrixMultiplied(by: $1)") { $0[0].matrixMultiplied(by: $0[1]) }
        },
        GraphRule("linear", 1, weight: 8) { planner in
            guard planner.rank(0) >= 1, let inputs = planner.shape(0).last else { return nil }
            let outputs = planner.among([1, 2, 3, 4, 7, 16, 17, 32, 33, 64, 65, 0])
            guard planner.count(0) * outputs <= 60_000 else { return nil }
            planner.tensor([outputs, inputs], .weight(inputs: inputs), requiresGradient: !planner.flag())
            let activation = planner.among(["", ".relu()", ".gelu()", ".tanh()", ".sigmoid()", ".silu()"])
            let bias = planner.flag() ? "" : ", bias: $2"
            if !bias.isEmpty { planner.tensor([outputs], requiresGradient: !planner.flag()) }
            return GraphPlan("$0.linear(weight: $1\(bias))\(activation)") { tensors in
                let y = tensors[0].linear(weight: tensors[1], bias: bias.isEmpty ? nil : tensors[2])
                return switch activation {
                case ".relu()": y.relu()
                case ".gelu()": y.gelu()
                case ".tanh()": y.tanh()
                case ".sigmoid()": y.sigmoid()
                case ".silu()": y.silu()
                default: y
                }
            }
        },
        GraphRule("einsum", 2, weight: 1) { planner in
            let (x, y) = (planner.shape(0), planner.shape(1))
            guard x.count == 2, y.count == 2, x[0] == y[0], planner.count(0) * y[1] <= 60_000 else { return nil }
            return GraphPlan("einsum(\"ki,kj->ij\", $0, $1)") { einsum("ki,kj->ij", $0[0], $0[1]) }
        },
    ]
}

import Gimbal
import GimbalNN

extension GraphRules {
    static let layerRules: [GraphRule] = [
        GraphRule("attention", 1, weight: 5) { planner in
            guard (2...4).contains(planner.rank(0)), planner.count(0) > 0 else { return nil }
            let x = planner.shape(0)
            let leading = Array(x.dropLast(2))
            let keys = planner.among([x[x.count - 2], 1, 5, 17])
            let valueSize = planner.among([x[x.count - 1], 3])
            guard planner.count(0) * keys <= 60_000 else { return nil }
            planner.tensor(leading + [keys, x[x.count - 1]])
            planner.tensor(leading + [keys, valueSize])
            let isCausal = planner.flag()
            let mask: Int? = [
                nil, planner.tensor([x[x.count - 2], keys], .mask), planner.tensor([keys]),
            ][planner.below(3)]
            let source = mask.map { ", mask: $\($0)" } ?? ""
            return GraphPlan("scaledDotProductAttention($0, $1, $2\(source), isCausal: \(isCausal))") { tensors in
                scaledDotProductAttention(
                    tensors[0], tensors[1], tensors[2], mask: mask.map { tensors[$0] }, isCausal: isCausal)
            }
        },
        GraphRule("self-attention", 1, weight: 2) { planner in
            guard (2...4).contains(planner.rank(0)), planner.count(0) > 0 else { return nil }
            guard planner.count(0) * planner.shape(0)[planner.rank(0) - 2] <= 60_000 else { return nil }
            let isCausal = planner.flag()
            return GraphPlan("scaledDotProductAttention($0, $0, $0, isCausal: \(isCausal))") {
                scaledDotProductAttention($0[0], $0[0], $0[0], isCausal: isCausal)
            }
        },
        recurrent("LSTM") {
            LSTM(inputSize: $0, hiddenSize: $1, layers: $2, isBidirectional: $3)
        } _: { layer, x, lengths in
            layer(x, state: nil, lengths: lengths).outputs
        },
        recurrent("GRU") {
            GRU(inputSize: $0, hiddenSize: $1, layers: $2, isBidirectional: $3)
        } _: { layer, x, lengths in
            layer(x, state: nil, lengths: lengths).outputs
        },
        recurrent("RNN") {
            RNN(inputSize: $0, hiddenSize: $1, layers: $2, isBidirectional: $3)
        } _: { layer, x, lengths in
            layer(x, state: nil, lengths: lengths).outputs
        },
        GraphRule("Linear layers", 1, weight: 5) { planner in
            guard let inputs = planner.shape(0).last, inputs > 0 else { return nil }
            let (hidden, outputs) = (planner.among([1, 3, 17, 33]), planner.among([1, 2, 5, 16]))
            guard planner.count(0) * hidden <= 60_000 else { return nil }
            return GraphPlan(
                "Sequential([Linear(\(inputs), \(hidden)), GELU(), Dropout(0.25), Linear(\(hidden), \(outputs))])",
                make: { Sequential([Linear(inputs, hidden), GELU(), Dropout(0.25), Linear(hidden, outputs)]) },
                { model, x in model(x[0]) })
        },
        GraphRule("one layer twice", 1, weight: 3) { planner in
            guard let inputs = planner.shape(0).last, inputs > 0, planner.count(0) * inputs <= 60_000 else {
                return nil
            }
            return GraphPlan(
                "Linear(\(inputs), \(inputs))", "$m($m($0).tanh())", make: { Linear(inputs, inputs) },
                { layer, x in layer(layer(x[0]).tanh()) })
        },
        GraphRule("Conv2d", 1, weight: 3) { planner in
            guard planner.rank(0) == 4, planner.count(0) > 0 else { return nil }
            let channels = planner.shape(0)[1]
            let outputs = planner.among([1, 3, 8])
            guard planner.count(0) / channels > 1, planner.count(0) * outputs * 9 <= 60_000 else { return nil }
            return GraphPlan(
                "Sequential([Conv2d(\(channels), \(outputs), kernelSize: 3, padding: 1), BatchNorm2d(\(outputs)), ReLU()])",
                make: {
                    Sequential([Conv2d(channels, outputs, kernelSize: 3, padding: 1), BatchNorm2d(outputs), ReLU()])
                }, { model, x in model(x[0]) })
        },
        GraphRule("TransformerEncoderLayer", 1, weight: 2) { planner in
            guard planner.rank(0) == 3, planner.count(0) > 0, let size = planner.shape(0).last, size <= 33 else {
                return nil
            }
            guard planner.count(0) * size * 3 <= 60_000 else { return nil }
            let heads = planner.among([1, 2, 3].filter { size % $0 == 0 })
            let normFirst = planner.flag()
            return GraphPlan(
                "TransformerEncoderLayer(\(size), heads: \(heads), feedforwardSize: 5, dropout: 0, isBatchFirst: true, "
                    + "normFirst: \(normFirst))", "$m($0, mask: nil)",
                make: {
                    TransformerEncoderLayer(
                        size, heads: heads, feedforwardSize: 5, dropout: 0, isBatchFirst: true, normFirst: normFirst)
                }, { layer, x in layer(x[0], mask: nil) })
        },
    ]

    /// A recurrent layer over [steps, batch, size].
    private static func recurrent<Net: Module>(
        _ name: String, make: @escaping @Sendable (Int, Int, Int, Bool) -> Net,
        _ compute: @escaping @Sendable (Net, Tensor, Tensor?) -> Tensor
    ) -> GraphRule {
        GraphRule(name, 1, weight: 3) { planner in
            guard planner.rank(0) == 3, planner.count(0) > 0, planner.shape(0)[0] <= 9 else { return nil }
            let x = planner.shape(0)
            let hidden = planner.among([1, 2, 5, 17])
            guard planner.count(0) * hidden <= 12_000, x[0] * x[1] * hidden * hidden <= 12_000 else { return nil }
            let (layers, isBidirectional) = (1 + planner.below(2), planner.flag())
            let lengths = planner.flag() ? planner.tensor([x[1]], .whole(1...x[0])) : nil
            return GraphPlan(
                "\(name)(inputSize: \(x[2]), hiddenSize: \(hidden), layers: \(layers), isBidirectional: \(isBidirectional))",
                "$m($0, state: nil\(lengths.map { ", lengths: $\($0)" } ?? "")).outputs",
                make: { make(x[2], hidden, layers, isBidirectional) },
                { net, tensors in compute(net, tensors[0], lengths.map { tensors[$0] }) })
        }
    }
}

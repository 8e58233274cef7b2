import GimbalNN
import GimbalONNX
import GimbalTestSupport
import GimbalTrain
import Testing

/// A model that is one function of tensors.
final class Glue: Module, Layer {
    private let body: (Tensor) -> Tensor
    init(_ body: @escaping (Tensor) -> Tensor) { self.body = body }
    func forward(_ input: Tensor) -> Tensor { body(input) }
}

/// What a user's own `forward` may hold between layers, and the layers that are in no model of the zoo.
@Suite("Operations by onnxruntime", .enabled(if: RuntimeComparison.python != nil, RuntimeComparison.reasonToSkip))
struct OperationTests {
    private func compare(_ shape: [Int], _ bodies: [(String, (Tensor) -> Tensor)]) throws {
        try RuntimeComparison.run { comparison in
            for (name, body) in bodies {
                try withGenerator(RandomGenerator(seed: 1)) {
                    try comparison.add(name, Glue(body)) { .normal(Shape([$0] + shape)) }
                }
            }
        }
    }

    @Test("Shapes: reshaped with the batch, transposed, sliced, joined, repeated, padded")
    func shapes() throws {
        try compare(
            [4, 6],
            [
                ("rows", { $0.reshaped([-1, 6]) }),
                ("flattened", { $0.flattened(from: 1) }),
                ("batch-last", { $0.permuted([2, 1, 0]).reshaped([6, -1]) }),
                (
                    "batch-twice",
                    { x in x.reshaped([x.shape[0], 24]).matrixMultiplied(by: x.reshaped([-1, 24]).transposed()) }
                ),
                (
                    "two-varying",
                    { x in
                        let y = x.reshaped([x.shape[0], 24])
                        return y.expandingAxis(1).broadcast(to: [x.shape[0], x.shape[0], 24]) * y.expandingAxis(0)
                    }
                ),
                ("twice-the-batch", { x in x.sum([0]).broadcast(to: [2 * x.shape[0], 4, 6]) }),
                ("sliced", { $0.sliced(1..<3, axis: 1).sliced(0..<2, axis: 2) }),
                ("subscript", { $0[0..., -1, .every(2)] }),
                ("backwards", { $0[0..., .every(-1), .every(-2)] }),
                ("flipped", { $0.flipped() }),
                ("batch-halves", { x in x[.every(2)] }),
                ("first", { $0[0] }),
                ("rest", { x in .concatenated([x[..., 1...], x[..., 0..<1]], axis: 2) }),
                ("joined", { .concatenated([$0, $0 * 2], axis: 0) }),
                ("stacked", { .stacked([$0, $0 * 2, $0], axis: 1) }),
                ("rolled", { $0.rolled(by: 2, axis: 1) }),
                ("tiled", { $0.tiled([2, 3]) }),
                ("repeated", { $0.repeated(2, axis: 0) }),
                ("padded", { $0.padded([(1, 2), (0, 3)], .constant(0.5)) }),
                ("reflected", { $0.padded([(1, 2)], .reflect) }),
                ("split", { x in x.split(sizes: [1, 3], axis: 1).map { $0.sum([1]) }.reduce(x[0..., 0]) { $0 + $1 } }),
                ("squeezed", { $0.sum([1], keepsAxes: true).squeezed(1) }),
                ("zeros", { x in .concatenated([x, .zeros([x.shape[0], 1, 6])], axis: 1) }),
            ])
    }

    @Test("Elements: arithmetic, comparisons, selection, formulas of one's own, whole numbers")
    func elements() throws {
        let formula = ElementFunction { x, y in .select(x .< y, x * y.sigmoid(), (x - y).tanh() * 0.5) }
        let number = ElementFunction(inputs: 1, numbers: 1) { x, n in [n[0] * x[0].tanh()] }
        try compare(
            [4, 6],
            [
                ("arithmetic", { ($0 * 2 + 1) / ($0 * $0 + 3) - 1 / ($0.absolute() + 1) }),
                ("powers", { $0.absolute().power(1.5) + $0.square() + ($0.absolute() + 1).reciprocalSquareRoot() }),
                ("logarithms", { ($0.absolute() + 1).log() + $0.exp() + $0.sine() * $0.cosine() }),
                ("extremes", { .maximum($0, $0.flipped([2])) + .minimum($0, Tensor([0.5])) }),
                ("select", { .select(($0 .> 0) .& ($0 .< 1) .| .!($0 .>= -1), $0, -$0) }),
                ("mask", { ($0 .!= 0.25).cast(to: .float32) * $0 }),
                ("filled", { $0.filled(where: $0 .< 0, with: 7) }),
                ("formula", { formula($0, $0.transposed(1, 2).reshaped($0.shape)) }),
                ("number", { number($0, numbers: [0.25]) }),
                ("whole", { x in ((x * 3).cast(to: .int32) * 2 - 1).cast(to: .float32) }),
                ("clamped", { $0.clamped(to: -0.5...0.5) + $0.hardTanh() + $0.softplus(beta: 2, threshold: 1) }),
                ("gated", { $0.glu() }),
                ("triangle", { $0.lowerTriangle(offset: 1) }),
                (
                    "assigned",
                    { x in
                        var y = x * 2
                        y[0..., 1, 2..<4] = x[0..., 0, 0..<2]
                        y[0..., 3] = Tensor([9.0])
                        return y
                    }
                ),
            ])
    }

    @Test("Folds, products, order and choices")
    func folds() throws {
        let table = Tensor.normal([9, 5], generator: RandomGenerator(seed: 2))
        try compare(
            [4, 6],
            [
                ("sums", { $0.sum([1]) + $0.mean([1]) + $0.max([1]) + $0.min([1]) }),
                ("product", { $0.product([2]) }),
                (
                    "deviations",
                    {
                        $0.standardDeviation([2], keepsAxes: true)
                            + $0.variance([1, 2], isUnbiased: true, keepsAxes: true)
                    }
                ),
                ("norms", { $0.norm([2]) + $0.norm(p: 3, [2]) + $0.norm(p: 1, [2]) + $0.norm(p: .infinity, [2]) }),
                ("log-sum-exp", { $0.logSumExp([1, 2]) }),
                ("over-batch", { $0.sum([0]) }),
                ("softmax", { $0.softmax(axis: 1) + $0.logSoftmax() + $0.softmin() }),
                ("running", { $0.cumulativeSum(axis: 1) }),
                ("largest", { $0.argMax(axis: 1) }),
                ("smallest", { $0.argMin() }),
                ("sorted", { $0.sorted(axis: 2, isDescending: true).values }),
                ("top", { $0.topK(3, axis: 1).indices }),
                ("any", { ($0 .> 1).any([2]).cast(to: .float32) + ($0 .> -1).all([2]).cast(to: .float32) }),
                ("einsum", { einsum("bij,bkj->bik", $0, $0 * 2) }),
                ("gathered", { table.gathered(($0.sigmoid() * 8).cast(to: .int32)) }),
                ("indexed", { table[($0.sigmoid() * 8).cast(to: .int32) - 9] }),
                ("axis", { $0.gathered(Tensor([2, 0] as [Int32]), axis: 2) }),
                (
                    "scattered",
                    { x in
                        let order = x.argSorted(axis: 2)
                        return x.scattered(x * 2, along: 2, at: order) + x.scatterAdded(x, along: 2, at: order)
                    }
                ),
            ])
    }

    @Test("Layers that are in no model of the zoo")
    func layers() throws {
        try RuntimeComparison.run { comparison in
            try withGenerator(RandomGenerator(seed: 7)) {
                func add(_ name: String, _ shape: [Int], _ model: any TensorLayer) throws {
                    settleStatistics(model, .normal(Shape([6] + shape)))
                    try comparison.add(name, model) { .normal(Shape([$0] + shape)) }
                }
                try add("conv1d", [6, 11], Conv1d(6, 4, kernelSize: 3, stride: 2, padding: 2, dilation: 2, groups: 2))
                try add("conv3d", [2, 5, 6, 7], Conv3d(2, 3, kernelSize: 3, padding: 1))
                try add(
                    "transposed", [4, 5, 6],
                    ConvTranspose2d(4, 6, kernelSize: 3, stride: 2, padding: 1, outputPadding: 1, groups: 2))
                try add("max", [2, 9, 10], MaxPool2d(kernelSize: 3, stride: 2, padding: 1, dilation: 2))
                try add("max-up", [2, 8, 10], MaxPool2d(kernelSize: 3, stride: 2, roundsUp: true))
                try add("average", [2, 9, 10], AvgPool2d(kernelSize: 3, stride: 2, padding: 1))
                try add("average-up", [2, 8, 10], AvgPool2d(kernelSize: 3, stride: 2, padding: 1, roundsUp: true))
                try add(
                    "average-inside", [2, 8],
                    AvgPool1d(kernelSize: 3, stride: 2, padding: 1, countsPadding: false, roundsUp: true))
                try add("adaptive", [2, 9, 10], AdaptiveAvgPool2d([4, 3]))
                try add("adaptive-even", [2, 9, 10], AdaptiveAvgPool2d([3, 5]))
                try add("adaptive-max", [2, 9, 10], AdaptiveMaxPool2d([4, 3]))
                try add("instance", [3, 5, 5], InstanceNorm2d(3, isAffine: true))
                try add(
                    "instance-tracked", [3, 5, 5], InstanceNorm2d(3, isAffine: true, tracksRunningStatistics: true))
                try add("batch-plain", [3, 5], BatchNorm1d(3, isAffine: false))
                try add("group", [8, 3, 3], GroupNorm(groups: 4, channels: 8))
                try add("layer", [3, 5], LayerNorm([3, 5], hasBias: false))
                try add("rms", [3, 5], RMSNorm([5]))
                try add("rotary", [3, 7, 8], RotaryPositions(8))
                try add(
                    "decoder-like", [7, 8],
                    TransformerEncoderLayer(8, heads: 2, feedforwardSize: 16, isBatchFirst: true))
                try comparison.add(
                    "steps-first", LSTM(inputSize: 3, hiddenSize: 5, isBidirectional: true), batchAxis: 1
                ) {
                    .normal([6, $0, 3])
                }
                try comparison.add("no-bias", GRU(inputSize: 3, hiddenSize: 5, hasBias: false, isBatchFirst: true)) {
                    .normal([$0, 6, 3])
                }
            }
        }
    }

    @Test("Several inputs and outputs: lengths, states, masks")
    func severalInputs() throws {
        try RuntimeComparison.run { comparison in
            try withGenerator(RandomGenerator(seed: 8)) {
                let net = LSTM(inputSize: 3, hiddenSize: 4, layers: 2, isBatchFirst: true, isBidirectional: true)
                try comparison.add(
                    "lengths", net, inputs: ["x", "lengths"], outputs: ["y", "hidden", "cell"],
                    { [.normal([$0, 5, 3]), Tensor((0..<$0).map { Int32($0 % 5 + 1) }, [$0])] }
                ) { given in
                    let (outputs, state) = net(given[0], lengths: given[1])
                    return [outputs, state.hidden.transposed(0, 1), state.cell!.transposed(0, 1)]
                }
                let attention = MultiheadAttention(8, heads: 2, isBatchFirst: true)
                try comparison.add(
                    "attention", attention, inputs: ["query", "key", "padding"], outputs: ["y"],
                    { batch in
                        let padding = Tensor(
                            (0..<batch * 5).map { UInt8($0 % 5 < 3 || $0 % 2 == 0 ? 1 : 0) }, [batch, 5])
                        return [.normal([batch, 4, 8]), .normal([batch, 5, 8]), padding]
                    }
                ) { [attention($0[0], $0[1], $0[1], keyPaddingMask: $0[2], isCausal: true)] }
                try comparison.add(
                    "ends", attention, inputs: ["query", "lengths"], outputs: ["y"],
                    { [.normal([$0, 2, 5, 8]), Tensor((0..<$0).map { Int32($0 % 6) }, [$0])] }
                ) { [scaledDotProductAttention($0[0], $0[0], $0[0], keyLengths: $0[1])] }
            }
        }
    }
}

import GimbalNN
import GimbalTestSupport
import Testing

/// Numbers at the ends of float32's range give what they give in Double, forward and backward, in everything that folds.
@Suite struct ExtremeTests {
    /// Those whose result, or a term of it, is a square that no float may hold.
    static let squares: [(name: String, fold: @Sendable (Tensor) -> Tensor)] = [
        ("variance", { $0.variance([1]) }),
        ("meanSquaredError", { meanSquaredError($0, .zeros(like: $0)) }),
        (
            "attention",
            { x in
                let heads = x.reshaped([1, 1, 3, 6])
                return scaledDotProductAttention(heads, heads, heads)
            }
        ),
    ]

    private static let others: [(name: String, fold: @Sendable (Tensor) -> Tensor)] = [
        ("sum", { $0.sum([1]) }),
        ("mean", { $0.mean([1]) }),
        ("mean of all", { $0.mean() }),
        ("standardDeviation", { $0.standardDeviation([1]) }),
        ("norm", { $0.norm([1]) }),
        ("norm(p: 1)", { $0.norm(p: 1, [1]) }),
        ("norm(p: 3)", { $0.norm(p: 3, [1]) }),
        ("norm(p: 0.5)", { $0.norm(p: 0.5, [1]) }),
        ("max", { $0.max([1]) }),
        ("softmax", { $0.softmax() }),
        ("logSoftmax", { $0.logSoftmax() }),
        ("logSumExp", { $0.logSumExp([1]) }),
        ("cumulativeSum", { $0.cumulativeSum(axis: 1) }),
        ("crossEntropy", { crossEntropy($0, Tensor([0, 1, 2] as [Int32])) }),
        ("smoothed crossEntropy", { crossEntropy($0, Tensor([0, 1, 2] as [Int32]), labelSmoothing: 0.1) }),
        ("meanAbsoluteError", { meanAbsoluteError($0, .zeros(like: $0)) }),
        ("cosineSimilarity", { cosineSimilarity($0, $0.flipped([1])) }),
        ("LayerNorm", { LayerNorm([6])($0) }),
        ("RMSNorm", { RMSNorm([6], epsilon: 1e-5)($0) }),
        ("BatchNorm1d", { BatchNorm1d(6)($0) }),
        ("GroupNorm", { GroupNorm(groups: 2, channels: 6)($0) }),
    ]

    static let folds = squares + others

    /// A result, and the gradient of its elements summed with different weights.
    private func results(_ subject: BackendUnderTest, _ values: [Float], _ fold: (Tensor) -> Tensor) throws -> [[Float]]
    {
        try withDevice(Device(backend: subject.backend)) {
            let x = Tensor(values, [3, 6]).requiringGradient()
            let y = fold(x)
            let weights = Tensor((0..<y.elementCount).map { Float($0 % 5) * 0.3 - 0.5 }, y.shape)
            return [try y.floats(), try gradient(of: (y * weights).sum(), withRespectTo: x).floats()]
        }
    }

    @Test(arguments: 0..<folds.count) func alikeOnEveryBackend(index: Int) throws {
        let (name, fold) = Self.folds[index]
        let pattern: [Float] = [1, -0.5, 0.25, 0.75, -1, 0.125, 0, 0.5, 1, 1, 1, 1, 1, 1, -0.25, -0.75, 0.3, 0.6]
        for magnitude in [1e-37, 1e-30, 1e-25, 1e-20, 1e-10, 1, 1e10, 1e18, 1e19, 1e20, 1e25, 1e30, 1e37]
            as [Float]
        {
            if index < Self.squares.count && magnitude > 1e18 { continue }
            let values = pattern.map { $0 * magnitude }
            let expected = try results(
                BackendUnderTest(description: "reference", backend: ReferenceBackend()), values, fold)
            for subject in BackendUnderTest.all {
                let found = try results(subject, values, fold)
                for (part, (x, y)) in zip(["forward", "backward"], zip(expected, found)) {
                    let largest = x.filter(\.isFinite).map(abs).max() ?? 0
                    let isAlike = zip(x, y).allSatisfy {
                        $0 == $1 || $0.isNaN && $1.isNaN || abs($0 - $1) <= 1e-4 * largest + 1e-37
                    }
                    #expect(isAlike, "\(name) at \(magnitude), \(part): \(x), \(subject) \(y)")
                }
            }
        }
    }
}

import Gimbal
import GimbalNN
import GimbalTestSupport
import Testing

extension Conformance {
    /// Sums of many terms that are alike, as those of a softmax of equal logits. Additions of like terms all round the same
    /// way, so that the errors of one long chain grow with its length, where those of terms by chance mostly cancel.
    @Suite struct LongSums {
        /// Numbers of terms: a long row, many classes, and more than fit one work-group or block of any kind.
        static let lengths = [1800, 3969, 50_257, 300_001]

        struct Case: Sendable {
            var name: String
            /// What is to be nearly the same numbers as in Double, each relative to itself.
            var compute: @Sendable (_ length: Int) throws -> [Tensor]
        }

        /// A tenth, and nothing for every other of some, so that neither means nor variances are whole.
        private static func alike(_ length: Int, _ value: Double = 0.1) -> [Double] {
            (0..<length).map { $0 % 3 == 0 ? value : -2 * value }
        }

        private static func gradient(_ x: Tensor, of result: (Tensor) -> Tensor) throws -> [Tensor] {
            let x = x.requiringGradient()
            let result = result(x)
            try (result * Tensor.full(result.shape, 0.1)).sum().backward()
            return [result.detached(), x.gradient!]
        }

        static let cases = [
            Case(name: "sum") { [Tensor.full([$0], 0.1).sum(), Tensor.full([2, $0], 0.1).sum([1])] },
            Case(name: "sum over rows") { [Tensor.full([$0, 3], 0.1).sum([0])] },
            Case(name: "strided sum") { [Tensor.full([3, $0], 0.1).transposed()[0..<$0].sum([0])] },
            Case(name: "mean") { [Tensor.full([$0], 0.1).mean()] },
            Case(name: "norm") { [Tensor.full([$0], 0.1).norm()] },
            Case(name: "variance") { [Tensor(alike($0), [$0]).variance()] },
            Case(name: "softmax") { [Tensor.full([2, $0], 0.1).softmax()] },
            Case(name: "softmax over rows") { [Tensor.full([$0, 2], 0.1).softmax(axis: 0)] },
            Case(name: "softmax's gradient") {
                let weights = Tensor(alike($0, 2), [1, $0])
                return try gradient(Tensor.full([1, $0], 0.1)) { $0.softmax() * weights }
            },
            Case(name: "logSoftmax") { length in
                let weights = Tensor(alike(length, 2), [1, length])
                return try gradient(Tensor.full([1, length], 0.1)) { $0.logSoftmax() * weights }
            },
            Case(name: "logSumExp") { [Tensor.full([$0], 0.1).logSumExp()] },
            Case(name: "crossEntropy") {
                try gradient(Tensor.full([2, $0], 0.1)) { $0.crossEntropyMean(Tensor([0, 1] as [Int32], [2])) }
            },
            Case(name: "layerNorm") { [Tensor(alike($0), [1, $0]).layerNormalized(epsilon: 1e-12)] },
            Case(name: "layerNorm about 0") {
                [Tensor.full([1, $0], 0.1).layerNormalized(epsilon: 1e-12, centers: false)]
            },
            Case(name: "layerNorm's gradients of scale and shift") { length in
                let scale = Tensor.ones([3]).requiringGradient()
                let shift = Tensor.zeros([3]).requiringGradient()
                let x = Tensor((0..<length).flatMap { _ in [0.1, -0.2, 0.4] }, [length, 3])
                try x.layerNormalized(scale: scale, shift: shift).sum().backward()
                return [scale.gradient!, shift.gradient!]
            },
            Case(name: "batchNorm") {
                [
                    Tensor(alike($0), [$0, 1]).batchNormalized(
                        scale: nil, shift: nil, running: nil, momentum: 0.1, epsilon: 1e-12)
                ]
            },
            Case(name: "batchNorm of positions, with gradients") { length in
                let scale = Tensor.ones([1]).requiringGradient()
                let shift = Tensor.zeros([1]).requiringGradient()
                let out = Tensor(alike(2 * length), [2, 1, length]).batchNormalized(
                    scale: scale, shift: shift, running: nil, momentum: 0.1, epsilon: 1e-12)
                try (out * Tensor((0..<2 * length).map { $0 % 3 == 0 ? 0.7 : 0.1 }, out.shape)).sum().backward()
                return [out.detached(), scale.gradient!, shift.gradient!]
            },
            Case(name: "sum into one row") { length in
                [
                    Tensor.zeros([2, 3]).scatterAdded(
                        Tensor.full([length, 3], 0.1), along: 0,
                        at: Tensor([Int32](repeating: 1, count: 3 * length), [length, 3]))
                ]
            },
            Case(name: "embedding's gradient") { length in
                let table = Tensor.ones([2, 3]).requiringGradient()
                let rows = table.gathered(Tensor([Int32](repeating: 1, count: length), [length]))
                try (rows * 0.1).sum().backward()
                return [table.gradient!]
            },
        ]

        static let names = cases.map(\.name)

        @Test(arguments: BackendUnderTest.all, names)
        func likeTermsAddUp(on subject: BackendUnderTest, _ name: String) throws {
            let sum = Self.cases.first { $0.name == name }!
            try withEvery("terms", in: Self.lengths) { length in
                let expected = try withDevice(Device(backend: ReferenceBackend())) {
                    try sum.compute(length).map { try $0.doubles() }
                }
                let actual = try withDevice(Device(backend: subject.backend)) {
                    try sum.compute(length).map { try $0.doubles() }
                }
                for (actual, expected) in zip(actual, expected) {
                    let mismatch = Tolerance.likeTerms.mismatch(actual, expected: expected)
                    #expect(mismatch == nil, "\(length) terms: \(mismatch ?? "")")
                }
            }
        }
    }
}

extension Tolerance {
    /// A sum of like terms, or what is made of one, whatever the number of terms.
    fileprivate static let likeTerms = Tolerance(relative: 24 * 0x1p-23)
}

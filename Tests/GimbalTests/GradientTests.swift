import Gimbal
import GimbalTestSupport
import Testing

/// Every gradient rule of `Tensor` against central differences in Double, on the reference backend.
@Suite struct GradientTests {
    /// Five orders above the error that central differences leave in Double.
    static let tolerance = 1e-6

    func expectGradient(
        _ name: String, _ inputs: [(values: [Double], shape: Shape)], _ function: ([Tensor]) throws -> Tensor,
        sourceLocation: SourceLocation = #_sourceLocation
    ) throws {
        let check = try GradientCheck.run(inputs, function)
        #expect(check.largestError < Self.tolerance, "\(name): \(check.place)", sourceLocation: sourceLocation)
        let second = try GradientCheck.runSecond(inputs, function)
        #expect(
            second.largestError < Self.tolerance, "second gradient of \(name): \(second.place)",
            sourceLocation: sourceLocation)
    }

    @Test func unaryFunctions() throws {
        let anywhere: [(String, (Tensor) -> Tensor)] = [
            ("negate", { -$0 }), ("exp", { $0.exp() }), ("square", { $0.square() }), ("sine", { $0.sine() }),
            ("cosine", { $0.cosine() }), ("absolute", { $0.absolute() }), ("affine", { $0 * 3 - 2 }),
            ("power 3", { $0.power(3) }), ("clamped", { $0.clamped(to: -0.9...1.1) }), ("sigmoid", { $0.sigmoid() }),
            ("tanh", { $0.tanh() }), ("relu", { $0.relu() }), ("leakyReLU", { $0.leakyReLU(slope: 0.1) }),
            ("elu", { $0.elu(scale: 0.7) }), ("silu", { $0.silu() }), ("gelu", { $0.gelu() }),
            ("gelu tanh", { $0.gelu(approximatesByTanh: true) }), ("softplus", { $0.softplus() }),
            ("2 - x", { 2 - $0 }), ("sign", { $0.sign() * $0 }),
        ]
        for (name, function) in anywhere {
            try expectGradient(name, [spread([3, 5])]) { function($0[0]) }
        }
        let positive: [(String, (Tensor) -> Tensor)] = [
            ("log", { $0.log() }), ("squareRoot", { $0.squareRoot() }), ("1 / x", { 1 / $0 }),
            ("reciprocalSquareRoot", { $0.reciprocalSquareRoot() }), ("power 0.3", { $0.power(0.3) }),
        ]
        for (name, function) in positive {
            try expectGradient(name, [spread([3, 5], low: 0.3, high: 3)]) { function($0[0]) }
        }
    }

    @Test func binaryFunctionsBroadcast() throws {
        let functions: [(String, (Tensor, Tensor) -> Tensor)] = [
            ("+", { $0 + $1 }), ("-", { $0 - $1 }), ("*", { $0 * $1 }), ("/", { $0 / $1 }),
            ("power", { $0.power($1) }), ("maximum", { .maximum($0, $1) }), ("minimum", { .minimum($0, $1) }),
        ]
        let shapes: [(Shape, Shape)] = [
            ([2, 3], [2, 3]), ([2, 3], [3]), ([2, 1], [1, 3]), ([], [2, 2]), ([4, 1, 2], [3, 1]), ([3], [2, 2, 3]),
        ]
        for (name, function) in functions {
            for (first, second) in shapes {
                let a = spread(first, low: 0.4, high: 2.1)
                let b = spread(second, low: 0.5, high: 1.7)
                try expectGradient("\(name) \(first) \(second)", [a, b]) { function($0[0], $0[1]) }
            }
        }
    }

    @Test func oneTensorUsedTwiceCollectsBothShares() throws {
        try expectGradient("x * x + x", [spread([4])]) { $0[0] * $0[0] + $0[0] }
        try expectGradient("x - x.sum() * x", [spread([4])]) { $0[0] - $0[0].sum() * $0[0] }
        // `+` hands one gradient on to both inputs; what one of them adds to it must not reach the other.
        try expectGradient("shared gradient", [spread([4]), spread([4], low: 1)]) {
            let sum = $0[0] + $0[1]
            return sum + $0[0] * 2 + sum.exp() * $0[1]
        }
    }

    @Test func reductions() throws {
        for axes in [nil, [0], [1], [2], [0, 2], [-1], [0, 1, 2]] as [[Int]?] {
            for keepsAxes in [false, true] {
                let x = [spread([2, 3, 4])]
                try expectGradient("sum \(axes ?? [])", x) { $0[0].sum(axes, keepsAxes: keepsAxes) }
                try expectGradient("mean \(axes ?? [])", x) { $0[0].mean(axes, keepsAxes: keepsAxes) }
                try expectGradient("max \(axes ?? [])", x) { $0[0].max(axes, keepsAxes: keepsAxes) }
                try expectGradient("min \(axes ?? [])", x) { $0[0].min(axes, keepsAxes: keepsAxes) }
                try expectGradient("variance \(axes ?? [])", x) {
                    $0[0].variance(axes, isUnbiased: axes != nil, keepsAxes: keepsAxes)
                }
            }
        }
    }

    @Test func shapeOperations() throws {
        let x = [spread([2, 3, 4])]
        try expectGradient("reshaped", x) { $0[0].reshaped([4, -1]).square() }
        try expectGradient("permuted", x) { $0[0].permuted([2, 0, 1]).square() }
        try expectGradient("reshaped after transposed", x) { $0[0].transposed().reshaped([6, 4]).square() }
        try expectGradient("flattened", x) { $0[0].flattened(from: 1).exp() }
        try expectGradient("expandingAxis", x) { $0[0].expandingAxis(1).square() }
        try expectGradient("broadcast", [spread([3, 1])]) { $0[0].broadcast(to: [2, 3, 4]).square() }
        try expectGradient("sliced", x) { $0[0].sliced(1..<3, axis: 1) * $0[0].sliced(0..<2, axis: 1) }
        try expectGradient("selecting", x) { $0[0].selecting(-1, axis: 2).square() }
        try expectGradient("contiguous", x) { $0[0].transposed().contiguous().square() }
        try expectGradient("concatenated", [spread([2, 3]), spread([2, 1], low: 1)]) {
            Tensor.concatenated([$0[0], $0[1], $0[0]], axis: 1).square()
        }
        try expectGradient("stacked", [spread([2, 3]), spread([2, 3], low: 1)]) {
            Tensor.stacked([$0[0], $0[1]], axis: 1).square()
        }
        try expectGradient("select", [spread([2, 3]), spread([3], low: 1)]) {
            Tensor.select($0[0].isLess(than: $0[1]), $0[0].square(), $0[1].exp())
        }
    }

    @Test func matrixProducts() throws {
        for (first, second) in [
            ([2, 3], [3, 4]), ([2, 2, 3], [2, 3, 2]), ([2, 3], [2, 3, 2]), ([2, 1, 2, 3], [3, 3, 2]),
            ([2, 2, 3], [3, 1]),
        ] as [(Shape, Shape)] {
            try expectGradient("\(first) by \(second)", [spread(first), spread(second, low: -1)]) {
                $0[0].matrixMultiplied(by: $0[1])
            }
        }
        try expectGradient("transposed operands", [spread([3, 2]), spread([4, 3], low: -1)]) {
            $0[0].transposed().matrixMultiplied(by: $0[1].transposed())
        }
        for shape in [[3], [2, 3], [2, 2, 3]] as [Shape] {
            let inputs = [spread(shape), spread([4, 3], low: -1), spread([4], low: 0)]
            try expectGradient("linear \(shape)", inputs) { $0[0].linear(weight: $0[1], bias: $0[2]).square() }
            try expectGradient("linear without bias", [inputs[0], inputs[1]]) { $0[0].linear(weight: $0[1]).square() }
        }
    }

    @Test func softmaxAndCrossEntropy() throws {
        try expectGradient("softmax", [spread([2, 3, 4])]) { $0[0].softmax() }
        try expectGradient("logSoftmax", [spread([2, 3, 4])]) { $0[0].logSoftmax() }
        try expectGradient("softmax of a view", [spread([3, 4])]) { $0[0].transposed().softmax() }
        try expectGradient("crossEntropies", [spread([5, 3])]) {
            $0[0].crossEntropies(Tensor([0, 2, 1, 1, 0] as [Int32]))
        }
        for ignored in [nil, 1] {
            try expectGradient("crossEntropyMean", [spread([5, 3])]) {
                $0[0].crossEntropyMean(Tensor([0, 2, 1, 1, 0] as [Int32]), ignoredIndex: ignored)
            }
        }
    }

    @Test(arguments: [[4, 3], [2, 3, 4], [2, 2, 3, 2]] as [Shape])
    func batchNormalization(_ shape: Shape) throws {
        let channels: Shape = [shape[1]]
        let inputs = [
            spread(shape), spread(channels, low: 0.5), spread(channels, low: -1),
        ]
        for count in 1...3 {
            try expectGradient(
                "training, \(count - 1) parameters", [(values: [Double], shape: Shape)](inputs.prefix(count))
            ) {
                $0[0].batchNormalized(
                    scale: count > 1 ? $0[1] : nil, shift: count > 2 ? $0[2] : nil, running: nil, momentum: 0.1,
                    epsilon: 1e-5)
            }
            try expectGradient(
                "evaluation, \(count - 1) parameters", [(values: [Double], shape: Shape)](inputs.prefix(count))
            ) {
                $0[0].batchNormalized(
                    scale: count > 1 ? $0[1] : nil, shift: count > 2 ? $0[2] : nil,
                    mean: Tensor.uniform(channels, generator: .init(seed: 1)),
                    variance: Tensor.uniform(channels, low: 0.5, generator: .init(seed: 2)), epsilon: 1e-5)
            }
        }
        for hasResidual in [false, true] {
            try expectGradient("with ReLU", inputs + (hasResidual ? [spread(shape, low: -0.7)] : [])) {
                $0[0].batchNormalized(
                    scale: $0[1], shift: $0[2], running: nil, momentum: 0.1, epsilon: 1e-5, isRectified: true,
                    residual: hasResidual ? $0[3] : nil)
            }
        }
        try expectGradient("the input as residual, both used before as well", [inputs[0], inputs[0]]) {
            let (x, residual) = ($0[0].exp(), $0[1].exp())
            func end(_ residual: Tensor) -> Tensor {
                x.batchNormalized(
                    scale: nil, shift: nil, running: nil, momentum: 0.1, epsilon: 1e-5, isRectified: true,
                    residual: residual)
            }
            return end(x) + end(residual) + x + residual
        }
        try expectGradient("input used before as well", [inputs[0]]) {
            let x = $0[0].exp()
            return x.batchNormalized(scale: nil, shift: nil, running: nil, momentum: 0.1, epsilon: 1e-5) + x
        }
    }

    @Test func dropout() throws {
        try expectGradient("droppedOut", [spread([6, 7])]) {
            $0[0].droppedOut(probability: 0.4, generator: RandomGenerator(seed: 3)).square()
        }
    }

    @Test func gatheredRows() throws {
        try expectGradient("gathered", [spread([4, 3])]) {
            $0[0].gathered(Tensor([1, 3, 1, 0, 1, 2] as [Int32], [2, 3])).square()
        }
    }

    @Test func checkpointedBlocks() throws {
        try expectGradient("checkpointed", [spread([3, 4]), spread([4, 4], low: -1)]) { inputs in
            let generator = RandomGenerator(seed: 5)
            return checkpointed(inputs[0].exp()) { outer in
                checkpointed(outer.tanh()) { $0.droppedOut(probability: 0.3, generator: generator).square() }
                    .droppedOut(probability: 0.3, generator: generator)
            } * inputs[1].sum()
        }
    }
}

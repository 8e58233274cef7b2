import Foundation
import GimbalBackend
import GimbalOpenCL
import GimbalTestSupport
import Testing

/// Every way of computing products, on whatever device the tests have, against the definition. Numbers are multiples of 1/64
/// whose sums float32 holds exactly, so that nothing but the exact result is right.
@Suite(.needsOpenCL) struct MatrixKernels {
    let backend: OpenCLBackend

    init() throws { backend = try OpenCLBackend(id: firstDevice) }

    /// Of each shape of work-item, with whole and shared k axes; small tiles, as PoCL takes long over large ones.
    static let plans: [MatrixPlan] = testsEveryVariant ? [tile, sharing, panels] + others : [sharing, panels]
    static let tile = MatrixPlan.tiles(m: 16, n: 32, k: 8, workM: 4, workN: 4)
    static let sharing = MatrixPlan.tiles(m: 16, n: 32, k: 8, workM: 4, workN: 4, parts: 3)
    static let panels = MatrixPlan.panels(rows: 4, columns: 16, length: 8)
    private static let others: [MatrixPlan] = [
        .tiles(m: 32, n: 32, k: 8, workM: 8, workN: 4, parts: 2), .tiles(m: 64, n: 64, k: 8, workM: 8, workN: 8),
        .tensor("splitFloat32", m: 64, n: 64, warpM: 32, warpN: 32, parts: 2),
        .tensor("tf32", m: 32, n: 64, warpM: 16, warpN: 32, stages: 3),
    ]

    /// A matrix, or a batch of them, in the host's memory.
    struct Numbers {
        var shape: Shape
        var values: [Float]

        init(_ shape: Shape, seed: Int) {
            self.shape = shape
            values = (0..<shape.elementCount).map {
                Float(($0 &* 2_654_435_761 &+ seed &* 40_503) >> 7 % 129 - 64) / 64
            }
        }

        subscript(i: Int, row: Int, column: Int) -> Double {
            Double(values[(i * shape[1] + row) * shape[2] + column])
        }
    }

    func view(_ numbers: Numbers, isTransposed: Bool = false) throws -> TensorView {
        let stored = try backend.uploaded(numbers.values).reshaped(numbers.shape)
        guard isTransposed else { return stored }
        let other = try backend.allocate(stored.transposed.shape)
        backend.copy(stored.transposed, to: other)
        return other.transposed
    }

    func expectProduct(
        by plan: MatrixPlan, batch: Int = 1, m: Int, n: Int, k: Int, isXTransposed: Bool = false,
        isYTransposed: Bool = false, isOutTransposed: Bool = false, sharesY: Bool = false, hasEpilogue: Bool = false,
        sourceLocation: SourceLocation = #_sourceLocation
    ) throws {
        let x = Numbers([batch, m, k], seed: 1)
        let y = Numbers([sharesY ? 1 : batch, k, n], seed: 2)
        let before = Numbers([batch, m, n], seed: 3)
        let bias = Numbers([1, 1, n], seed: 4)
        let out = try view(before, isTransposed: isOutTransposed)
        var epilogue = Epilogue.plain
        if hasEpilogue {
            epilogue = Epilogue(scale: -0.5, accumulates: true, bias: try view(bias).flattened)
        } else {
            backend.fill(out, with: .nan)
        }
        backend.matrixMultiply(
            try view(x, isTransposed: isXTransposed),
            try view(y, isTransposed: isYTransposed).broadcast(to: [batch, k, n]), out: out, epilogue, plan: plan)
        let contiguous = try backend.allocate(out.shape)
        backend.copy(out, to: contiguous)
        let found = try backend.floats(contiguous)

        var wrong = 0
        for i in 0..<batch {
            for row in 0..<m {
                for column in 0..<n {
                    var sum = (0..<k).reduce(0.0) { $0 + x[i, row, $1] * y[sharesY ? 0 : i, $1, column] }
                    if hasEpilogue { sum = -0.5 * sum + before[i, row, column] + bias[0, 0, column] }
                    if Double(found[(i * m + row) * n + column]) != sum { wrong += 1 }
                }
            }
        }
        #expect(
            wrong == 0, "\(plan): \(wrong) values of [\(batch), \(m), \(k)] x [\(k), \(n)] are wrong",
            sourceLocation: sourceLocation)
    }

    @Test(arguments: plans)
    func sizesAroundTheEdgesOfTiles(plan: MatrixPlan) throws {
        for (m, n, k) in [(1, 1, 1), (15, 31, 7), (17, 65, 33), (33, 129, 99), (65, 33, 15), (3, 5, 0)] {
            try expectProduct(by: plan, m: m, n: n, k: k)
        }
        // Read and written four at a time.
        for (m, n, k) in [(16, 32, 8), (20, 68, 36), (132, 4, 200)] {
            for bits in 0..<4 {
                try expectProduct(
                    by: plan, m: m, n: n, k: k, isXTransposed: bits & 1 != 0, isYTransposed: bits & 2 != 0)
            }
        }
    }

    /// Neither beyond the last row and column nor between rows: a tile that hangs over the edge is cut off there.
    @Test(arguments: plans)
    func nothingBesideTheResultChanges(plan: MatrixPlan) throws {
        let subject = BackendUnderTest(description: "\(plan)", backend: backend)
        for (m, n, k) in [(15, 31, 7), (16, 32, 8), (17, 33, 9), (20, 36, 8)] {
            for layout in [Layout.contiguous, .padded] {
                try expectConformance(of: subject, within: .dotProduct(terms: k)) { bench in
                    let x = try bench.input((0..<m * k).map { Double($0 % 7) - 3 }, [m, k])
                    let y = try bench.input((0..<k * n).map { Double($0 % 5) - 2 }, [k, n])
                    let out = try bench.output([m, n], layout)
                    guard let backend = bench.backend as? OpenCLBackend else {
                        return bench.backend.matrixMultiply(x, y, out: out, .plain)
                    }
                    backend.matrixMultiply(x, y, out: out, .plain, plan: plan)
                }
            }
        }
    }

    @Test(arguments: plans)
    func epilogues(plan: MatrixPlan) throws {
        for (m, n, k) in [(33, 66, 50), (36, 68, 96)] {
            for isOutTransposed in [false, true] {
                try expectProduct(by: plan, m: m, n: n, k: k, isOutTransposed: isOutTransposed, hasEpilogue: true)
            }
        }
    }

    @Test(arguments: plans)
    func batches(plan: MatrixPlan) throws {
        try expectProduct(by: plan, batch: 3, m: 20, n: 68, k: 100, isYTransposed: true)
        try expectProduct(by: plan, batch: 3, m: 17, n: 33, k: 70, sharesY: true, hasEpilogue: true)
    }

    /// Further rows than a launch counts groups in its second dimension.
    @Test func moreThan65535TilesOfRows() throws {
        try expectProduct(by: Self.tile, m: 65_535 * 16 + 17, n: 1, k: 2)
        try expectProduct(by: Self.sharing, m: 70_000, n: 3, k: 65)
    }

    @Test func sharingTheLongAxisGivesTheSameBitsEveryTime() throws {
        let (m, n, k) = (20, 70, 1000)
        let x = try backend.uploaded((0..<m * k).map { Float(sin(Double($0))) }).reshaped([m, k])
        let y = try backend.uploaded((0..<k * n).map { Float(cos(Double($0))) }).reshaped([k, n])
        let results = try (0..<5).map { _ in
            let out = try backend.allocate([m, n])
            backend.matrixMultiply(x, y, out: out, .plain, plan: Self.sharing)
            return try backend.floats(out)
        }
        #expect(results.allSatisfy { $0 == results[0] })
    }

    /// The sums of rows beside the product, whichever groups make them.
    @Test(arguments: [
        MatrixPlan.tiles(m: 16, n: 32, k: 8, workM: 4, workN: 4),
        MatrixPlan.tiles(m: 16, n: 32, k: 8, workM: 4, workN: 4, parts: 4),
    ])
    func biasGradients(plan: MatrixPlan) throws {
        for (rows, inputs, outputs) in [(70, 130, 33), (200, 68, 36), (0, 5, 3)] {
            for accumulates in [false, true] {
                let x = Numbers([1, rows, inputs], seed: 1)
                let gradient = Numbers([1, rows, outputs], seed: 2)
                let before = Numbers([1, 1, outputs], seed: 3)
                let weights = try backend.allocate([outputs, inputs])
                let bias = try view(before).flattened
                backend.linearWeightGradient(
                    try view(x).reshaped([rows, inputs]),
                    outputGradient: try view(gradient).reshaped([rows, outputs]), weightGradient: (weights, false),
                    biasGradient: (bias, accumulates), plan: plan)
                let found = try backend.floats(bias)
                for output in 0..<outputs {
                    let start = accumulates ? before[0, 0, output] : 0
                    let sum = (0..<rows).reduce(start) { $0 + gradient[0, $1, output] }
                    #expect(Double(found[output]) == sum, "\(plan), rows \(rows), output \(output)")
                }
            }
        }
    }

    @Test(.buildsLargeKernels)
    func everyCandidateIsRight() throws {
        for plan in backend.matrixCandidates where !plan.description.contains("in 2 parts") {
            #expect(backend.fault(of: plan) == nil, "\(plan)")
        }
    }
}

import Foundation
import GimbalBackend
import GimbalOpenCL
import Testing

/// Every kernel once, at sizes that cross the edges of its work-groups and vectors, for `Scripts/oclgrind-check` to
/// watch: it looks for reads and writes out of bounds and for data races. Results are ConformanceTests' matter.
@Suite(.enabled(if: ProcessInfo.processInfo.environment["GIMBAL_KERNEL_SWEEP"] == "1", "runs under Oclgrind only"))
struct KernelSweep {
    let backend: OpenCLBackend

    init() throws {
        backend = try OpenCLBackend(id: firstDevice)
        try #require(backend.device.name.contains("Oclgrind"), "the sweep checks nothing on \(backend.device.name)")
    }

    /// Numbers in [0, 1), none of them uninitialised. One element of margin makes vectors lie unaligned.
    func input(_ shape: Shape, isAligned: Bool = true) throws -> TensorView {
        let count = shape.elementCount
        let view = try backend.uploaded((0..<count + 1).map { Float(($0 * 7) % 32) / 32 })
        return TensorView(storage: view.storage, offset: isAligned ? 0 : 1, shape: shape, dtype: .float32)
    }

    func indices(_ values: [Int32]) throws -> TensorView {
        let view = try backend.allocate([values.count], .int32)
        values.withUnsafeBytes { backend.upload($0, to: view.storage, byteOffset: 0) }
        return view
    }

    @Test func elements() throws {
        for size in [1, 3, 257] {
            for isAligned in [true, false] {
                let x = try input([size], isAligned: isAligned)
                let out = try input([size], isAligned: isAligned)
                backend.fill(out, with: 1)
                backend.unary(.init(.relu), x, out: out)
                backend.binary(.init(.add), x, out, out: out)
            }
        }
        let x = try input([3, 5])
        let out = try backend.allocate([5, 3])
        backend.fill(out.transposed, with: 2)
        backend.unary(.init(.affine, a: 2, b: 1), x.transposed, out: out)
        backend.binary(.init(.multiply), x.transposed, try input([5, 1]).broadcast(to: [5, 3]), out: out)
        let mask = try backend.allocate([5, 3], .uint8)
        backend.binary(.init(.less), out, x.transposed, out: mask)
        backend.select(mask, out, x.transposed, out: out)
        for dtype in DType.allCases {
            let converted = try backend.allocate([5, 3], dtype)
            backend.copy(out, to: converted)
            backend.copy(converted, to: out)
        }
        try backend.synchronize()
    }

    @Test func formulas() throws {
        let function = ElementFunction(inputs: 3, numbers: 1) { x, n in
            [x[0] * x[1].tanh() + n[0], .select(x[2], x[0], x[1])]
        }
        for size in [1, 3, 257] {
            for isAligned in [true, false] {
                let x = try input([size], isAligned: isAligned)
                let mask = try backend.allocate([size], .uint8)
                backend.fill(mask, with: 1)
                backend.elementwise(
                    function, [x, try input([1]).broadcast(to: [size]), mask], numbers: [2],
                    out: [x, try input([size], isAligned: isAligned)])
            }
        }
        let x = try input([5, 3]).transposed
        backend.elementwise(
            function, [x, try input([3, 1]).broadcast(to: [3, 5]), x], numbers: [2],
            out: [try backend.allocate([3, 5]), try backend.allocate([3, 5], .bfloat16)])
        try backend.synchronize()
    }

    @Test func reductions() throws {
        for shape in [[3, 40], [40, 3], [2, 700], [300, 33]] as [Shape] {
            let x = try input(shape)
            for axes in [[0], [1], [0, 1]] {
                for reduction in Reduction.allCases {
                    let out = try backend.allocate(shape.reducing(axes))
                    backend.reduce(reduction, x, out: out, accumulates: false)
                }
                let out = try input(shape.reducing(axes))
                backend.reduce(.sum, x, out: out, accumulates: true)
            }
            backend.argMaximum(x, out: try backend.allocate([shape[0]], .int32))
            backend.norm([x, x], p: 2, out: try backend.allocate([1]))
            backend.norm([x], p: .infinity, out: try backend.allocate([1]))
        }
        for isAligned in [true, false] {
            let x = try input([20_001], isAligned: isAligned)
            backend.reduce(.sum, x, out: try backend.allocate([1]), accumulates: false)
            backend.norm([x, x], p: 2, out: try backend.allocate([1]))
        }
        backend.reduce(.sum, try input([8000, 3]), out: try backend.allocate([1, 3]), accumulates: false)
        try backend.synchronize()
    }

    @Test func matrixProducts() throws {
        let plans: [MatrixPlan] = [
            .tiles(m: 16, n: 32, k: 16, workM: 4, workN: 4),
            .tiles(m: 32, n: 64, k: 16, workM: 8, workN: 4, parts: 3),
            .panels(rows: 4, columns: 16, length: 8),
        ]
        for plan in plans {
            for (m, n, k) in [(33, 35, 17), (4, 36, 36)] {
                let x = try input([m, k]), y = try input([k, n])
                let xTransposed = try input([k, m]).transposed, yTransposed = try input([n, k]).transposed
                for (left, right) in [(x, y), (xTransposed, y), (x, yTransposed)] {
                    let out = try backend.allocate([m, n])
                    backend.matrixMultiply(left, right, out: out, .plain, plan: plan)
                }
            }
            let out = try input([2, 5, 7])
            backend.matrixMultiply(
                try input([2, 5, 3]), try input([1, 3, 7]).broadcast(to: [2, 3, 7]), out: out,
                Epilogue(scale: 2, accumulates: true, bias: try input([7])), plan: plan)
        }
        for plan in plans.dropLast() {
            for (rows, inputs, outputs) in [(37, 35, 17), (36, 68, 36)] {
                backend.linearWeightGradient(
                    try input([rows, inputs]), outputGradient: try input([rows, outputs]),
                    weightGradient: (try input([outputs, inputs]), true), biasGradient: (try input([outputs]), true),
                    plan: plan)
            }
        }
        try backend.synchronize()
    }

    /// By `mma.sync`; what stands in for `wgmma` takes more local memory than Oclgrind gives.
    @Test func productsOnTensorCores() throws {
        let plans: [(plan: MatrixPlan, dtype: DType, k: Int)] = [
            (.tensor("splitFloat32", m: 32, n: 64, warpM: 16, warpN: 32, parts: 2), .float32, 17),
            (.tensor("bfloat16", m: 32, n: 64, warpM: 16, warpN: 32, stages: 3), .bfloat16, 72),
        ]
        for (plan, dtype, k) in plans {
            let x = try backend.allocate([33, k], dtype), y = try backend.allocate([k, 40], dtype)
            backend.copy(try input([33, k]), to: x)
            backend.copy(try input([k, 40]), to: y)
            backend.matrixMultiply(x, y, out: try backend.allocate([33, 40], dtype), .plain, plan: plan)
        }
        try backend.synchronize()
    }

    @Test func indexing() throws {
        let table = try input([5, 65])
        let places = try indices([4, -1, 0, 4, 5])
        let rows = try backend.allocate([5, 65])
        backend.gather(table, indices: places, out: rows)
        backend.scatterAdd(rows, indices: places, into: table)
        try backend.synchronize()
    }

    @Test func alongTheLastAxis() throws {
        for (rows, size) in [(3, 5), (2, 300), (1, 1300), (2, 513)] {
            let x = try input([rows, size])
            let out = try backend.allocate([rows, size])
            let order = try backend.allocate([rows, size], .int32)
            backend.scan(factors: nil, terms: x, out: out)
            backend.scan(factors: x, terms: x, out: out)
            backend.argSort(x, isDescending: size == 300, out: order)
            backend.gatherAlong(x, indices: order, out: out)
            backend.scatterAlong(x, indices: order, into: out, accumulates: false)
            backend.scatterAlong(x, indices: order, into: out, accumulates: true)
        }
        try backend.synchronize()
    }

    @Test func randomNumbers() throws {
        for size in [1, 7, 1030] {
            let out = try backend.allocate([size])
            backend.randomUniform(out, RandomState(seed: 1))
            backend.randomNormal(out, RandomState(seed: 1))
            backend.dropout(try input([size]), probability: 0.5, RandomState(seed: 1), out: out)
        }
        try backend.synchronize()
    }

    @Test func rows() throws {
        for (count, columns) in [(3, 5), (9, 40), (2, 600), (3, 33), (2, 1028), (1, 9001)] {
            let x = try input([count, columns])
            let y = try backend.allocate([count, columns])
            for isLogarithmic in [false, true] {
                backend.softmax(x, out: y, isLogarithmic: isLogarithmic)
                backend.softmaxGradient(
                    y, outputGradient: x, out: try backend.allocate([count, columns]), isLogarithmic: isLogarithmic)
            }
            let targets = try indices((0..<Int32(count)).map { $0 * 2 })
            let losses = try backend.allocate([count]), normalizers = try backend.allocate([count, 2])
            backend.crossEntropy(x, targets: targets, ignoredIndex: 2, losses: losses, normalizers: normalizers)
            backend.crossEntropyGradient(
                x, targets: targets, ignoredIndex: 2, normalizers: normalizers, lossGradient: losses, out: y)
            let mean = try backend.allocate([1]), keptRows = try backend.allocate([1])
            backend.crossEntropyMean(
                x, targets: targets, ignoredIndex: 2, mean: mean, keptRows: keptRows, normalizers: normalizers)
            backend.crossEntropyMeanGradient(
                x, targets: targets, ignoredIndex: 2, keptRows: keptRows, normalizers: normalizers, meanGradient: mean,
                out: y)
        }
        try backend.synchronize()
    }

    @Test func temporalClassification() throws {
        for (time, states) in [(1, 1), (4, 3), (3, 131)] {
            let x = try input([time, 2, states]), forward = try backend.allocate([time, 2, states])
            let skips = try backend.allocate([2, states], .uint8)
            backend.fill(skips, with: 0)
            let lengths = try indices([Int32(time), Int32(states), Int32(time - 1), 1]).reshaped([2, 2])
            let losses = try backend.allocate([2])
            backend.temporalClassification(x, skips: skips, lengths: lengths, losses: losses, forward: forward)
            backend.temporalClassificationGradient(
                x, skips: skips, lengths: lengths, losses: losses, forward: forward, lossGradient: losses,
                out: try backend.allocate([time, 2, states]))
        }
        try backend.synchronize()
    }

    @Test func batchNorm() throws {
        for shape in [[33, 5, 1], [3, 5, 50], [40, 40, 1], [3, 4, 52], [1030, 4, 1], [2, 3, 8300]] as [Shape] {
            let channels = shape[1]
            let x = try input(shape), out = try backend.allocate(shape)
            let scale = try input([channels]), shift = try input([channels])
            let runningMean = try input([channels]), runningVariance = try input([channels])
            let scaleGradient = try input([channels]), shiftGradient = try backend.allocate([channels])
            let mean = try backend.allocate([channels]), deviation = try backend.allocate([channels])
            backend.batchNorm(
                x, scale: scale, shift: shift, running: (runningMean, runningVariance), momentum: 0.1,
                epsilon: 1e-5, out: out, mean: mean, inverseDeviation: deviation)
            backend.batchNormInference(
                x, scale: scale, shift: nil, mean: mean, variance: shift, epsilon: 1e-5, out: out)
            backend.batchNormGradient(
                x, outputGradient: out, scale: scale, mean: mean, inverseDeviation: deviation,
                inputGradient: try backend.allocate(shape),
                scaleGradient: (scaleGradient, true), shiftGradient: (shiftGradient, false))
            let residual = try input(shape)
            backend.batchNormInferenceReLU(
                x, scale: scale, shift: shift, mean: mean, variance: shift, epsilon: 1e-5, residual: residual, out: out)
            backend.batchNormReLU(
                x, scale: scale, shift: shift, running: nil, momentum: 0.1, epsilon: 1e-5, residual: residual, out: out,
                mean: mean, inverseDeviation: deviation)
            backend.batchNormReLUGradient(
                x, y: out, outputGradient: residual, scale: scale, mean: mean, inverseDeviation: deviation,
                inputGradient: try backend.allocate(shape), residualGradient: try backend.allocate(shape),
                scaleGradient: (scaleGradient, true), shiftGradient: (shiftGradient, false))
        }
        try backend.synchronize()
    }

    @Test func pooling() throws {
        let regular = PoolingGeometry(
            inputSizes: [9, 7], kernel: [3, 2], stride: [2, 2], padding: [1, 1], dilation: [1, 1], roundsUp: true)
        for geometry in [regular, PoolingGeometry(inputSizes: [9, 7], outputSizes: [4, 5])] {
            let x = try input([2, 3, 9, 7])
            let out = try backend.allocate(Shape([2, 3] + geometry.outputSizes))
            let indices = try backend.allocate(out.shape, .int32)
            backend.maxPool(x, geometry, out: out, indices: indices)
            backend.maxPoolGradient(out, indices: indices, geometry, out: x)
            for countsPadding in [false, true] {
                backend.averagePool(x, geometry, countsPadding: countsPadding, out: out)
                backend.averagePoolGradient(out, geometry, countsPadding: countsPadding, out: x)
            }
        }
        try backend.synchronize()
    }

    @Test func optimizers() throws {
        for (size, isAligned) in [(1, true), (1027, true), (1027, false)] {
            func arena() throws -> TensorView { try input([size], isAligned: isAligned) }
            let weights = try arena()
            for rule in OptimizerStep.Rule.allCases {
                backend.optimizerStep(
                    OptimizerStep(rule, rate: 0.1), weights: weights, gradient: try arena(),
                    states: try (0..<rule.stateCount).map { _ in try arena() }, condition: try input([1]))
            }
            let segments = try indices([0, Int32(size / 2), Int32(size / 2), Int32(size - size / 2)]).reshaped([2, 2])
            let norms = try backend.allocate([2])
            for p in [1, 2, 3, .infinity] {
                backend.segmentNorms(weights, segments: segments, p: p, out: norms)
            }
            backend.scaleSegments(weights, segments: segments, by: norms)
            let norm = try backend.allocate([1])
            backend.norm([weights], p: 3, out: norm)
            backend.clip([weights], norm: norm, maxNorm: 1)
            let condition = try backend.allocate([])
            backend.unscale([weights], scale: norm, condition: condition)
            backend.updateLossScale(try input([3]), condition: condition, growth: 2, backoff: 0.5, interval: 3)
        }
        try backend.synchronize()
    }

    @Test func statistics() throws {
        let x = try input([40_000])
        let segments = try indices([0, 3, 3, 0, 3, 1500, 1503, 38_497]).reshaped([4, 2])
        backend.statistics(x, segments: segments, out: try backend.allocate([4, Statistic.allCases.count]))
        try backend.synchronize()
    }

    @Test func recurrentCells() throws {
        let lengths = try indices([0, 1, 2, 3, 3])
        for kind in RecurrentKind.allCases {
            for hasLengths in [false, true] {
                let shape: Shape = [5, 67]
                let step = RecurrentStep(
                    kind, gates: try input([5, 67 * kind.gateCount]), hidden: try input(shape), cell: try input(shape),
                    newHidden: try input(shape), newCell: try input(shape), lengths: hasLengths ? lengths : nil,
                    index: 1)
                backend.recurrentCell(step)
                backend.recurrentCellGradient(
                    step, outputGradient: try input(shape), gatesGradient: try input(step.gates.shape),
                    hiddenGradient: try input(shape), cellGradient: try input(shape))
            }
        }
        try backend.synchronize()
    }

    @Test func recurrentSequences() throws {
        // Within a group, in chunks of rows, and among groups with a launch for each step.
        for (kind, batch, size, units) in [
            (.lstm, 3, 5, 132), (.gru, 3, 9, 132), (.tanh, 2, 8, 132), (.lstm, 40, 9, 1), (.gru, 2, 108, 8),
        ] as [(RecurrentKind, Int, Int, Int)] {
            let steps = 2, states: Shape = [steps + 1, batch, size]
            let rows = (kind == .gru ? 3 : kind.gateCount) * size
            let mask = kind == .gru ? try input([batch, size]) : nil
            let sequence = RecurrentSequence(
                kind, gates: try input([steps, batch, kind.gateCount * size]), states: try input(states),
                cells: kind.hasCell ? try input(states) : nil, hiddenWeight: try input([rows, size]), hiddenMask: mask,
                masked: mask == nil ? nil : try input([steps, batch, size]),
                lengths: kind == .lstm ? try indices((0..<Int32(batch)).map { $0 % 3 }) : nil,
                isReversed: kind == .tanh)
            #expect(backend.runInGroups(sequence, computeUnits: units, meets: false))
            #expect(
                backend.differentiateInGroups(
                    sequence, outputGradient: try input(states), gatesGradient: try input(sequence.gates.shape),
                    hiddenGradient: try input([batch, size]),
                    cellGradient: kind.hasCell ? try input([batch, size]) : nil, computeUnits: units, meets: false))
        }
        try backend.synchronize()
    }
}

import GimbalBackend

/// What tuning found for one matrix product, and those like it.
public struct MatrixTuning: Sendable, CustomStringConvertible {
    package let m: Int
    package let n: Int
    package let k: Int
    package let plan: MatrixPlan
    /// Speed of the product by this plan, in 10⁹ floating-point operations per second.
    public let gigaflops: Double

    public var description: String { "\(m) x \(n) x \(k): \(plan), \(Int(gigaflops)) GFLOP/s" }
}

extension OpenCLBackend {
    /// Times the ways of cutting up matrix products that suit this device, uses the fastest from now on, and stores
    /// them in the cache folder for later starts. Takes a minute or two.
    ///
    /// A candidate's time counts only once its results have been found right. Stored plans are checked again when the
    /// driver's version changes.
    /// - Parameter report: called with a line for each candidate.
    /// - Throws: `GimbalError` where the device fails outside a candidate.
    public func tune(report: (String) -> Void) throws {
        _ = try tuneMatrixMultiply(candidates: matrixCandidates, report: report)
    }

    /// Tuning over given candidates.
    @discardableResult
    package func tuneMatrixMultiply(
        candidates: [MatrixPlan], report: (String) -> Void = { _ in }
    ) throws -> [MatrixTuning] {
        try synchronize()
        var faults: [MatrixPlan: String?] = [:]
        var found: [MatrixBucket: MatrixPlan] = [:]
        let examples = TunedProduct.all(for: candidates, isCPU: openCLDevice.isCPU)
        let results = try examples.compactMap { example -> MatrixTuning? in
            let operands = try Operands(example, on: self)
            // The estimates leave out what cannot win; they know nothing of CPUs.
            let promising = candidates.filter { $0.kernel.supports(operands.problem) && faults[$0] ?? nil == nil }
                .map { ($0, $0.kernel.seconds(operands.problem, on: openCLDevice)) }.sorted { $0.1 < $1.1 }
                .prefix(openCLDevice.isCPU ? .max : 6).map(\.0)
            var timed: [(plan: MatrixPlan, gigaflops: Double)] = []
            for plan in promising {
                if let fault = try fault(of: plan, on: operands) {
                    faults[plan] = fault
                    report("\(plan): passed over, as \(fault)")
                    continue
                }
                let gigaflops = try speed(of: plan, on: operands)
                report("\(example): \(plan), \(Int(gigaflops)) GFLOP/s")
                timed.append((plan, gigaflops))
            }
            for (plan, gigaflops) in timed.sorted(by: { $0.gigaflops > $1.gigaflops }) {
                let fault = faults[plan] ?? fault(of: plan)
                faults[plan] = .some(fault)
                if let fault {
                    report("\(plan): passed over, as \(fault)")
                    continue
                }
                found[MatrixBucket(operands.problem)] = plan
                return MatrixTuning(m: example.m, n: example.n, k: example.k, plan: plan, gigaflops: gigaflops)
            }
            return nil
        }
        matrixPlans.withLock { $0.use(found) }
        storePlans(found, driver: device.driver)
        return results
    }

    /// The plan by which a fully connected layer is computed now: m rows by a weight [n, k].
    package func plan(m: Int, n: Int, k: Int) -> MatrixPlan {
        servingPlan(for: .layer(m: m, n: n, k: k))
    }

    /// All that the kernels offer on this device.
    package var matrixCandidates: [MatrixPlan] { MatrixPlans.candidates(for: openCLDevice) }

    /// Keeps plans for layers of about these sizes for later starts, as found right with a version of the driver.
    package func storePlans(_ plans: [(m: Int, n: Int, k: Int, plan: MatrixPlan)], driver: String) {
        let found = plans.map { (MatrixBucket(.layer(m: $0.m, n: $0.n, k: $0.k)), $0.plan) }
        storePlans(Dictionary(found) { _, new in new }, driver: driver)
    }

    private func storePlans(_ plans: [MatrixBucket: MatrixPlan], driver: String) {
        MatrixPlans.write(.init(driver: driver, plans: plans), device: openCLDevice, cache: cache)
    }

    /// Takes over what an earlier run tuned; after a change of the driver, only plans that are still right.
    func useStoredPlans() {
        guard var entry = MatrixPlans.read(device: openCLDevice, cache: cache) else { return }
        if entry.driver != device.driver {
            let wrong = Set(Set(entry.plans.values).filter { fault(of: $0) != nil })
            entry.plans = entry.plans.filter { !wrong.contains($0.value) }
            storePlans(entry.plans, driver: device.driver)
        }
        matrixPlans.withLock { $0.use(entry.plans) }
    }

    // MARK: Checking

    /// What is wrong with products by this plan, compared with those of the plain kernel at sizes within, at and across tile
    /// edges and for every transposition; nil where they are right.
    package func fault(of plan: MatrixPlan) -> String? {
        do {
            for (m, n, k) in [(1, 1, 1), (77, 65, 131), (132, 260, 68)] {
                for dtype in plan.kernel.checkedTypes {
                    for (isXTransposed, isYTransposed) in [(false, false), (true, false), (false, true), (true, true)] {
                        let x = (dtype, isXTransposed), y = (dtype, isYTransposed)
                        if let fault = try fault(of: plan, (m, n, k), x: x, y: y) { return fault }
                    }
                }
            }
            return nil
        } catch {
            return "\(error)"
        }
    }

    /// What is wrong with the plan's result for one product.
    private func fault(of plan: MatrixPlan, on operands: Operands) throws -> String? {
        fill(operands.out, with: .nan)
        do {
            matrixMultiply(operands.x, operands.y, out: operands.out, .plain, plan: plan)
            try synchronize()
        } catch {
            return "\(error)"
        }
        let difference = try allocate(operands.out.shape)
        let largest = try allocate([1, 1])
        binary(.init(.subtract), operands.out, operands.expected, out: difference)
        unary(.init(.absolute), difference, out: difference)
        reduce(.maximum, difference, out: largest, accumulates: false)
        // A NaN is the largest, and not 0.
        let (m, n, k) = (operands.problem.m, operands.problem.n, operands.problem.k)
        return try floats(largest) == [0] ? nil : "its [\(m), \(k)] x [\(k), \(n)] is wrong"
    }

    /// The same at one size across tile edges, for matrices that are stored as those of a problem are.
    func fault(of plan: MatrixPlan, like problem: MatrixProblem) -> String? {
        // Sizes that let as many values be read at once as in the problem.
        func isWhole(_ operand: MatrixProblem.Operand) -> Bool { operand.width * operand.dtype.byteCount == 16 }
        let (x, y) = (problem.x, problem.y)
        let m = !x.isRowMajor && isWhole(x) ? 136 : 135
        let n = y.isRowMajor && isWhole(y) ? 200 : 199
        let k = x.isRowMajor && isWhole(x) || !y.isRowMajor && isWhole(y) ? 264 : 263
        do {
            return try fault(of: plan, (m, n, k), x: (x.dtype, !x.isRowMajor), y: (y.dtype, !y.isRowMajor))
        } catch {
            return "\(error)"
        }
    }

    /// What is wrong with one product, its operands of given types and stored in either order; nil where it is right.
    package func fault(
        of plan: MatrixPlan, _ sizes: (m: Int, n: Int, k: Int), x: (dtype: DType, isTransposed: Bool),
        y: (dtype: DType, isTransposed: Bool)
    ) throws -> String? {
        try isRight(plan, sizes, x: x, y: y)
            ? nil : "its [\(sizes.m), \(sizes.k)] x [\(sizes.k), \(sizes.n)] is wrong"
    }

    private func isRight(
        _ plan: MatrixPlan, _ sizes: (m: Int, n: Int, k: Int), x: (dtype: DType, isTransposed: Bool),
        y: (dtype: DType, isTransposed: Bool)
    ) throws -> Bool {
        let (m, n, k) = sizes
        let isFloat32 = plan.kernel.precision == .float32 && x.dtype == .float32 && y.dtype == .float32
        // Fractions that every precision holds, and whose sums are exact in any order; where float32 is promised,
        // others too, each sum of k products in [-1, 1] erring by less than the tolerance.
        for isExact in isFloat32 ? [true, false] : [true] {
            let left = try numbers([m, k], seed: 1, isExact: isExact)
            let right = try numbers([k, n], seed: 2, isExact: isExact)
            let expected = try plainProduct(left, right)
            let out = try allocate([m, n])
            fill(out, with: .nan)
            matrixMultiply(
                try stored(left, x.dtype, isTransposed: x.isTransposed),
                try stored(right, y.dtype, isTransposed: y.isTransposed), out: out, .plain, plan: plan)
            let tolerance = isExact ? 0 : Float(k) * Float.ulpOfOne * 4
            guard zip(try floats(out), try floats(expected)).allSatisfy({ abs($0 - $1) <= tolerance }) else {
                return false
            }
        }
        return true
    }

    /// The product of contiguous float32 matrices by the definition.
    private func plainProduct(_ x: TensorView, _ y: TensorView) throws -> TensorView {
        let (m, n, k) = (x.shape[0], y.shape[1], x.shape[1])
        let out = try allocate([m, n])
        launch(
            KernelKey(.gemmPlain), count: m * n, groupSize: 64,
            [.buffer(x.storage), .buffer(y.storage), .buffer(out.storage), .int32(m), .int32(n), .int32(k)])
        return out
    }

    /// Random numbers in [-1, 1]; exact ones are multiples of 1/64.
    private func numbers(_ shape: Shape, seed: UInt64, isExact: Bool) throws -> TensorView {
        let view = try allocate(shape)
        randomUniform(view, RandomState(seed: seed))
        if isExact {
            let integers = try allocate(shape, .int32)
            unary(.init(.affine, a: 129, b: -64), view, out: view)
            copy(view, to: integers)
            copy(integers, to: view)
            unary(.init(.affine, a: 1.0 / 64), view, out: view)
        } else {
            unary(.init(.affine, a: 2, b: -1), view, out: view)
        }
        return view
    }

    /// A copy as `dtype`, of the same shape, its axes in either order in memory.
    private func stored(_ view: TensorView, _ dtype: DType, isTransposed: Bool) throws -> TensorView {
        let copied = try allocate(isTransposed ? view.transposed.shape : view.shape, dtype)
        copy(isTransposed ? view.transposed : view, to: copied)
        return isTransposed ? copied.transposed : copied
    }

    private func floats(_ view: TensorView) throws -> [Float] {
        var values = [Float](repeating: 0, count: view.elementCount)
        try values.withUnsafeMutableBytes { try download(view.storage, byteOffset: view.byteOffset, into: $0) }
        return values
    }

    // MARK: Timing

    private struct Operands {
        let x: TensorView
        let y: TensorView
        let out: TensorView
        let expected: TensorView
        let problem: MatrixProblem

        init(_ product: TunedProduct, on backend: OpenCLBackend) throws {
            // Sums of up to 4,096 products of such numbers are exact.
            let left = try backend.numbers([product.m, product.k], seed: 3, isExact: true)
            let right = try backend.numbers([product.k, product.n], seed: 4, isExact: true)
            x = try backend.stored(left, product.dtype, isTransposed: product.isXTransposed)
            y = try backend.stored(right, product.dtype, isTransposed: product.isYTransposed)
            out = try backend.allocate([product.m, product.n])
            expected = try backend.plainProduct(left, right)
            problem = MatrixProduct(x, y, out: out, .plain).problem(product.precision)
        }
    }

    private func speed(of plan: MatrixPlan, on operands: Operands) throws -> Double {
        func seconds(_ repetitions: Int) throws -> Double {
            let duration = try ContinuousClock().measure {
                for _ in 0..<repetitions {
                    matrixMultiply(operands.x, operands.y, out: operands.out, .plain, plan: plan)
                }
                try synchronize()
            }
            return Double(duration.components.seconds) + Double(duration.components.attoseconds) * 1e-18
        }
        _ = try seconds(1)
        // As often as fits into a hundredth of a second, and the best of three such runs.
        let repetitions = max(1, min(200, Int(0.01 / max(try seconds(1), 1e-6))))
        let best = try (0..<3).map { _ in try seconds(repetitions) }.min()!
        return 2 * operands.problem.multiplications * Double(repetitions) / best * 1e-9
    }
}

/// A product to time candidates by.
private struct TunedProduct: CustomStringConvertible {
    var m: Int
    var n: Int
    var k: Int
    var isXTransposed = false
    var isYTransposed = false
    var dtype = DType.float32
    var precision = ProductPrecision.float32

    var description: String {
        "\(m) x \(n) x \(k)\(isXTransposed ? ", x transposed" : "")\(isYTransposed ? ", y transposed" : "")"
            + (dtype == .float32 ? "" : ", \(dtype)") + (precision == .float32 ? "" : ", by \(precision)")
    }

    /// Products in float32, and fewer in each other type and precision that a candidate is made for.
    static func all(for candidates: [MatrixPlan], isCPU: Bool) -> [TunedProduct] {
        let products = all(isCPU: isCPU)
        let some = products.filter { max($0.m, $0.n, $0.k) >= 512 && min($0.m, $0.n, $0.k) != 256 }
        let types = Set(candidates.flatMap { $0.kernel.checkedTypes }).subtracting([.float32])
        let precisions = Set(candidates.map { $0.kernel.precision }).subtracting([.float32])
        func each(_ change: (inout TunedProduct) -> Void) -> [TunedProduct] {
            some.map {
                var product = $0
                change(&product)
                return product
            }
        }
        return products + types.sorted { $0.rawValue < $1.rawValue }.flatMap { type in each { $0.dtype = type } }
            + precisions.sorted { $0.rawValue < $1.rawValue }.flatMap { precision in each { $0.precision = precision } }
    }

    /// On GPUs, the three products that a fully connected layer trains by, for layers small and large.
    static func all(isCPU: Bool) -> [TunedProduct] {
        if isCPU {
            return [(64, 512, 784), (512, 512, 512), (1024, 1024, 512)].map {
                TunedProduct(m: $0.0, n: $0.1, k: $0.2, isYTransposed: true)
            }
        }
        let layers = [
            (64, 784, 512), (512, 784, 512), (64, 256, 256), (128, 256, 1024), (1024, 256, 1024), (4096, 256, 1024),
            (4096, 768, 3072), (256, 256, 256), (512, 512, 512), (1024, 1024, 1024), (2048, 2048, 2048),
            (4096, 4096, 4096),
        ]
        return layers.flatMap { rows, inputs, outputs in
            [
                TunedProduct(m: rows, n: outputs, k: inputs, isYTransposed: true),
                TunedProduct(m: rows, n: inputs, k: outputs),
                TunedProduct(m: outputs, n: inputs, k: rows, isXTransposed: true),
            ]
        }
    }
}

extension MatrixProblem {
    /// x wᵀ of contiguous, aligned float32 matrices x [m, k] and w [n, k].
    fileprivate static func layer(m: Int, n: Int, k: Int) -> MatrixProblem {
        func operand(_ columns: Int, isRowMajor: Bool = true) -> Operand {
            Operand(dtype: .float32, isRowMajor: isRowMajor, width: columns % 4 == 0 ? 4 : columns % 2 == 0 ? 2 : 1)
        }
        return MatrixProblem(
            m: m, n: n, k: k, batch: 1, x: operand(k), y: operand(k, isRowMajor: false), out: operand(n), bias: nil,
            accumulates: false, sumsRows: false, precision: .float32)
    }
}

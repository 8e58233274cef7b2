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
    @discardableResult
    public func tuneMatrixMultiply(report: (String) -> Void = { _ in }) throws -> [MatrixTuning] {
        try tuneMatrixMultiply(candidates: MatrixPlans.candidates(for: openCLDevice), report: report)
    }

    /// Tuning over given candidates.
    @discardableResult
    package func tuneMatrixMultiply(
        candidates: [MatrixPlan], report: (String) -> Void = { _ in }
    ) throws -> [MatrixTuning] {
        try synchronize()
        let correct = candidates.filter { plan in
            guard let fault = fault(of: plan) else { return true }
            report("\(plan): passed over, as \(fault)")
            return false
        }
        var found: [MatrixBucket: MatrixPlan] = [:]
        let results = try Self.tunedProducts(isCPU: openCLDevice.isCPU).compactMap { example -> MatrixTuning? in
            let operands = try Operands(example, on: self)
            let problem = operands.problem
            var best: MatrixTuning?
            for plan in correct where plan.kernel.supports(problem) {
                let gigaflops = try speed(of: plan, on: operands)
                report("\(example): \(plan), \(Int(gigaflops)) GFLOP/s")
                if gigaflops > best?.gigaflops ?? 0 {
                    best = MatrixTuning(m: example.m, n: example.n, k: example.k, plan: plan, gigaflops: gigaflops)
                }
            }
            if let best { found[MatrixBucket(problem)] = best.plan }
            return best
        }
        matrixPlans.withLock { $0.use(found) }
        storePlans(found, driver: device.driver)
        return results
    }

    /// The plan that a product of contiguous float32 matrices uses now.
    package func plan(m: Int, n: Int, k: Int) -> MatrixPlan {
        matrixPlans.withLock { $0.plan(for: .plain(m: m, n: n, k: k)) }
    }

    /// Keeps a plan for contiguous products of about a size for later starts, as found right with a version of the driver.
    package func storePlans(_ plans: [(m: Int, n: Int, k: Int, plan: MatrixPlan)], driver: String) {
        let found = plans.map { (MatrixBucket(.plain(m: $0.m, n: $0.n, k: $0.k)), $0.plan) }
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
            for (m, n, k) in [(1, 1, 1), (77, 65, 131), (128, 256, 64), (32, 48, 600)] {
                for dtype in plan.kernel.checkedTypes {
                    // Fractions that every precision holds, and whose sums are exact in any order; where float32 is
                    // promised, others too, each sum of k products in [-1, 1] erring by less than the tolerance.
                    for isExact in plan.kernel.precision == .float32 && dtype == .float32 ? [true, false] : [true] {
                        let tolerance = isExact ? 0 : Float(k) * Float.ulpOfOne * 4
                        guard try isRight(plan, m: m, n: n, k: k, dtype, isExact: isExact, within: tolerance) else {
                            return "its [\(m), \(k)] x [\(k), \(n)] is wrong"
                        }
                    }
                }
            }
            return nil
        } catch {
            return "\(error)"
        }
    }

    private func isRight(
        _ plan: MatrixPlan, m: Int, n: Int, k: Int, _ dtype: DType, isExact: Bool, within tolerance: Float
    ) throws -> Bool {
        let x = try numbers([m, k], seed: 1, isExact: isExact)
        let y = try numbers([k, n], seed: 2, isExact: isExact)
        let expected = try allocate([m, n])
        launch(
            KernelKey(.gemmPlain), count: m * n, groupSize: 64,
            [.buffer(x.storage), .buffer(y.storage), .buffer(expected.storage), .int32(m), .int32(n), .int32(k)])
        let wanted = try floats(expected)
        for (isXTransposed, isYTransposed) in [(false, false), (true, false), (false, true), (true, true)] {
            let left = try stored(x, dtype, isTransposed: isXTransposed)
            let right = try stored(y, dtype, isTransposed: isYTransposed)
            let out = try allocate([m, n])
            fill(out, with: .nan)
            matrixMultiply(left, right, out: out, .plain, plan: plan)
            guard zip(try floats(out), wanted).allSatisfy({ abs($0 - $1) <= tolerance }) else { return false }
        }
        return true
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

    /// A product to time candidates by.
    struct TunedProduct: CustomStringConvertible {
        var m: Int
        var n: Int
        var k: Int
        var isXTransposed = false
        var isYTransposed = false
        var dtype = DType.float32

        var description: String {
            "\(m) x \(n) x \(k)\(isXTransposed ? ", x transposed" : "")\(isYTransposed ? ", y transposed" : "")"
        }
    }

    private static func tunedProducts(isCPU: Bool) -> [TunedProduct] {
        [
            TunedProduct(m: 64, n: 512, k: 784, isYTransposed: true), TunedProduct(m: 512, n: 512, k: 512),
            isCPU ? TunedProduct(m: 1024, n: 1024, k: 512) : TunedProduct(m: 2048, n: 2048, k: 2048),
        ]
    }

    private struct Operands {
        let x: TensorView
        let y: TensorView
        let out: TensorView
        let problem: MatrixProblem

        init(_ product: TunedProduct, on backend: OpenCLBackend) throws {
            let (m, n, k) = (product.m, product.n, product.k)
            x = try backend.stored(
                backend.numbers([m, k], seed: 3, isExact: false), product.dtype, isTransposed: product.isXTransposed)
            y = try backend.stored(
                backend.numbers([k, n], seed: 4, isExact: false), product.dtype, isTransposed: product.isYTransposed)
            out = try backend.allocate([m, n])
            var problem = MatrixProblem.plain(m: m, n: n, k: k)
            problem.x.isRowMajor = !product.isXTransposed
            problem.y.isRowMajor = !product.isYTransposed
            (problem.x.dtype, problem.y.dtype) = (product.dtype, product.dtype)
            problem.precision = backend.productPrecision
            self.problem = problem
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
        // As often as fits into a few hundredths of a second, and the best of three such runs.
        let repetitions = max(1, min(200, Int(0.03 / max(try seconds(1), 1e-6))))
        let best = try (0..<3).map { _ in try seconds(repetitions) }.min()!
        return 2 * operands.problem.multiplications * Double(repetitions) / best * 1e-9
    }
}

extension MatrixProblem {
    /// Contiguous, aligned float32 matrices.
    static func plain(m: Int, n: Int, k: Int) -> MatrixProblem {
        func operand(_ columns: Int) -> Operand {
            Operand(dtype: .float32, isRowMajor: true, width: columns % 4 == 0 ? 4 : columns % 2 == 0 ? 2 : 1)
        }
        return MatrixProblem(
            m: m, n: n, k: k, batch: 1, x: operand(k), y: operand(n), out: operand(n), bias: nil, accumulates: false,
            activation: nil, precision: .float32)
    }
}

import GimbalBackend

extension OpenCLBackend {
    public func matrixMultiply(_ x: TensorView, _ y: TensorView, out: TensorView, _ epilogue: Epilogue) {
        matrixMultiply(x, y, out: out, epilogue, plan: nil)
    }

    /// How finely products of float32 matrices are computed; float32 unless set.
    public var productPrecision: ProductPrecision {
        get { chosenPrecision.withLock { $0 } }
        set { chosenPrecision.withLock { $0 = newValue } }
    }

    /// The product by a given plan, or by the one for its problem.
    package func matrixMultiply(
        _ x: TensorView, _ y: TensorView, out: TensorView, _ epilogue: Epilogue, plan: MatrixPlan?
    ) {
        guard out.elementCount > 0, supports("matrixMultiply", [x, y, out] + [epilogue.bias].compactMap { $0 })
        else { return }
        multiply(MatrixProduct(x, y, out: out, epilogue), plan)
    }

    public func linearWeightGradient(
        _ x: TensorView, outputGradient: TensorView, weightGradient: (view: TensorView, accumulates: Bool),
        biasGradient: (view: TensorView, accumulates: Bool)
    ) {
        linearWeightGradient(
            x, outputGradient: outputGradient, weightGradient: weightGradient, biasGradient: biasGradient, plan: nil)
    }

    /// The gradients by a given plan, or by the one for their problem.
    package func linearWeightGradient(
        _ x: TensorView, outputGradient: TensorView, weightGradient: (view: TensorView, accumulates: Bool),
        biasGradient: (view: TensorView, accumulates: Bool), plan: MatrixPlan?
    ) {
        let epilogue = Epilogue(accumulates: weightGradient.accumulates)
        guard !openCLDevice.isCPU, weightGradient.view.elementCount > 0 else {
            matrixMultiply(outputGradient.transposed, x, out: weightGradient.view, epilogue)
            return reduce(
                .sum, outputGradient, out: biasGradient.view.reshaped([1, outputGradient.shape[1]]),
                accumulates: biasGradient.accumulates)
        }
        guard supports("linearWeightGradient", [x, outputGradient, weightGradient.view, biasGradient.view]) else {
            return
        }
        var product = MatrixProduct(outputGradient.transposed, x, out: weightGradient.view, epilogue)
        product.rowSums = biasGradient
        multiply(product, plan)
    }

    /// Reduces the leading axes, and takes them in parts that a launch can count.
    private func multiply(_ product: MatrixProduct, _ plan: MatrixPlan?) {
        let batch = product.out.shape.dropLast(2)
        if batch.allSatisfy({ $0 == 1 }) { return multiplyOnce(product, plan) }
        let batchViews = [product.x, product.y, product.out].map {
            TensorView(
                storage: $0.storage, shape: Shape(Array(batch)), strides: Array($0.strides.dropLast(2)),
                dtype: $0.dtype)
        }
        let (sizes, strides) = collapseAxes(batchViews)
        multiply(product, batchSizes: sizes, batchStrides: strides, plan)
    }

    /// Two axes, and at most 65,535 products, go into one launch.
    private func multiply(
        _ product: MatrixProduct, batchSizes sizes: [Int], batchStrides strides: [[Int]], _ plan: MatrixPlan?
    ) {
        let largestBatch = 65_535
        if sizes.count > 2 || sizes.reduce(1, *) > largestBatch {
            if sizes.count == 1 {
                for start in stride(from: 0, to: sizes[0], by: largestBatch) {
                    multiply(
                        product.moved(by: strides.map { $0[0] * start }),
                        batchSizes: [min(largestBatch, sizes[0] - start)], batchStrides: strides, plan)
                }
            } else {
                for i in 0..<sizes[0] {
                    multiply(
                        product.moved(by: strides.map { $0[0] * i }), batchSizes: Array(sizes.dropFirst()),
                        batchStrides: strides.map { Array($0.dropFirst()) }, plan)
                }
            }
            return
        }
        var product = product
        product.batch = sizes.count == 2 ? (sizes[0], sizes[1]) : (1, sizes[0])
        product.batchStrides = strides.map { sizes.count == 2 ? ($0[0], $0[1]) : (0, $0[0]) }
        multiplyOnce(product, plan)
    }

    /// One launch.
    private func multiplyOnce(_ product: MatrixProduct, _ plan: MatrixPlan?) {
        var product = product
        var problem = product.problem(productPrecision)
        // Kernels for GPUs store along rows.
        if !openCLDevice.isCPU, !problem.out.isRowMajor, product.rowSums == nil {
            product = product.exchanged
            problem = product.problem(productPrecision)
        }
        let plan = plan ?? servingPlan(for: problem)
        plan.kernel.launch(product, problem, on: self)
    }
}

import GimbalBackend

// Convolutions as matrix products of columns, a part of the batch at a time so that the columns stay small.

extension OpenCLBackend {
    package func convolutionColumns(
        _ x: TensorView, weight: TensorView, bias: TensorView?, _ geometry: ConvolutionGeometry, out: TensorView
    ) {
        let plan = ColumnPlan(x: x.shape, out: out.shape, geometry)
        eachPart(of: x.shape[0], plan) { images, columns in
            let part = x.sliced(axis: 0, images)
            let right = columns.map { plan.columns(images.count, $0) } ?? plan.grouped(part)
            if let columns { unfold(part, plan, into: columns) }
            matrixMultiply(
                plan.factor(weight, images.count), right, out: plan.grouped(out.sliced(axis: 0, images)), .plain)
        }
        guard let bias else { return }
        let column = Shape([1, out.shape[1]] + geometry.kernel.map { _ in 1 })
        binary(.init(.add), out, bias.reshaped(column).broadcast(to: out.shape), out: out)
    }

    package func convolutionColumnsInputGradient(
        _ outputGradient: TensorView, weight: TensorView, _ geometry: ConvolutionGeometry, out: TensorView,
        accumulates: Bool
    ) {
        let plan = ColumnPlan(x: out.shape, out: outputGradient.shape, geometry)
        eachPart(of: out.shape[0], plan) { images, columns in
            let part = out.sliced(axis: 0, images)
            let left = plan.factor(weight, images.count).transposed
            let right = plan.grouped(outputGradient.sliced(axis: 0, images))
            guard let columns else {
                return matrixMultiply(left, right, out: plan.grouped(part), Epilogue(accumulates: accumulates))
            }
            let product = plan.columns(images.count, columns)
            matrixMultiply(left, right, out: product, .plain)
            let isWide = needsWideIndex([part, product])
            launch(
                KernelKey(.col2im, [.flag(.accumulates, accumulates), .flag(.wideIndex, isWide)]),
                count: part.elementCount,
                [
                    .buffer(columns.storage), .view(part), .indices(plan.numbers, isWide: isWide),
                    .index(part.elementCount, isWide: isWide),
                ])
        }
    }

    package func convolutionColumnsWeightGradient(
        _ x: TensorView, outputGradient: TensorView, _ geometry: ConvolutionGeometry, out: TensorView,
        accumulates: Bool
    ) {
        let plan = ColumnPlan(x: x.shape, out: outputGradient.shape, geometry)
        eachPart(of: x.shape[0], plan, besides: out.elementCount) { images, columns in
            let part = x.sliced(axis: 0, images)
            let right = columns.map { plan.columns(images.count, $0) } ?? plan.grouped(part)
            if let columns { unfold(part, plan, into: columns) }
            // A product for each image, as one with so few outputs would leave most of a device idle.
            let products = try allocate([images.count, geometry.groups, plan.outputs, plan.depth])
            matrixMultiply(
                plan.grouped(outputGradient.sliced(axis: 0, images)), right.transposed, out: products, .plain)
            reduce(
                .sum, products, out: out.reshaped([1, geometry.groups, plan.outputs, plan.depth]),
                accumulates: accumulates || images.lowerBound > 0)
        }
    }

    private func unfold(_ x: TensorView, _ plan: ColumnPlan, into columns: TensorView) {
        let count = x.shape[0] * plan.columnCount
        let isWide = needsWideIndex([x]) || count > Int(Int32.max) - 1 << 16
        launch(
            KernelKey(.im2col, [.flag(.wideIndex, isWide)]), count: count,
            [
                .view(x), .buffer(columns.storage), .indices(plan.numbers, isWide: isWide),
                .index(count, isWide: isWide),
            ])
    }

    /// Calls `body` for parts of the batch with memory for their columns; nil where the input itself is the columns.
    /// - Parameter besides: elements that `body` needs for each image too.
    private func eachPart(
        of images: Int, _ plan: ColumnPlan, besides: Int = 0,
        _ body: (_ images: Range<Int>, _ columns: TensorView?) throws -> Void
    ) {
        // 64 MiB.
        let limit = 1 << 24
        let perImage = (plan.isPointwise ? 0 : plan.columnCount) + besides
        let length = max(1, min(images, limit / max(perImage, 1)))
        reportingErrors {
            let columns = plan.isPointwise ? nil : try allocate([length, plan.columnCount])
            for start in stride(from: 0, to: images, by: length) {
                try body(start..<min(start + length, images), columns)
            }
        }
    }
}

/// The shapes of a convolution written as a product of matrices.
private struct ColumnPlan {
    let groups: Int
    /// Channels of the output in a group, and elements each is a sum over.
    let outputs: Int
    let depth: Int
    /// Outputs' positions.
    let positions: Int
    /// Whether the kernel has one element and meets every position once.
    let isPointwise: Bool
    /// In the order of the kernels' structure `Geometry`.
    let numbers: [Int]

    init(x: Shape, out: Shape, _ geometry: ConvolutionGeometry) {
        groups = geometry.groups
        outputs = out[1] / groups
        depth = x[1] / groups * geometry.kernelCount
        positions = out.sizes.dropFirst(2).reduce(1, *)
        isPointwise =
            geometry.kernelCount == 1 && x.sizes.dropFirst(2) == out.sizes.dropFirst(2)
            && geometry.padding.allSatisfy { $0 == 0 }
        let missing = 3 - geometry.axes
        func filled(_ sizes: [Int], _ value: Int) -> [Int] { [Int](repeating: value, count: missing) + sizes }
        numbers =
            filled([Int](x.sizes.dropFirst(2)), 1) + filled([Int](out.sizes.dropFirst(2)), 1)
            + filled(geometry.kernel, 1) + filled(geometry.stride, 1) + filled(geometry.padding, 0)
            + filled(geometry.dilation, 1)
    }

    /// Elements of one image's columns.
    var columnCount: Int { groups * depth * positions }

    /// [images, groups, depth, positions] in memory for columns.
    func columns(_ images: Int, _ memory: TensorView) -> TensorView {
        TensorView(storage: memory.storage, shape: [images, groups, depth, positions], dtype: memory.dtype)
    }

    /// [images, groups, rows, positions] of contiguous [images, groups · rows, positions...].
    func grouped(_ view: TensorView) -> TensorView {
        view.reshaped([view.shape[0], groups, view.shape[1] / groups, positions])
    }

    /// The weight as one matrix for each group, repeated over the images.
    func factor(_ weight: TensorView, _ images: Int) -> TensorView {
        weight.reshaped([1, groups, outputs, depth]).broadcast(to: [images, groups, outputs, depth])
    }
}

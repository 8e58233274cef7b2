// Convolutions over the primitives: the elements under the kernel gathered into columns (im2col), and a matrix product.

extension Backend {
    public func convolution(
        _ x: TensorView, weight: TensorView, bias: TensorView?, _ geometry: ConvolutionGeometry, out: TensorView
    ) {
        guard out.elementCount > 0 else { return }
        reportingErrors {
            let plan = ColumnPlan(x: x.shape, out: out.shape, geometry)
            let columns = try allocate(plan.columns)
            try gatherWindows(x, plan.windows, padding: 0, columns: columns)
            matrixMultiply(plan.factor(weight), plan.grouped(columns), out: plan.grouped(out), .plain)
            guard let bias else { return }
            let column = Shape([1, out.shape[1]] + geometry.kernel.map { _ in 1 })
            binary(.init(.add), out, bias.reshaped(column).broadcast(to: out.shape), out: out)
        }
    }

    public func convolutionInputGradient(
        _ outputGradient: TensorView, weight: TensorView, _ geometry: ConvolutionGeometry, out: TensorView,
        accumulates: Bool
    ) {
        guard out.elementCount > 0 else { return }
        reportingErrors {
            let plan = ColumnPlan(x: out.shape, out: outputGradient.shape, geometry)
            let columns = try allocate(plan.columns)
            matrixMultiply(
                plan.factor(weight).transposed, plan.grouped(outputGradient), out: plan.grouped(columns), .plain)
            try scatterWindows(columns, plan.windows, into: out, accumulates: accumulates)
        }
    }

    public func convolutionWeightGradient(
        _ x: TensorView, outputGradient: TensorView, _ geometry: ConvolutionGeometry, out: TensorView,
        accumulates: Bool
    ) {
        guard out.elementCount > 0 else { return }
        reportingErrors {
            let plan = ColumnPlan(x: x.shape, out: outputGradient.shape, geometry)
            let columns = try allocate(plan.columns)
            try gatherWindows(x, plan.windows, padding: 0, columns: columns)
            let perImage = try allocate([x.shape[0], geometry.groups, plan.outputs, plan.depth])
            matrixMultiply(
                plan.grouped(outputGradient), plan.grouped(columns).transposed, out: perImage, .plain)
            let sum: Shape = [1, geometry.groups, plan.outputs, plan.depth]
            reduce(.sum, perImage, out: out.reshaped(sum), accumulates: accumulates)
        }
    }

    /// columns[n, c, k, o] = x[n, c, windows[k, o]], `padding` where a window reaches outside.
    func gatherWindows(_ x: TensorView, _ windows: Windows, padding: Double, columns: TensorView) throws {
        let table = try allocate([x.shape[0], x.shape[1], windows.positions + 1])
        fill(table.sliced(axis: 2, windows.positions..<windows.positions + 1), with: padding)
        copy(
            x.reshaped([x.shape[0], x.shape[1], windows.positions]),
            to: table.sliced(axis: 2, 0..<windows.positions))
        let flat = columns.reshaped([x.shape[0], x.shape[1], windows.indices.count])
        gather(table.positionsFirst, indices: try windows.uploaded(to: self), out: flat.positionsFirst)
    }

    /// out[n, c, windows[k, o]] = or += Σ columns[n, c, k, o] over all k and o in order.
    func scatterWindows(_ columns: TensorView, _ windows: Windows, into out: TensorView, accumulates: Bool) throws {
        let table = try allocate([out.shape[0], out.shape[1], windows.positions + 1])
        fill(table, with: 0)
        let flat = columns.reshaped([out.shape[0], out.shape[1], windows.indices.count])
        scatterAdd(flat.positionsFirst, indices: try windows.uploaded(to: self), into: table.positionsFirst)
        let sums = table.sliced(axis: 2, 0..<windows.positions)
        let target = out.reshaped([out.shape[0], out.shape[1], windows.positions])
        if accumulates {
            binary(.init(.add), target, sums, out: target)
        } else {
            copy(sums, to: target)
        }
    }
}

/// The shapes of a convolution written as a product of matrices.
private struct ColumnPlan {
    let windows: Windows
    /// [batch, channels · kernel, outputs' positions].
    let columns: Shape
    let groups: Int
    /// Channels of the output in a group, and elements each is a sum over.
    let outputs: Int
    let depth: Int

    init(x: Shape, out: Shape, _ geometry: ConvolutionGeometry) {
        windows = Windows(
            geometry, inputSizes: Array(x.sizes.dropFirst(2)), outputSizes: Array(out.sizes.dropFirst(2)))
        groups = geometry.groups
        outputs = out[1] / groups
        depth = x[1] / groups * geometry.kernelCount
        columns = [x[0], groups * depth, out.sizes.dropFirst(2).reduce(1, *)]
    }

    /// [batch, groups, rows, positions] of contiguous [batch, groups · rows, positions...].
    func grouped(_ view: TensorView) -> TensorView {
        view.reshaped([columns[0], groups, view.shape[1] / groups, columns[2]])
    }

    /// The weight as one matrix for each group, repeated over the batch.
    func factor(_ weight: TensorView) -> TensorView {
        weight.reshaped([1, groups, outputs, depth]).broadcast(to: [columns[0], groups, outputs, depth])
    }
}

/// For each element of a kernel and each output, the position of the input it falls on.
struct Windows {
    /// Number of positions of the input; as an index it stands for the padding.
    let positions: Int
    /// [kernel, outputs].
    let indices: [Int32]

    init(_ geometry: ConvolutionGeometry, inputSizes: [Int], outputSizes: [Int]) {
        self.init(inputSizes: inputSizes, outputSizes: outputSizes, kernel: geometry.kernel) { axis, element, output in
            output * geometry.stride[axis] - geometry.padding[axis] + element * geometry.dilation[axis]
        }
    }

    /// - Parameter place: where an element of the kernel falls for an output, on one axis.
    init(
        inputSizes: [Int], outputSizes: [Int], kernel: [Int],
        _ place: (_ axis: Int, _ element: Int, _ output: Int) -> Int
    ) {
        positions = inputSizes.reduce(1, *)
        // -1 for the padding, until all axes are joined.
        var flat: [[Int]] = [[0]]
        for axis in inputSizes.indices {
            let places = (0..<kernel[axis]).map { element in
                (0..<outputSizes[axis]).map { output in
                    let position = place(axis, element, output)
                    return 0..<inputSizes[axis] ~= position ? position : -1
                }
            }
            flat = flat.flatMap { outer in
                places.map { inner in
                    outer.flatMap { start in
                        inner.map { start < 0 || $0 < 0 ? -1 : start * inputSizes[axis] + $0 }
                    }
                }
            }
        }
        let outside = Int32(positions)
        indices = flat.joined().map { $0 < 0 ? outside : Int32($0) }
    }

    func uploaded(to backend: any Backend) throws -> TensorView {
        try backend.uploadedIndices(indices, [indices.count])
    }
}

extension TensorView {
    /// [batch, channels, positions] seen as [positions, batch, channels].
    fileprivate var positionsFirst: TensorView {
        var view = self
        view.shape = [shape[2], shape[0], shape[1]]
        view.strides = [strides[2], strides[0], strides[1]]
        return view
    }
}

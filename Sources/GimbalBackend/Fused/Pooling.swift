// Pooling over the primitives: the elements of each window gathered side by side, and a reduction.

extension Backend {
    public func maxPool(_ x: TensorView, _ geometry: PoolingGeometry, out: TensorView, indices: TensorView) {
        guard out.elementCount > 0 else { return }
        reportingErrors {
            // Where a window is shorter than the longest one, its first element stands in again.
            let windows = Windows(geometry) { window, element in
                let position = window.lowerBound + element
                return window.contains(position) ? position : window.lowerBound
            }
            let outputs = geometry.outputSizes.reduce(1, *)
            let (images, length) = (x.shape[0] * x.shape[1], windows.indices.count / outputs)
            let columns = try allocate([x.shape[0], x.shape[1], length, outputs])
            try gatherWindows(x, windows, padding: 0, columns: columns)
            let elements = columns.reshaped([images, length, outputs])
            reduce(.maximum, elements, out: out.reshaped([images, 1, outputs]), accumulates: false)
            // The element of the window it came from, as a position of the input.
            let chosen = try allocate([images, outputs], .int32)
            argMaximum(elements.transposed, out: chosen)
            let places = try allocate([outputs], .int32)
            (0..<Int32(outputs)).map { $0 }.withUnsafeBytes { upload($0, to: places.storage, byteOffset: 0) }
            let step = try allocate([1, 1], .int32)
            fill(step, with: Double(outputs))
            binary(.init(.multiply), chosen, step.broadcast(to: chosen.shape), out: chosen)
            binary(.init(.add), chosen, places.broadcast(to: chosen.shape), out: chosen)
            gather(
                try windows.uploaded(to: self), indices: chosen.flattened, out: indices.reshaped([images * outputs]))
        }
    }

    public func maxPoolGradient(
        _ outputGradient: TensorView, indices: TensorView, _ geometry: PoolingGeometry, out: TensorView
    ) {
        reportingErrors {
            fill(out, with: 0)
            guard outputGradient.elementCount > 0 else { return }
            let images = out.shape[0] * out.shape[1]
            let positions = geometry.inputSizes.reduce(1, *)
            let starts = try allocate([images, 1], .int32)
            (0..<images).map { Int32($0 * positions) }.withUnsafeBytes {
                upload($0, to: starts.storage, byteOffset: 0)
            }
            let flat = try allocate([images, indices.elementCount / images], .int32)
            binary(.init(.add), indices.reshaped(flat.shape), starts.broadcast(to: flat.shape), out: flat)
            scatterAdd(outputGradient.flattened, indices: flat.flattened, into: out.flattened)
        }
    }

    public func averagePool(_ x: TensorView, _ geometry: PoolingGeometry, countsPadding: Bool, out: TensorView) {
        guard out.elementCount > 0 else { return }
        reportingErrors {
            let windows = Windows(averaging: geometry)
            let outputs = geometry.outputSizes.reduce(1, *)
            let (images, length) = (x.shape[0] * x.shape[1], windows.indices.count / outputs)
            let columns = try allocate([x.shape[0], x.shape[1], length, outputs])
            try gatherWindows(x, windows, padding: 0, columns: columns)
            let flat = out.reshaped([images, 1, outputs])
            reduce(.sum, columns.reshaped([images, length, outputs]), out: flat, accumulates: false)
            let divisors = try divisors(geometry, countsPadding: countsPadding)
            binary(.init(.divide), flat, divisors.broadcast(to: flat.shape), out: flat)
        }
    }

    public func averagePoolGradient(
        _ outputGradient: TensorView, _ geometry: PoolingGeometry, countsPadding: Bool, out: TensorView
    ) {
        guard out.elementCount > 0 else { return }
        reportingErrors {
            let windows = Windows(averaging: geometry)
            let outputs = geometry.outputSizes.reduce(1, *)
            let (images, length) = (out.shape[0] * out.shape[1], windows.indices.count / outputs)
            let shares = try allocate([images, 1, outputs])
            let divisors = try divisors(geometry, countsPadding: countsPadding)
            binary(
                .init(.divide), outputGradient.reshaped(shares.shape), divisors.broadcast(to: shares.shape), out: shares
            )
            let columns = try allocate([out.shape[0], out.shape[1], length, outputs])
            let elements = columns.reshaped([images, length, outputs])
            copy(shares.broadcast(to: elements.shape), to: elements)
            try scatterWindows(columns, windows, into: out, accumulates: false)
        }
    }

    /// By what each output's sum is divided, over all axes.
    private func divisors(_ geometry: PoolingGeometry, countsPadding: Bool) throws -> TensorView {
        var values: [Double] = [1]
        for axis in geometry.axes {
            let sizes = (0..<axis.outputSize).map { Double(axis.divisor($0, countsPadding: countsPadding)) }
            values = values.flatMap { outer in sizes.map { outer * $0 } }
        }
        let host = try allocate([values.count], realType)
        switch realType {
        case .float64: values.withUnsafeBytes { upload($0, to: host.storage, byteOffset: 0) }
        default: values.map { Float($0) }.withUnsafeBytes { upload($0, to: host.storage, byteOffset: 0) }
        }
        return host
    }
}

extension Windows {
    /// - Parameter place: the position of an element of a window, counted as if its positions lay side by side.
    fileprivate init(_ geometry: PoolingGeometry, _ place: (_ window: Range<Int>, _ element: Int) -> Int) {
        let longest = geometry.axes.map { axis in
            (0..<axis.outputSize).map { (axis.window($0).count + axis.dilation - 1) / axis.dilation }.max() ?? 0
        }
        self.init(inputSizes: geometry.inputSizes, outputSizes: geometry.outputSizes, kernel: longest) {
            place(geometry.axes[$0].window($2), $1 * geometry.axes[$0].dilation)
        }
    }

    /// Windows that end where they end, for averages.
    fileprivate init(averaging geometry: PoolingGeometry) {
        self.init(geometry) { window, element in
            window.contains(window.lowerBound + element) ? window.lowerBound + element : -1
        }
    }
}

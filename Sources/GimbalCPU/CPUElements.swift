import CGimbalLoops
import GimbalBackend

// Elementwise operations. Loops exist for float32, and for int32 where arithmetic makes sense; other types are widened
// into temporary memory first.

extension CPUBackend {
    public func fill(_ out: TensorView, with value: Double) {
        guard out.elementCount > 0 else { return }
        out.storage.noteWrite()
        withUnsafePointer(to: value) { value in
            withUnsafeTemporaryAllocation(byteCount: 8, alignment: 8) { element in
                // The element is converted once; from there on it is a copy with stride 0.
                var operands: [UnsafeMutablePointer<CChar>?] = [
                    element.baseAddress!.assumingMemoryBound(to: CChar.self),
                    UnsafeMutableRawPointer(mutating: value).assumingMemoryBound(to: CChar.self),
                ]
                conversionLoop(.float64, out.dtype)(&operands, [1, 1], 1, 0, 0)
                let (sizes, strides) = collapseAxes([out])
                elementwise(
                    conversionLoop(out.dtype, out.dtype), sizes: sizes,
                    [
                        Operand(out.pointer, strides[0], out.dtype),
                        Operand(element.baseAddress!, strides[0].map { _ in 0 }, out.dtype),
                    ], cost: 1)
            }
        }
    }

    public func copy(_ source: TensorView, to out: TensorView) {
        elementwise(conversionLoop(source.dtype, out.dtype), [out, source], cost: 1)
    }

    public func unary(_ operation: UnaryOperation, _ x: TensorView, out: TensorView) {
        computing([x], out: out) { inputs, out in
            elementwise(
                loop(operation.kind), [out, inputs[0]], a: Float(operation.a), b: Float(operation.b),
                cost: operation.kind.cost)
        }
    }

    public func binary(_ operation: BinaryOperation, _ x: TensorView, _ y: TensorView, out: TensorView) {
        let isInteger = !x.dtype.isFloatingPoint && !y.dtype.isFloatingPoint
        if isInteger, let loop = integerLoop(operation.kind) {
            computing([x, y], in: .int32, out: out) { inputs, out in
                elementwise(loop, [out, inputs[0], inputs[1]], cost: 1)
            }
        } else {
            computing([x, y], out: out) { inputs, out in
                elementwise(
                    loop(operation.kind), [out, inputs[0], inputs[1]], a: Float(operation.a), b: Float(operation.b),
                    cost: operation.kind.cost)
            }
        }
    }

    public func select(_ condition: TensorView, _ x: TensorView, _ y: TensorView, out: TensorView) {
        reportingErrors {
            // Chosen by their bits, in the type of the result.
            let x = try converted(x, to: out.dtype, contiguous: false)
            let y = try converted(y, to: out.dtype, contiguous: false)
            let condition = try converted(condition, to: .uint8, contiguous: false)
            elementwise(selectLoops[out.dtype.byteCount.trailingZeroBitCount], [out, condition, x, y], cost: 1)
        }
    }

    // MARK: Shared steps

    /// One operand of a loop nest: where it begins, and its strides in elements.
    struct Operand {
        var pointer: UnsafeMutableRawPointer
        var strides: [Int]
        var byteCount: Int

        init(_ pointer: UnsafeMutableRawPointer, _ strides: [Int], _ dtype: DType) {
            self.pointer = pointer
            self.strides = strides
            self.byteCount = dtype.byteCount
        }
    }

    /// Runs `loop` over views of one shape, the output first.
    func elementwise(_ loop: gimbal_inner, _ views: [TensorView], a: Float = 0, b: Float = 0, cost: Int) {
        let count = views[0].elementCount
        guard count > 0 else { return }
        views[0].storage.noteWrite()
        if views.allSatisfy(\.isContiguous) {
            elementwise(
                loop, sizes: [count], views.map { Operand($0.pointer, [1], $0.dtype) }, a: a, b: b, cost: cost)
        } else {
            let (sizes, strides) = collapseAxes(views)
            elementwise(
                loop, sizes: sizes, zip(views, strides).map { Operand($0.pointer, $1, $0.dtype) }, a: a, b: b,
                cost: cost)
        }
    }

    /// Divides the longest axis among the threads and runs the loop nest on each part.
    private func elementwise(
        _ loop: gimbal_inner, sizes: [Int], _ operands: [Operand], a: Float = 0, b: Float = 0, cost: Int
    ) {
        var sizes = sizes
        var operands = operands
        if sizes.count > 1 {
            var strides = operands.map(\.strides)
            orderAxes(&sizes, &strides)
            for index in operands.indices { operands[index].strides = strides[index] }
        }
        require(sizes.count <= Int(gimbal_maximum_rank), "elementwise", "more than \(gimbal_maximum_rank) axes")
        let axis = sizes.count == 1 ? 0 : sizes.indices.max { sizes[$0] < sizes[$1] }!
        let perIndex = max(sizes.reduce(1, *) / sizes[axis] * cost, 1)
        let strides = operands.flatMap(\.strides)
        let byteCounts = operands.map(\.byteCount)
        divide(sizes[axis], grain: max(grain / perIndex, 1), alignment: perIndex > 16 ? 1 : 16) { range in
            var part = sizes
            part[axis] = range.count
            let starts: [UnsafeMutablePointer<CChar>?] = operands.map {
                ($0.pointer + range.lowerBound * $0.strides[axis] * $0.byteCount).assumingMemoryBound(to: CChar.self)
            }
            gimbal_nest(loop, Int32(part.count), part, Int32(operands.count), starts, strides, byteCounts, a, b)
        }
    }

    /// Puts the axes into the order of the strides of the first operand, an output; a very short innermost one gives way to
    /// the longest.
    func orderAxes(_ sizes: inout [Int], _ strides: inout [[Int]]) {
        let out = strides[0]
        var order = sizes.indices.sorted { abs(out[$0]) > abs(out[$1]) }
        let longest = order.indices.max { sizes[order[$0]] < sizes[order[$1]] }!
        if sizes[order.last!] < 8 && sizes[order[longest]] > 2 * sizes[order.last!] {
            order.append(order.remove(at: longest))
        }
        sizes = order.map { sizes[$0] }
        strides = strides.map { strides in order.map { strides[$0] } }
    }

    /// The view itself where it has the type (and is contiguous, if it must be), else a temporary contiguous copy.
    func converted(_ view: TensorView, to dtype: DType, contiguous: Bool = true) throws -> TensorView {
        if view.dtype == dtype && (!contiguous || view.isContiguous) { return view }
        let result = try allocate(view.shape, dtype)
        copy(view, to: result)
        return result
    }

    /// Calls `body` with inputs and output in `dtype`, by way of temporary memory where they are of another.
    /// - Parameter keepsOutput: whether `body` reads what `out` holds.
    func computing(
        _ inputs: [TensorView], in dtype: DType = .float32, out: TensorView, keepsOutput: Bool = false,
        contiguous: Bool = false, _ body: ([TensorView], TensorView) throws -> Void
    ) {
        out.storage.noteWrite()
        reportingErrors {
            let inputs = try inputs.map { try converted($0, to: dtype, contiguous: contiguous) }
            if out.dtype == dtype && (!contiguous || out.isContiguous) { return try body(inputs, out) }
            let result = try allocate(out.shape, dtype)
            if keepsOutput { copy(out, to: result) }
            try body(inputs, result)
            copy(result, to: out)
        }
    }
}

extension UnaryOperation.Kind {
    /// How many cheap operations one element takes, roughly.
    var cost: Int {
        switch self {
        case .exponential, .logarithm, .errorFunction, .sigmoid, .tanh, .elu, .silu, .gelu, .geluTanh, .softplus, .selu,
            .celu, .mish,
            .logSigmoid:
            4
        case .sine, .cosine: 8
        case .power: 64
        default: 1
        }
    }
}

extension BinaryOperation.Kind {
    var cost: Int {
        switch self {
        case .power: 64
        case .eluGradient, .siluGradient, .geluGradient, .geluTanhGradient, .softplusGradient, .seluGradient,
            .celuGradient, .mishGradient, .logSigmoidGradient:
            4
        default: 1
        }
    }
}

import GimbalBackend

/// Axes that the kernels decode; views that do not collapse to as few are taken slice by slice.
let largestRank = 8

/// The values of the macro KIND.
private enum ElementwiseKind: Int {
    case unary, binary, integerBinary, select, copy
}

extension OpenCLBackend {
    public func fill(_ out: TensorView, with value: Double) {
        guard out.elementCount > 0, supports("fill", [out]) else { return }
        let (sizes, strides) = collapseAxes([out])
        if sizes.count > largestRank {
            for i in 0..<sizes[0] { fill(slice(out, sizes, strides[0], i), with: value) }
            return
        }
        let isContiguous = sizes.count == 1 && strides[0][0] == 1
        let width = isContiguous && out.dtype == .float32 && out.isAligned ? 4 : 1
        let isWide = needsWideIndex([out])
        let isInteger = out.dtype == .int32 || out.dtype == .uint8
        let key = KernelKey(
            .fill,
            [
                .number(.rank, isContiguous ? 0 : sizes.count), .number(.width, width), .type(.outType, out.dtype),
                .flag(.isInteger, isInteger), .flag(.usesFloat64, out.dtype == .float64), .flag(.wideIndex, isWide),
            ])
        var arguments: [KernelArgument] = [.view(out)]
        if !isContiguous { arguments.append(.indices(sizes + strides[0], isWide: isWide)) }
        if isInteger {
            arguments.append(.int32(Int(Int32(saturating: value))))
        } else {
            arguments.append(out.dtype == .float64 ? .double(value) : .float(value))
        }
        arguments.append(.index(out.elementCount, isWide: isWide))
        launch(key, count: (out.elementCount + width - 1) / width, arguments)
    }

    public func copy(_ source: TensorView, to out: TensorView) {
        guard out.elementCount > 0, supports("copy", [source, out]) else { return }
        if source.dtype == out.dtype, source.storage !== out.storage, source.isContiguous, out.isContiguous {
            copyBytes(
                from: source.storage, at: source.byteOffset, to: out.storage, at: out.byteOffset,
                count: out.elementCount * out.dtype.byteCount)
            return
        }
        elementwise(.copy, nil, [source], out)
    }

    public func unary(_ operation: UnaryOperation, _ x: TensorView, out: TensorView) {
        guard supports("\(operation.kind)", [x, out]) else { return }
        elementwise(.unary, .unary(.operation, operation.kind), [x], out, a: operation.a, b: operation.b)
    }

    public func binary(_ operation: BinaryOperation, _ x: TensorView, _ y: TensorView, out: TensorView) {
        guard supports("\(operation.kind)", [x, y, out]) else { return }
        let areIntegers = !x.dtype.isFloatingPoint && !y.dtype.isFloatingPoint
        if areIntegers, operation.kind.takesWholeNumbers {
            elementwise(.integerBinary, .integer(.operation, operation.kind), [x, y], out)
        } else {
            elementwise(.binary, .binary(.operation, operation.kind), [x, y], out, a: operation.a, b: operation.b)
        }
    }

    public func select(_ condition: TensorView, _ x: TensorView, _ y: TensorView, out: TensorView) {
        guard supports("select", [condition, x, y, out]) else { return }
        elementwise(.select, nil, [condition, x, y], out)
    }

    private func elementwise(
        _ kind: ElementwiseKind, _ function: KernelKey.Setting?, _ inputs: [TensorView], _ out: TensorView,
        a: Double = 0, b: Double = 0
    ) {
        guard out.elementCount > 0 else { return }
        let views = [out] + inputs
        let (sizes, strides) = collapseAxes(views)
        if sizes.count > largestRank {
            for i in 0..<sizes[0] {
                let slices = views.indices.map { slice(views[$0], sizes, strides[$0], i) }
                elementwise(kind, function, Array(slices.dropFirst()), slices[0], a: a, b: b)
            }
            return
        }
        let isContiguous = sizes.count == 1 && strides.allSatisfy { $0[0] == 1 }
        // A CPU's compiler vectorises over work-items; four narrow elements to each would be in its way.
        let isVectorized =
            isContiguous && kind != .select
            && views.allSatisfy {
                $0.isAligned && ($0.dtype == .float32 || $0.dtype.byteCount == 2 && !openCLDevice.isCPU)
            }
        let isWide = needsWideIndex(views)
        let width = isVectorized ? 4 : 1
        var settings: [KernelKey.Setting] = [
            .number(.kind, kind.rawValue), .number(.rank, isContiguous ? 0 : sizes.count), .number(.width, width),
            .flag(.wideIndex, isWide), .flag(.usesFloat64, views.contains { $0.dtype == .float64 }),
            .type(.outType, out.dtype), .type(.xType, inputs[0].dtype),
        ]
        if let function { settings.append(function) }
        if inputs.count > 1 { settings.append(.type(.yType, inputs[1].dtype)) }
        if inputs.count > 2 { settings.append(.type(.zType, inputs[2].dtype)) }
        var arguments = views.map { KernelArgument.view($0) }
        if !isContiguous { arguments.append(.indices(sizes + strides.flatMap { $0 }, isWide: isWide)) }
        arguments += [.float(a), .float(b), .index(out.elementCount, isWide: isWide)]
        launch(KernelKey(.elementwise, settings), count: (out.elementCount + width - 1) / width, arguments)
    }

    /// Element `i` of the first of a view's collapsed axes.
    func slice(_ view: TensorView, _ sizes: [Int], _ strides: [Int], _ i: Int) -> TensorView {
        TensorView(
            storage: view.storage, offset: view.offset + i * strides[0], shape: Shape(Array(sizes.dropFirst())),
            strides: Array(strides.dropFirst()), dtype: view.dtype)
    }
}

extension Int32 {
    /// The value truncated towards zero, at most `Int32.max` in size; NaN becomes 0.
    fileprivate init(saturating value: Double) {
        if value.isNaN {
            self = 0
        } else {
            self = Int32(Swift.min(Swift.max(value.rounded(.towardZero), Double(Int32.min)), Double(Int32.max)))
        }
    }
}

/// An n-dimensional array on a device.
///
/// A tensor is a small value: a reference to device memory, a shape, and what is needed to differentiate it. Reshaping,
/// transposing and slicing give another view of the same memory. Operations are queued; the host waits only when a value
/// is read, and what went wrong meanwhile is thrown there.
///
/// ```swift
/// let x = Tensor([1, 2, 3, 4], [2, 2])
/// let y = (x * x).sum()
/// print(try y.item())  // 30.0
/// ```
public struct Tensor {
    /// Only `changeInPlace` sets it: where the elements are shared, it gives this tensor its own.
    package internal(set) var view: TensorView
    /// What this tensor was computed by, if a gradient flows through it.
    package internal(set) var node: Node?

    package init(_ view: TensorView, node: Node? = nil) {
        self.view = view
        self.node = node
    }

    /// The sizes of the axes, outermost first; `[]` for a single number.
    public var shape: Shape { view.shape }
    /// The number of axes; 0 for a single number.
    public var rank: Int { view.shape.rank }
    /// The product of all sizes; 1 for a single number.
    public var elementCount: Int { view.shape.elementCount }
    /// The type in which elements are stored.
    public var dtype: DType { view.dtype }
    /// Where the elements lie, and where what is computed of them is computed.
    public var device: Device { Device(backend: view.storage.backend) }
    /// Whether a gradient flows through this tensor.
    public var requiresGradient: Bool { node != nil }

    package var backend: any Backend { view.storage.backend }

    // MARK: Creating

    /// A tensor with every element set to `value`; dtype is the device's real type unless given.
    public init(repeating value: Double, _ shape: Shape, dtype: DType? = nil, device: Device = .current) {
        self = Tensor.make(shape, dtype ?? device.backend.realType, device) { $0.fill($1, with: value) }
    }

    /// A copy of contiguous host memory.
    package init(copying values: UnsafeRawBufferPointer, _ shape: Shape, _ dtype: DType, _ device: Device) {
        require(
            values.count == shape.elementCount * dtype.byteCount, "Tensor",
            "\(values.count) bytes do not fill \(dtype) \(shape)")
        self = Tensor.make(shape, dtype, device) { backend, out in
            backend.upload(values, to: out.storage, byteOffset: 0)
        }
    }

    // MARK: Reading

    /// All elements in row-major order. Waits for the device.
    public func floats() throws -> [Float] {
        dtype == .float64 ? try elements(Double.self, .float64).map(Float.init) : try elements(Float.self, .float32)
    }

    /// All elements in row-major order, in full precision where the device has it. Waits for the device.
    public func doubles() throws -> [Double] {
        switch dtype {
        case .float64: try elements(Double.self, .float64)
        case .int32: try integers().map(Double.init)  // Not all of which are float32 numbers.
        default: try floats().map(Double.init)
        }
    }

    /// All elements in row-major order, real numbers truncated towards zero. Waits for the device.
    public func integers() throws -> [Int32] { try elements(Int32.self, .int32) }

    /// The elements as they lie on the device, in row-major order. Waits for the device.
    package func bytes() throws -> [UInt8] {
        try contiguous().elements(UInt8.self, count: elementCount * dtype.byteCount)
    }

    /// Gives `body` the elements as they lie on the device, in row-major order, in pieces: no memory of the host is taken for
    /// all of them. Waits for the device.
    package func forEachPiece(_ body: (UnsafeRawBufferPointer) throws -> Void) throws {
        let whole = contiguous()
        try whole.beginReading()
        let byteCount = elementCount * dtype.byteCount
        let piece = try HostBuffer(byteCount: Swift.min(byteCount, 4 << 20))
        for place in stride(from: 0, to: byteCount, by: 4 << 20) {
            let bytes = UnsafeMutableRawBufferPointer(rebasing: piece.bytes.prefix(byteCount - place))
            try backend.download(whole.view.storage, byteOffset: whole.view.byteOffset + place, into: bytes)
            try body(UnsafeRawBufferPointer(bytes))
        }
    }

    /// The elements as `type`, which holds those of `dtype`.
    func elements<Element: BitwiseCopyable>(_ type: Element.Type, _ dtype: DType) throws -> [Element] {
        try cast(to: dtype).contiguous().elements(type, count: elementCount)
    }

    /// The memory of this contiguous tensor as `count` values of `type`.
    private func elements<Element: BitwiseCopyable>(_ type: Element.Type, count: Int) throws -> [Element] {
        try beginReading()
        return try [Element](refusable: count, "a copy of a tensor \(shape) on the host") {
            try backend.download(
                view.storage, byteOffset: view.byteOffset, into: UnsafeMutableRawBufferPointer($0))
        }
    }

    /// Tells who watches that the host reads this.
    /// - Throws: what it has failed by.
    private func beginReading() throws {
        OperationObserver.current?.note(ComputedOperation(name: "read", inputs: [self], outputs: [], details: .read))
        try view.throwIfFailed()
    }

    // MARK: Gradients

    /// The same values, cut off from what they were computed by.
    public func detached() -> Tensor { Tensor(view) }

    /// The same values as a leaf: `backward()` leaves a gradient in `gradient`.
    public func requiringGradient() -> Tensor {
        require(dtype.isFloatingPoint, "requiringGradient", "\(dtype) has no gradient")
        return Tensor(view, node: Node(leaf: view))
    }

    /// The gradient collected by a leaf, nil before any `backward()`.
    public var gradient: Tensor? { node.flatMap { $0.isLeaf ? $0.gradient : nil } }
}

// MARK: - Making results

extension Tensor {
    /// A new tensor filled by `body`. What fails in it, or what memory is refused with, is kept with the tensor. Where something
    /// has failed in one of `inputs`, `body` is not run and the tensor takes that failure over.
    /// - Parameters:
    ///   - name: of the operation, for what failures say.
    ///   - others: tensors that `body` fills as well, and of which the same holds.
    package static func make(
        _ shape: Shape, _ dtype: DType, _ device: Device, inputs: [Tensor] = [], filling others: [Tensor] = [],
        named name: StaticString? = nil, _ body: (any Backend, TensorView) -> Void
    ) -> Tensor {
        let backend = device.backend
        var out: TensorView?
        var failure = failure(among: inputs) ?? failure(among: others)
        if let failure {
            ErrorLatch.note(failure)
        } else {
            failure = ErrorLatch.collecting(name) {
                out = backend.allocateOrReport(shape, dtype)
                if let out { body(backend, out) }
            }
        }
        guard let failure else { return Tensor(out!) }
        for other in others { other.view.noteFailure(failure) }
        return Tensor(standingInFor: shape, dtype, device, failure)
    }

    /// In a loop, as every operation asks for it.
    private static func failure(among tensors: [Tensor]) -> GimbalError? {
        for tensor in tensors {
            if let failure = tensor.view.failure { return failure }
        }
        return nil
    }

    /// What could not be computed: it has a shape, but no elements, and reading it throws `failure`.
    package init(standingInFor shape: Shape, _ dtype: DType, _ device: Device, _ failure: GimbalError) {
        self.init(TensorView(storage: Storage(standingInOn: device.backend, failure), shape: shape, dtype: dtype))
    }

    /// The result of an operation on `inputs`, recorded if a gradient flows through any of them.
    ///
    /// - Parameters:
    ///   - operands: what `forward` reads instead of the inputs, where it is not them.
    ///   - details: what the operation was told beside its inputs, for who watches.
    ///   - forward: computes the result into the view it is given.
    ///   - gradient: the rule. It must capture views or detached tensors only: a captured tensor with its node would
    ///     keep the whole graph alive.
    package static func operation(
        _ name: StaticString, _ inputs: [Tensor], _ shape: Shape, dtype: DType? = nil, operands: [Tensor] = [],
        details: @autoclosure () -> OperationDetails = .unstated,
        forward: (any Backend, TensorView) -> Void, gradient: @escaping GradientRule
    ) -> Tensor {
        let device = commonDevice(name, inputs)
        let result = make(shape, dtype ?? inputs[0].dtype, device, inputs: inputs + operands, named: name, forward)
        return result.recorded(name, inputs, details(), gradient)
    }

    /// This result, with a node if a gradient flows through any of `inputs`.
    package func recorded(
        _ name: StaticString, _ inputs: [Tensor], _ details: @autoclosure () -> OperationDetails = .unstated,
        _ gradient: @escaping GradientRule
    ) -> Tensor {
        var result = self
        if inputs.contains(where: { $0.node != nil }), GradientMode.isRecording {
            result.node = Node(operation: name, output: view, inputs: inputs.map(\.node), rule: gradient)
        }
        OperationObserver.current?.see(
            ComputedOperation(name: name, inputs: inputs, outputs: [result], details: details()))
        return result
    }

    static func commonDevice(_ name: StaticString, _ inputs: [Tensor]) -> Device {
        let first = inputs[0].device
        for other in inputs.dropFirst() where other.backend !== first.backend {
            stop("\(name)", "tensors on \(first.id) and \(other.device.id); move one with to(_:)")
        }
        return first
    }
}

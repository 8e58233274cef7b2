/// What a model's products are computed in. Weights, their gradients and the optimizer's moments are float32 in any case.
///
/// Inside `withPrecision(.bfloat16) { }` or `.float16`, operations choose their types as PyTorch's autocast does for GPUs:
/// - Matrix products, linear layers, convolutions and attention round their operands to the type and give results in it.
/// - Softmax, losses, layer and group norms, exp, log, powers and sums give float32.
/// - All others, such as activations, dropout, pooling and batch norm, give the type that they are given, and the wider
///   of two.
///
/// All arithmetic is float32, and so are sums and statistics: the types say only how values are stored in between.
public enum Precision: String, Codable, Sendable, CaseIterable {
    /// Everything in float32.
    case float32
    /// float32, with products that read only 11 significant bits of their operands, where the device has units for that.
    case tf32
    /// 11 significant bits, at most 65,504, least 6e-8; training needs a `LossScaler`.
    case float16
    /// 8 significant bits, and the range of float32.
    case bfloat16

    /// The type that operands of products are rounded to; nil where they stay as they are.
    package var storage: DType? {
        switch self {
        case .float32, .tf32: nil
        case .float16: .float16
        case .bfloat16: .bfloat16
        }
    }
}

/// Runs `body`, a model's forward pass and its loss, with products in `precision`.
///
/// ```swift
/// let loss = withPrecision(.bfloat16) { crossEntropy(model(x), targets) }
/// try loss.backward()
/// ```
/// Gradients take the types of what they are gradients of, wherever `backward()` is called. Each weight is rounded once
/// and used again until `body` returns, or the weight changes.
public func withPrecision<Result>(_ precision: Precision, _ body: () throws -> Result) rethrows -> Result {
    let current = PrecisionScope.current
    if current?.storage == precision.storage { return try body() }
    return try PrecisionScope.$current.withValue(precision.storage.map { PrecisionScope($0) }, operation: body)
}

/// A `withPrecision` under way, with its rounded weights.
///
/// It is used by one task at a time, which is why it may be called sendable.
package final class PrecisionScope: @unchecked Sendable {
    @TaskLocal package static var current: PrecisionScope?

    let storage: DType
    /// By the storage of the weights, which each entry keeps alive; all of it is rounded at once, so that a model whose
    /// parameters share an arena takes one launch.
    private var copies: [ObjectIdentifier: (original: Storage, version: UInt64, copy: TensorView)] = [:]

    init(_ storage: DType) { self.storage = storage }

    /// `weights`, a view of a parameter, in the type of this scope; nil where memory is refused.
    func rounded(_ weights: TensorView) -> TensorView? {
        let version = weights.storage.latestChange
        let key = ObjectIdentifier(weights.storage)
        var result = weights
        result.dtype = storage
        if let held = copies[key], held.version == version {
            result.storage = held.copy.storage
            return result
        }
        let all = TensorView(
            storage: weights.storage, shape: [weights.storage.byteCount / weights.dtype.byteCount],
            dtype: weights.dtype)
        let backend = weights.storage.backend
        guard let copy = backend.allocateOrReport(all.shape, storage) else { return nil }
        copy.written(anew: true) { backend.copy(all, to: copy) }
        guard copy.isComputed else { return nil }
        copies[key] = (weights.storage, version, copy)
        result.storage = copy.storage
        return result
    }
}

extension Precision {
    /// Lets `device` compute products in tf32, where that is the precision.
    /// - Returns: what a user must know; nil where the precision does what its name says.
    public func use(on device: Device) -> String? {
        guard self == .tf32 else { return nil }
        device.allowsTF32 = true
        return device.allowsTF32 ? nil : "note: \(device.id) has no products in tf32; float32 is used"
    }
}

extension DType {
    /// Whether the type is one that a precision may round to.
    var isNarrow: Bool { self == .float16 || self == .bfloat16 }

    /// The narrowest real type that holds the values of both.
    static func wider(_ x: DType, _ y: DType) -> DType {
        if x == y { return x }
        return x == .float64 || y == .float64 ? .float64 : .float32
    }
}

extension Tensor {
    /// This tensor as an operand of a product, without its node: rounded where a precision is in force that asks for it.
    package func productOperand() -> Tensor {
        guard let scope = PrecisionScope.current, dtype.isFloatingPoint, dtype != .float64, dtype != scope.storage
        else { return detached() }
        if node?.isParameter ?? false, view.isComputed, let rounded = scope.rounded(view) { return Tensor(rounded) }
        return Tensor.make(shape, scope.storage, device, inputs: [self]) { $0.copy(view, to: $1) }
    }

    /// This tensor in the type of products, through which gradients flow.
    func asProductOperand() -> Tensor {
        guard let scope = PrecisionScope.current, dtype.isFloatingPoint, dtype != .float64 else { return self }
        return cast(to: scope.storage)
    }

    /// The type of a result that is float32 whatever precision is in force.
    var fullType: DType { PrecisionScope.current != nil && dtype.isNarrow ? .float32 : dtype }

    /// This tensor, in float32 if its own type is narrower: for steps whose results may exceed that.
    package var inFloat32: Tensor { dtype.isNarrow ? cast(to: .float32) : self }

    /// This tensor, in float32 where a precision is in force and products have left it in another type.
    package var inFullPrecision: Tensor { cast(to: fullType) }

    /// The type of what is made of this tensor and another: the wider one, but a single number does not widen others.
    func commonType(_ name: @autoclosure () -> String, _ other: Tensor) -> DType {
        if dtype == other.dtype { return dtype }
        require(
            dtype.isFloatingPoint && other.dtype.isFloatingPoint, name(),
            "\(dtype) and \(other.dtype); convert one with cast(to:)")
        if rank == 0 && other.rank > 0 { return other.dtype }
        if other.rank == 0 && rank > 0 { return dtype }
        return .wider(dtype, other.dtype)
    }
}

import GimbalBackend

/// The tensors of one test case on one backend, each inside a storage larger than itself.
///
/// The bytes around and between the elements hold a pattern. After the case has run, `results()` reports every byte that
/// changed outside the outputs. Outputs start as the pattern too, so an element that is never written shows.
public final class Workbench {
    public let backend: any Backend
    /// Whether all inputs are replaced by their absolute values, to measure the magnitude that errors are relative to.
    /// A case with a step that shrinks magnitudes leaves that step out.
    public let measuresMagnitude: Bool
    private var tensors: [Guarded] = []

    /// Unused elements before and after each tensor.
    private static let margin = 32
    /// As float32 -102,287; as float64 -2.5e38; as int32 -943,208,505; as a byte 199.
    private static let pattern: UInt8 = 0xC7

    /// A tensor and what its storage held before the case ran.
    private struct Guarded {
        var name: String
        var view: TensorView
        var image: [UInt8]
        var isOutput: Bool
        var tolerance: Tolerance?
    }

    /// What a case left in one of its outputs.
    public struct Result {
        public var name: String
        public var dtype: DType
        public var values: [Double]
        /// The case's own tolerance for this output, if it named one.
        public var tolerance: Tolerance?
    }

    public init(_ backend: any Backend, measuresMagnitude: Bool = false) {
        self.backend = backend
        self.measuresMagnitude = measuresMagnitude
    }

    /// A tensor that the case may only read.
    /// - Parameters:
    ///   - values: row-major, one for each element of `shape`. Real numbers are rounded to float32, so that every
    ///     backend starts from the same.
    ///   - dtype: if `nil`, that of `StorageUnderTest`, or the backend's type of real numbers.
    public func input(
        _ values: [Double], _ shape: Shape, _ layout: Layout = .contiguous, dtype: DType? = nil
    ) throws -> TensorView {
        try place("input \(tensors.count)", values, shape, layout, dtype, isOutput: false)
    }

    /// An int32 tensor of one axis or of `shape`, read only.
    public func indices(_ values: [Double], _ shape: Shape? = nil, _ layout: Layout = .contiguous) throws -> TensorView
    {
        try input(values, shape ?? [values.count], layout, dtype: .int32)
    }

    /// A tensor that the case writes and that is compared with the reference's.
    /// - Parameters:
    ///   - initially: what it holds before, where the case reads it too.
    ///   - tolerance: if not the one of the whole case.
    public func output(
        _ shape: Shape, _ layout: Layout = .contiguous, named name: String = "out", dtype: DType? = nil,
        initially: [Double]? = nil, within tolerance: Tolerance? = nil
    ) throws -> TensorView {
        try place(name, initially, shape, layout, dtype, isOutput: true, tolerance)
    }

    private func place(
        _ name: String, _ values: [Double]?, _ shape: Shape, _ layout: Layout, _ dtype: DType?, isOutput: Bool,
        _ tolerance: Tolerance? = nil
    ) throws -> TensorView {
        let storage = dtype == nil ? StorageUnderTest.current.flatMap { $0.applies(to: tensors.count) ? $0 : nil } : nil
        let dtype = dtype ?? (backend.realType == .float32 ? storage?.dtype : nil) ?? backend.realType
        let (strides, first, span) = layout.arrange(shape)
        let byteCount = (Self.margin + span + Self.margin) * dtype.byteCount
        let view = TensorView(
            storage: try backend.allocate(byteCount: byteCount), offset: Self.margin + first, shape: shape,
            strides: strides, dtype: dtype)
        var image = [UInt8](repeating: Self.pattern, count: byteCount)
        if let values {
            var given = values
            if dtype.isFloatingPoint { given = given.map { roundedToFloat(measuresMagnitude ? abs($0) : $0) } }
            if let storage { given = given.map(storage.rounded) }
            image.withUnsafeMutableBytes { write(given, dtype, at: view.positions, to: $0) }
        }
        image.withUnsafeBytes { backend.upload($0, to: view.storage, byteOffset: 0) }
        tensors.append(Guarded(name: name, view: view, image: image, isOutput: isOutput, tolerance: tolerance))
        return view
    }

    /// Waits for the backend; gives the outputs in the order they were made, and a sentence for each damaged tensor.
    public func results() throws -> (outputs: [Result], damage: [String]) {
        try PrimitivesOnly.waiting { try readResults() }
    }

    private func readResults() throws -> (outputs: [Result], damage: [String]) {
        try backend.synchronize()
        var outputs: [Result] = []
        var damage: [String] = []
        for tensor in tensors {
            var bytes = [UInt8](repeating: 0, count: tensor.image.count)
            try bytes.withUnsafeMutableBytes { try backend.download(tensor.view.storage, byteOffset: 0, into: $0) }
            var expected = tensor.image
            if tensor.isOutput {
                let dtype = tensor.view.dtype
                let values = bytes.withUnsafeBytes { read(dtype, at: tensor.view.positions, from: $0) }
                outputs.append(Result(name: tensor.name, dtype: dtype, values: values, tolerance: tensor.tolerance))
                for position in tensor.view.positions {
                    let own = position * dtype.byteCount..<(position + 1) * dtype.byteCount
                    expected.replaceSubrange(own, with: bytes[own])
                }
            }
            if bytes != expected {
                let changed = bytes.indices.filter { bytes[$0] != expected[$0] }
                let size = tensor.view.dtype.byteCount
                damage.append(
                    "\(tensor.name): \(changed.count) bytes outside the output changed, the first in element "
                        + "\(changed[0] / size - tensor.view.offset) after its first one")
            }
        }
        return (outputs, damage)
    }
}

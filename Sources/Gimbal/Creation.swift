import Foundation

// Tensors made by a rule.

extension Tensor {
    // MARK: Constants

    /// A tensor of `shape` with every element 0; dtype is the device's real type unless given.
    public static func zeros(_ shape: Shape, dtype: DType? = nil, device: Device = .current) -> Tensor {
        Tensor(repeating: 0, shape, dtype: dtype, device: device)
    }

    /// A tensor of `shape` with every element 1; dtype is the device's real type unless given.
    public static func ones(_ shape: Shape, dtype: DType? = nil, device: Device = .current) -> Tensor {
        Tensor(repeating: 1, shape, dtype: dtype, device: device)
    }

    /// A tensor of `shape` with every element `value`; dtype is the device's real type unless given.
    public static func full(_ shape: Shape, _ value: Double, dtype: DType? = nil, device: Device = .current) -> Tensor {
        Tensor(repeating: value, shape, dtype: dtype, device: device)
    }

    /// Zeros of the shape, dtype and device of `other`.
    public static func zeros(like other: Tensor, dtype: DType? = nil) -> Tensor { full(like: other, 0, dtype: dtype) }

    /// Ones of the shape, dtype and device of `other`.
    public static func ones(like other: Tensor, dtype: DType? = nil) -> Tensor { full(like: other, 1, dtype: dtype) }

    /// A tensor of the shape, dtype and device of `other` with every element `value`.
    public static func full(like other: Tensor, _ value: Double, dtype: DType? = nil) -> Tensor {
        Tensor(repeating: value, other.shape, dtype: dtype ?? other.dtype, device: other.device)
    }

    /// The matrix [rows, columns] with ones where both indices are equal, else zeros.
    /// There are as many columns as rows unless said otherwise.
    public static func eye(
        _ rows: Int, _ columns: Int? = nil, dtype: DType? = nil, device: Device = .current
    ) -> Tensor {
        let columns = columns ?? rows
        return make([rows, columns], dtype ?? device.backend.realType, device) { backend, out in
            backend.fill(out, with: 0)
            backend.fill(out.diagonal(0, 1), with: 1)
        }
    }

    // MARK: Sequences

    /// The whole numbers 0, 1, … below `end`, as int32 unless `dtype` says otherwise.
    ///
    /// ```swift
    /// Tensor.arange(5)            // [0 1 2 3 4]
    /// Tensor.arange(10, 0, by: -3)  // [10 7 4 1]
    /// ```
    public static func arange(_ end: Int, dtype: DType = .int32, device: Device = .current) -> Tensor {
        arange(0, end, dtype: dtype, device: device)
    }

    /// The whole numbers from `start` in steps of `step` as long as `end` is not reached, as int32 unless `dtype` says
    /// otherwise.
    public static func arange(
        _ start: Int, _ end: Int, by step: Int = 1, dtype: DType = .int32, device: Device = .current
    ) -> Tensor {
        require(step != 0, "arange", "a step of 0 leads nowhere")
        return Tensor([Int](stride(from: start, to: end, by: step)), dtype: dtype, device: device)
    }

    /// The numbers start + i · step below `end` (above it, for a negative step), in the device's real type unless `dtype`
    /// says otherwise. Each is computed in double precision.
    @_disfavoredOverload  // So that whole literals give whole numbers.
    public static func arange(
        _ start: Double, _ end: Double, by step: Double = 1, dtype: DType? = nil, device: Device = .current
    ) -> Tensor {
        require(step != 0 && step.isFinite, "arange", "a step of \(step) leads nowhere")
        let exactCount = ((end - start) / step).rounded(.up)
        require(
            exactCount < Double(Int32.max), "arange",
            "from \(start) to \(end) by \(step) are too many numbers, or no numbers")
        let count = Swift.max(Int(exactCount), 0)
        return Tensor((0..<count).map { start + Double($0) * step }, dtype: dtype, device: device)
    }

    /// `count` evenly spaced numbers from `start` to `end`, both included, in the device's real type unless `dtype` says
    /// otherwise. Each is computed in double precision.
    public static func linspace(
        _ start: Double, _ end: Double, count: Int, dtype: DType? = nil, device: Device = .current
    ) -> Tensor {
        require(count >= 0, "linspace", "\(count) numbers cannot be made")
        let step = count > 1 ? (end - start) / Double(count - 1) : 0
        // Counted from the nearer end, so that both ends are met exactly.
        let values = (0..<count).map { index in
            2 * index < count ? start + Double(index) * step : end - Double(count - 1 - index) * step
        }
        return Tensor(count == 1 ? [start] : values, dtype: dtype, device: device)
    }

    // MARK: Copies

    /// The same elements in memory of their own, in row-major order. Gradients flow through.
    public func copy() -> Tensor {
        Tensor.operation(
            "copy", [self], shape, details: .identity, forward: { backend, out in backend.copy(view, to: out) },
            gradient: { outputGradient, inputs in inputs.add(0, outputGradient) })
    }
}

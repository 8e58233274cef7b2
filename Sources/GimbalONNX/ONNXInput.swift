import Gimbal

/// One input of a model that is exported.
public struct ONNXInput {
    /// What the file calls it.
    public var name: String
    /// An example of what the model takes, with its type and its sizes. Numbers that differ make the export sure of what
    /// depends on the input.
    public var sample: Tensor
    /// The axis whose size may be another in each call; nil for an input that has none.
    public var batchAxis: Int?

    /// - Parameters:
    ///   - name: what the file calls it.
    ///   - sample: an example of what the model takes.
    ///   - batchAxis: the axis whose size may be another in each call; negative ones count from the last, nil is for none.
    public init(_ name: String, _ sample: Tensor, batchAxis: Int? = 0) {
        self.name = name
        self.sample = sample
        self.batchAxis = batchAxis
    }
}

extension ONNXInput {
    /// The batch axis counted from the first.
    var resolvedAxis: Int? { batchAxis.map { $0 < 0 ? $0 + sample.rank : $0 } }

    /// - Throws: `GimbalError.invalidSetting` for a sample that nothing can be traced with.
    func validate() throws {
        func fail(_ reason: String) -> GimbalError { .invalidSetting(name: "input '\(name)'", reason: reason) }
        guard !name.isEmpty else { throw fail("has no name") }
        guard sample.elementCount > 0 else { throw fail("a sample of \(sample.shape) has no elements") }
        if let axis = resolvedAxis, !sample.shape.indices.contains(axis) {
            throw fail("there is no axis \(batchAxis!) in a sample of \(sample.shape)")
        }
    }

    /// The samples in turn, until there are `batch` of them.
    func repeated(_ batch: Int) -> Tensor {
        guard let axis = resolvedAxis else { return sample.contiguous() }
        let indices = (0..<batch).map { Int32($0 % sample.shape[axis]) }
        return sample.gathered(Tensor(indices, device: sample.device), axis: axis).contiguous()
    }

    /// As `repeated`, with other numbers of the same kind: real ones moved at random, whole ones in another order.
    func varied(_ batch: Int) -> Tensor {
        let whole = repeated(batch)
        guard whole.dtype.isFloatingPoint else {
            return whole.reshaped([-1]).flipped().rolled(by: 1).contiguous().reshaped(whole.shape)
        }
        let noise = Tensor.uniform(
            whole.shape, low: -0.5, high: 0.5, generator: RandomGenerator(seed: 0), device: whole.device)
        return whole * 0.75 + noise.cast(to: whole.dtype)
    }
}

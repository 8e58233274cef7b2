/// A table of vectors, looked up by number: int32 of any shape [...] to [..., size].
///
/// ```swift
/// let embedding = Embedding(96, 128)
/// let x = embedding(characters)  // [32, 100] to [32, 100, 128]
/// ```
/// A number out of range gives a vector of NaN.
public final class Embedding: Module, Layer {
    /// The table, [count, size]: a row for each number.
    public let weight: Parameter
    /// The number whose vector is 0 at first and receives no gradient, for padding; nil for none.
    public let paddingIndex: Int?

    /// - Parameters:
    ///   - count: how many vectors there are.
    ///   - size: elements of each.
    ///   - paddingIndex: the number whose vector is 0 at first and is not trained; negative ones count from the last,
    ///     nil is for none.
    ///   - initializer: normal with deviation 1 unless given, as PyTorch's.
    ///   - generator: what first values are drawn from.
    ///   - device: where the layer is made.
    public init(
        _ count: Int, _ size: Int, paddingIndex: Int? = nil, initializer: Initializer? = nil,
        generator: RandomGenerator = .current, device: Device = .current
    ) {
        require(count > 0 && size > 0, "Embedding", "sizes must be positive, not \(count) and \(size)")
        var value = (initializer ?? .normal()).make([count, size], generator: generator, device: device)
        let index = paddingIndex.map { $0 < 0 ? $0 + count : $0 }
        if let index {
            require((0..<count).contains(index), "Embedding", "there is no vector \(paddingIndex!) among \(count)")
            value = .concatenated([
                value.sliced(0..<index), .zeros([1, size], device: device), value.sliced(index + 1..<count),
            ])
        }
        self.paddingIndex = index
        weight = Parameter(value)
    }

    public func forward(_ input: Tensor) -> Tensor {
        weight.value.gathered(input, withoutGradientFor: paddingIndex)
    }

    public override var signature: String { "Embedding(\(weight.shape[0]), \(weight.shape[1]))" }
}

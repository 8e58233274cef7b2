/// A bilinear form of two inputs: yₒ = x₁ᵀ Wₒ x₂ + bₒ over their last axes.
public final class Bilinear: Module, Layer {
    /// W, [outputs, firstInputs, secondInputs].
    public let weight: Parameter
    /// b, [outputs]; nil without `hasBias`.
    public let bias: Parameter?

    /// Takes vectors of `firstInputs` and `secondInputs` elements to one of `outputs`, with b unless `hasBias` is
    /// false. W and b are uniform in ±1/√firstInputs at first, as PyTorch's layer.
    public init(
        _ firstInputs: Int, _ secondInputs: Int, _ outputs: Int, hasBias: Bool = true,
        generator: RandomGenerator = .current, device: Device = .current
    ) {
        require(
            firstInputs > 0 && secondInputs > 0 && outputs > 0, "Bilinear",
            "sizes must be positive, not \(firstInputs), \(secondInputs) and \(outputs)")
        let bound = 1 / Double(firstInputs).squareRoot()
        func make(_ shape: Shape) -> Parameter {
            Parameter(.uniform(shape, low: -bound, high: bound, generator: generator, device: device))
        }
        weight = make([outputs, firstInputs, secondInputs])
        bias = hasBias ? make([outputs]) : nil
    }

    /// - Parameters:
    ///   - first: [..., firstInputs].
    ///   - second: [..., secondInputs], with the same leading axes.
    /// - Returns: [..., outputs].
    public func callAsFunction(_ first: Tensor, _ second: Tensor) -> Tensor { self((first: first, second: second)) }

    public func forward(_ input: (first: Tensor, second: Tensor)) -> Tensor {
        let (first, second) = input
        let (outputs, firstInputs, secondInputs) = (weight.shape[0], weight.shape[1], weight.shape[2])
        let leading = [Int](first.shape.sizes.dropLast())
        require(
            first.rank >= 1 && second.rank == first.rank && [Int](second.shape.sizes.dropLast()) == leading
                && first.shape.sizes.last == firstInputs && second.shape.sizes.last == secondInputs, "Bilinear",
            "\(first.shape) and \(second.shape) do not fit a weight of \(weight.shape)")
        let rows = leading.reduce(1, *)
        // Wₒ x₂ for all outputs at once, then the products with x₁.
        let matrix = weight.value.reshaped([outputs * firstInputs, secondInputs] as Shape)
        let inner = second.linear(weight: matrix).reshaped([rows, outputs, firstInputs] as Shape)
        let sums = inner.matrixMultiplied(by: first.reshaped([rows, firstInputs, 1] as Shape))
            .reshaped(Shape(leading + [outputs]))
        return bias.map { sums + $0.value } ?? sums
    }

    public override var signature: String { "Bilinear(\(weight.shape[1]), \(weight.shape[2]), \(weight.shape[0]))" }
}

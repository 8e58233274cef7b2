/// A layer that can compute with another weight than its own, so that the weight can be the result of a computation.
public protocol WeightedLayer: Layer<Tensor, Tensor> {
    /// The weight of the layer itself.
    var weight: Parameter { get }
    /// What the layer computes with `weight` in place of its own.
    func forward(_ input: Tensor, weight: Tensor) -> Tensor
}

extension Linear: WeightedLayer {
    public func forward(_ input: Tensor, weight: Tensor) -> Tensor {
        input.linear(weight: weight, bias: bias?.value)
    }
}

/// A layer whose weight is split into length and direction, w = g v / ‖v‖ (Salimans and Kingma 2016).
///
/// ```swift
/// let layer = WeightNorm(Linear(64, 32))
/// ```
/// Its state has the names of PyTorch's `torch.nn.utils.parametrizations.weight_norm`.
public final class WeightNorm<Base: WeightedLayer>: Module, Layer {
    /// The layer that computes; its own weight gave the first value alone.
    public let base: Base
    /// g: with `axis`, one length for each index along it, of the weight's rank; else one for all, [].
    public let length: Parameter
    /// v, of the weight's shape; its own length does not matter.
    public let direction: Parameter
    private let axis: Int?

    /// - Parameters:
    ///   - base: the layer that computes; its weight is taken for the first value.
    ///   - axis: the norm is taken over all other axes; nil takes one norm of the whole.
    public init(_ base: Base, axis: Int? = 0) {
        self.base = base
        let weight = base.weight.value.detached()
        require(
            axis.map { (0..<weight.rank).contains($0) } ?? true, "WeightNorm",
            "there is no axis \(axis ?? 0) in a weight of \(weight.shape)")
        self.axis = axis
        direction = Parameter(weight * 1)
        length = Parameter(Self.norm(weight, axis))
    }

    /// The weight that the layer computes with.
    public var weight: Tensor {
        let v = direction.value
        return v * (length.value / Self.norm(v, axis))
    }

    public func forward(_ input: Tensor) -> Tensor { base.forward(input, weight: weight) }

    private static func norm(_ v: Tensor, _ axis: Int?) -> Tensor {
        guard let axis else { return v.square().sum().squareRoot() }
        return v.square().sum(v.shape.indices.filter { $0 != axis }, keepsAxes: true).squareRoot()
    }

    public override var parts: [ModulePart] {
        base.partsButWeight + [
            .parameter("parametrizations.weight.original0", length),
            .parameter("parametrizations.weight.original1", direction),
        ]
    }
    public override var signature: String { "WeightNorm(\(base.signature))" }
}

/// A layer whose weight, as a matrix [outputs, the rest], is divided by its largest singular value
/// (Miyato et al. 2018, algorithm 1).
///
/// The singular value is estimated by power iteration, a step at each call in training; the gradient takes the singular
/// vectors as constants. Its state has the names of PyTorch's `torch.nn.utils.parametrizations.spectral_norm`.
public final class SpectralNorm<Base: WeightedLayer>: Module, Layer {
    /// The layer that computes; its own weight gave the first value alone.
    public let base: Base
    /// The weight before the division.
    public let original: Parameter
    /// The estimate of the left singular vector, [outputs].
    public let u: Buffer
    /// The estimate of the right singular vector, [the rest].
    public let v: Buffer
    /// Steps of power iteration at each call in training.
    public let iterations: Int
    /// The least norm that vectors are divided by.
    public let epsilon: Double

    /// - Parameters:
    ///   - base: the layer that computes; its weight, of two axes or more, is taken for the first value.
    ///   - iterations: steps of power iteration at each call in training.
    ///   - epsilon: the least norm that vectors are divided by.
    ///   - generator: what the first estimates of the singular vectors are drawn from.
    public init(
        _ base: Base, iterations: Int = 1, epsilon: Double = 1e-12, generator: RandomGenerator = .current
    ) {
        let weight = base.weight.value.detached()
        require(
            weight.rank >= 2 && iterations > 0, "SpectralNorm",
            "needs a weight of two axes or more and a positive number of iterations, not \(weight.shape) and \(iterations)"
        )
        self.base = base
        self.iterations = iterations
        self.epsilon = epsilon
        original = Parameter(weight * 1)
        let columns = weight.elementCount / weight.shape[0]
        func start(_ count: Int) -> Buffer {
            Buffer(
                Self.unit(.normal([count, 1], generator: generator, device: weight.device), epsilon).reshaped([count]))
        }
        u = start(weight.shape[0])
        v = start(columns)
        super.init()
        iterate(matrix: weight.reshaped([weight.shape[0], columns] as Shape), 15)
    }

    /// The weight that the layer computes with. In training, each reading is a step of power iteration.
    public func nextWeight() -> Tensor {
        let weight = original.value
        let matrix = weight.reshaped([weight.shape[0], -1])
        // The second run of a checkpointed block must see the vectors of the first.
        if isTraining && !GradientMode.isRecomputing { iterate(matrix: matrix.detached(), iterations) }
        // The buffers change in place, and the gradient must see what they are now.
        let (left, right) = (u.value * 1, v.value * 1)
        let singularValue = left.reshaped([1, -1]).matrixMultiplied(
            by: matrix.matrixMultiplied(by: right.reshaped([-1, 1])))
        return weight / singularValue.reshaped([] as Shape)
    }

    public func forward(_ input: Tensor) -> Tensor { base.forward(input, weight: nextWeight()) }

    private func iterate(matrix: Tensor, _ count: Int) {
        for _ in 0..<count {
            let left = Self.unit(matrix.matrixMultiplied(by: v.value.reshaped([-1, 1])), epsilon)
            u.update(to: left.flattened())
            let right = Self.unit(matrix.transposed().matrixMultiplied(by: left), epsilon)
            v.update(to: right.flattened())
        }
    }

    private static func unit(_ x: Tensor, _ epsilon: Double) -> Tensor {
        x / x.square().sum().squareRoot().clamped(to: epsilon...(.infinity))
    }

    public override var parts: [ModulePart] {
        base.partsButWeight + [
            .parameter("parametrizations.weight.original", original),
            .buffer("parametrizations.weight.0._u", u), .buffer("parametrizations.weight.0._v", v),
        ]
    }
    public override var signature: String { "SpectralNorm(\(base.signature))" }
}

extension WeightedLayer {
    fileprivate var partsButWeight: [ModulePart] {
        parts.filter { part in
            if case .parameter(_, let parameter) = part { return parameter !== weight }
            return true
        }
    }
}

/// Drops elements at random in training, and passes everything on in evaluation (Srivastava et al. 2014).
public final class Dropout: Module, Layer {
    /// The probability of dropping an element, in [0, 1].
    public let probability: Double
    private let batchAxis: Int
    private let generator: RandomGenerator?

    /// Drops each element with this probability, in [0, 1], and scales what it keeps by 1 / (1 - probability). Without
    /// a generator, it draws from the one that is current when the layer is called. The rows of a batch lie along
    /// `batchAxis`: see `RandomGenerator`.
    public init(_ probability: Double = 0.5, batchAxis: Int = 0, generator: RandomGenerator? = nil) {
        require((0...1).contains(probability), "Dropout", "a probability in [0, 1], not \(probability)")
        self.probability = probability
        self.batchAxis = batchAxis
        self.generator = generator
    }

    public func forward(_ input: Tensor) -> Tensor {
        if !isTraining || probability == 0 { return input }
        if probability == 1 { return input * 0 }
        return input.droppedOut(probability: probability, batchAxis: batchAxis, generator: generator ?? .current)
    }

    public override var signature: String { "Dropout(\(probability))" }
}

/// A classifier of sequences: each row of features is projected, positions are added, pre-norm encoder blocks follow,
/// and the mean over the positions gives the logits.
///
/// ```swift
/// let model = TransformerClassifier(inputs: 8, classes: 10, size: 64, heads: 4, layers: 2)
/// let logits = model(x)  // [32, 8, 8] to [32, 10]
/// ```
public final class TransformerClassifier: Module, Layer {
    /// The product from the features of a position to `size`.
    public let projection: Linear
    /// Adds sines and cosines of the positions to the projected features.
    public let positions: SinusoidalPositions
    /// The blocks and a last norm; every position attends to all that are there.
    public let encoder: TransformerEncoder
    /// The product from the mean over the positions, `size` features, to the logits.
    public let head: Linear

    /// A classifier with weights as they are drawn, not trained.
    /// - Parameters:
    ///   - inputs: features of one position.
    ///   - classes: features of the output.
    ///   - size: features within the encoder; a multiple of `heads`, which share them.
    ///   - heads: how many heads attend in each block.
    ///   - layers: how many blocks there are.
    ///   - feedforwardSize: hidden units of a block's feedforward network; nil for four times `size`.
    ///   - dropout: the probability of dropping in the blocks, in training.
    ///   - activation: what stands between the two products of a block's feedforward network, made for each block.
    ///   - maximumLength: the most positions of a sequence.
    ///   - generator: draws the weights.
    ///   - device: where the parameters lie.
    public init(
        inputs: Int, classes: Int, size: Int = 64, heads: Int = 4, layers: Int = 2, feedforwardSize: Int? = nil,
        dropout: Double = 0.1, activation: @autoclosure () -> any TensorLayer = GELU(), maximumLength: Int = 5000,
        generator: RandomGenerator = .current, device: Device = .current
    ) {
        projection = Linear(inputs, size, generator: generator, device: device)
        positions = SinusoidalPositions(size, maximumLength: maximumLength, device: device)
        encoder = TransformerEncoder(
            size, heads: heads, layers: layers, feedforwardSize: feedforwardSize, dropout: dropout,
            activation: activation,
            generator: generator, device: device)
        head = Linear(size, classes, generator: generator, device: device)
    }

    /// The logits, [batch, classes], of sequences [batch, length, inputs] whose positions are all there.
    public func forward(_ input: Tensor) -> Tensor { classify(input, padding: nil) }

    /// The logits of sequences of different length, padded to one.
    /// - Parameters:
    ///   - input: [batch, length, inputs].
    ///   - padding: [batch, length]; uint8, 1 where a position is there. The mean is taken over these. nil: all are.
    /// - Returns: [batch, classes].
    public func callAsFunction(_ input: Tensor, padding: Tensor?) -> Tensor {
        entering((input: input, padding: padding)) { classify($0.input, padding: $0.padding) }
    }

    private func classify(_ input: Tensor, padding: Tensor?) -> Tensor {
        require(input.rank == 3, "TransformerClassifier", "needs [batch, length, inputs], not \(input.shape)")
        let features = encoder(positions(projection(input)), mask: nil, keyPaddingMask: padding)
        guard let padding else { return head(features.mean([1])) }
        let isThere = padding.cast(to: features.dtype)
        let sum = (features * isThere.expandingAxis(2)).sum([1])
        return head(sum / isThere.sum([1], keepsAxes: true))
    }
}

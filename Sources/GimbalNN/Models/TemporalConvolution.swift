/// A net of dilated causal convolutions over a sequence, and a linear head on what it has come to at the last step (Bai,
/// Kolter and Koltun 2018).
///
/// ```swift
/// let model = TemporalConvolutionClassifier(inputs: 1, classes: 12, size: 64, layers: 4)
/// let forecast = model(features)  // [32, 48, 1] to [32, 12]
/// ```
/// Block i looks 2 · 2^i steps back twice; with `layers` blocks, a step sees 1 + 4 (2^layers - 1) steps up to itself.
public final class TemporalConvolutionClassifier: Module, Layer {
    /// The blocks, each with twice the dilation of the one before.
    public let blocks: ModuleList<TemporalBlock>
    /// The product from `size` features to the logits.
    public let head: Linear

    /// A net with weights as they are drawn, not trained.
    /// - Parameters:
    ///   - inputs: features of a step.
    ///   - classes: how many, or how many numbers are to be predicted.
    ///   - size: channels of each block.
    ///   - layers: how many blocks there are.
    ///   - dropout: the probability of dropping a channel of a step in training.
    ///   - longest: steps of the longest sequence; no kernel is spread wider, where there is nothing to be seen. Nil for
    ///     sequences of any length.
    ///   - generator: draws the weights.
    ///   - device: where the parameters lie.
    public init(
        inputs: Int, classes: Int, size: Int, layers: Int, dropout: Double = 0, longest: Int? = nil,
        generator: RandomGenerator = .current, device: Device = .current
    ) {
        require(layers > 0, "TemporalConvolutionClassifier", "needs a block, not \(layers)")
        blocks = ModuleList(
            (0..<layers).map { index in
                TemporalBlock(
                    index == 0 ? inputs : size, size, dilation: min(1 << min(index, 30), max(longest ?? .max, 1)),
                    dropout: dropout, generator: generator, device: device)
            })
        head = Linear(size, classes, generator: generator, device: device)
    }

    /// The least number of blocks with which the last step sees a whole sequence of `length` steps.
    package static func layers(reaching length: Int) -> Int {
        (1..<62).first { 1 + 4 * ((1 << $0) - 1) >= length } ?? 62
    }

    /// The logits, [batch, classes], of sequences [batch, length, features] of one step or more.
    public func forward(_ input: Tensor) -> Tensor {
        require(input.rank == 3, "TemporalConvolutionClassifier", "needs [batch, length, features], not \(input.shape)")
        let features = blocks.reduce(input.transposed(1, 2)) { $1($0) }
        return head(features.selecting(-1, axis: 2))
    }
}

/// Two causal convolutions of three steps with rectification and dropout behind each, added to the input (Bai, Kolter and
/// Koltun 2018, figure 1b, without weight norm).
public final class TemporalBlock: Module, Layer {
    /// From the input's channels to the block's.
    public let conv1: Conv1d
    /// Between the block's channels.
    public let conv2: Conv1d
    /// Brings the input to the block's channels; nil where it has them.
    public let downsample: Conv1d?
    private let dropout: Dropout
    private let relu = ReLU()
    private let dilation: Int

    /// A block of [batch, channels, length], which keeps the length.
    /// - Parameters:
    ///   - inputs: channels of the input.
    ///   - outputs: channels of the block.
    ///   - dilation: distance between neighbouring steps of a kernel.
    ///   - dropout: the probability of dropping an element in training.
    ///   - generator: draws the weights.
    ///   - device: where the parameters lie.
    public init(
        _ inputs: Int, _ outputs: Int, dilation: Int, dropout: Double = 0, generator: RandomGenerator = .current,
        device: Device = .current
    ) {
        let start = Initializer.heNormal(nonlinearity: .relu)
        conv1 = Conv1d(
            inputs, outputs, kernelSize: 3, dilation: dilation, weightInitializer: start, generator: generator,
            device: device)
        conv2 = Conv1d(
            outputs, outputs, kernelSize: 3, dilation: dilation, weightInitializer: start, generator: generator,
            device: device)
        downsample =
            inputs == outputs ? nil : Conv1d(inputs, outputs, kernelSize: 1, generator: generator, device: device)
        self.dropout = Dropout(dropout)
        self.dilation = dilation
    }

    public func forward(_ input: Tensor) -> Tensor {
        // Zeros before the first step alone: no step sees what comes after it.
        func causal(_ convolution: Conv1d, _ input: Tensor) -> Tensor {
            convolution(input.padded([(0, 0), (0, 0), (2 * dilation, 0)]))
        }
        let inner = dropout(relu(causal(conv1, input)))
        let branch = dropout(relu(causal(conv2, inner)))
        return relu(branch + (downsample.map { $0(input) } ?? input))
    }
}

// The recurrent nets. What they take and give is explained at `RecurrentNet`.

/// A plain recurrent net (Elman 1990): h = f(W_ih x + b_ih + W_hh h₋ + b_hh).
///
/// Its gradient is multiplied by the same matrix in each step, so that it vanishes or explodes over long sequences
/// (Bengio et al. 1994); `LSTM` and `GRU` are the cures, clipping and orthogonal weights help.
public final class RNN: RecurrentNet {
    /// f of the recurrence.
    public enum Nonlinearity: String, Sendable {
        /// The hyperbolic tangent, which keeps the state in [-1, 1].
        case tanh
        /// max(x, 0), which does not bound the state.
        case relu
    }

    /// A plain recurrent net, with PyTorch's defaults.
    /// - Parameters:
    ///   - inputSize: features of the input.
    ///   - hiddenSize: units of each layer and direction.
    ///   - layers: how many layers lie on top of each other.
    ///   - nonlinearity: f of the recurrence.
    ///   - hasBias: whether both products of a step add biases.
    ///   - isBatchFirst: whether input and output are [batch, steps, features] instead of [steps, batch, features].
    ///   - dropout: the probability, in [0, 1), of dropping an element of the outputs of every layer but the last, in
    ///     training.
    ///   - isBidirectional: whether every layer also reads the sequence from its end.
    ///   - variationalDropout: dropout with one mask for all steps.
    ///   - initialization: the first values of the parameters.
    ///   - generator: draws first values and dropout; nil for the one current when they are drawn.
    ///   - device: where the parameters lie.
    public init(
        inputSize: Int, hiddenSize: Int, layers: Int = 1, nonlinearity: Nonlinearity = .tanh, hasBias: Bool = true,
        isBatchFirst: Bool = false, dropout: Double = 0, isBidirectional: Bool = false,
        variationalDropout: VariationalDropout = .none, initialization: RecurrentInitialization = .standard,
        generator: RandomGenerator? = nil, device: Device = .current
    ) {
        super.init(
            nonlinearity == .tanh ? .tanh : .relu, inputSize: inputSize, hiddenSize: hiddenSize, layers: layers,
            hasBias: hasBias, isBatchFirst: isBatchFirst, dropout: dropout, isBidirectional: isBidirectional,
            variationalDropout: variationalDropout, initialization: initialization, generator: generator,
            device: device)
    }
}

/// Long short-term memory (Hochreiter and Schmidhuber 1997; with forget gates, Gers et al. 2000).
///
/// i, f, o = σ(W x + b + W' h₋ + b') and g = tanh(…) for each gate's own rows; c = f c₋ + i g, h = o tanh(c). Rows lie
/// in the order i, f, g, o. Along c the gradient is multiplied by f alone, which can stay near 1.
public final class LSTM: RecurrentNet {
    /// An LSTM, with PyTorch's defaults.
    /// - Parameters:
    ///   - inputSize: features of the input.
    ///   - hiddenSize: units of each layer and direction.
    ///   - layers: how many layers lie on top of each other.
    ///   - hasBias: whether both products of a step add biases.
    ///   - isBatchFirst: whether input and output are [batch, steps, features] instead of [steps, batch, features].
    ///   - dropout: the probability, in [0, 1), of dropping an element of the outputs of every layer but the last, in
    ///     training.
    ///   - isBidirectional: whether every layer also reads the sequence from its end.
    ///   - variationalDropout: dropout with one mask for all steps.
    ///   - initialization: the first values of the parameters.
    ///   - generator: draws first values and dropout; nil for the one current when they are drawn.
    ///   - device: where the parameters lie.
    public init(
        inputSize: Int, hiddenSize: Int, layers: Int = 1, hasBias: Bool = true, isBatchFirst: Bool = false,
        dropout: Double = 0, isBidirectional: Bool = false, variationalDropout: VariationalDropout = .none,
        initialization: RecurrentInitialization = .standard, generator: RandomGenerator? = nil,
        device: Device = .current
    ) {
        super.init(
            .lstm, inputSize: inputSize, hiddenSize: hiddenSize, layers: layers, hasBias: hasBias,
            isBatchFirst: isBatchFirst, dropout: dropout, isBidirectional: isBidirectional,
            variationalDropout: variationalDropout, initialization: initialization, generator: generator,
            device: device)
    }
}

/// Gated recurrent units (Cho et al. 2014), with the reset gate after the product as PyTorch and cuDNN have it.
///
/// r, z = σ(W x + b + W' h₋ + b') and n = tanh(W x + b + r (W' h₋ + b')) for each gate's own rows;
/// h = (1 - z) n + z h₋. Rows lie in the order r, z, n.
public final class GRU: RecurrentNet {
    /// A GRU, with PyTorch's defaults.
    /// - Parameters:
    ///   - inputSize: features of the input.
    ///   - hiddenSize: units of each layer and direction.
    ///   - layers: how many layers lie on top of each other.
    ///   - hasBias: whether both products of a step add biases.
    ///   - isBatchFirst: whether input and output are [batch, steps, features] instead of [steps, batch, features].
    ///   - dropout: the probability, in [0, 1), of dropping an element of the outputs of every layer but the last, in
    ///     training.
    ///   - isBidirectional: whether every layer also reads the sequence from its end.
    ///   - variationalDropout: dropout with one mask for all steps.
    ///   - initialization: the first values of the parameters.
    ///   - generator: draws first values and dropout; nil for the one current when they are drawn.
    ///   - device: where the parameters lie.
    public init(
        inputSize: Int, hiddenSize: Int, layers: Int = 1, hasBias: Bool = true, isBatchFirst: Bool = false,
        dropout: Double = 0, isBidirectional: Bool = false, variationalDropout: VariationalDropout = .none,
        initialization: RecurrentInitialization = .standard, generator: RandomGenerator? = nil,
        device: Device = .current
    ) {
        super.init(
            .gru, inputSize: inputSize, hiddenSize: hiddenSize, layers: layers, hasBias: hasBias,
            isBatchFirst: isBatchFirst, dropout: dropout, isBidirectional: isBidirectional,
            variationalDropout: variationalDropout, initialization: initialization, generator: generator,
            device: device)
    }
}

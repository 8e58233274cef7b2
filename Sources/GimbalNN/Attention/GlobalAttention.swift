/// What `GlobalAttention` is called with.
public struct GlobalAttentionInput {
    /// A decoder's outputs, [batch, targets, size].
    public var query: Tensor
    /// An encoder's outputs, [batch, sources, memorySize].
    public var memory: Tensor
    /// Which sources there are, [batch, sources]: uint8, 1 where a source is there; nil where all are.
    public var mask: Tensor?

    /// Queries and what they attend to, all of it unless a mask is given.
    public init(query: Tensor, memory: Tensor, mask: Tensor? = nil) {
        self.query = query
        self.memory = memory
        self.mask = mask
    }
}

/// Attention of a recurrent decoder to all outputs of an encoder, with the general score (Luong et al. 2015, section 3.1).
///
/// A state h of the decoder is compared with each output m of the encoder by score(h, m) = hᵀ W m (equation 8). The softmax of
/// the scores (equation 7) weighs the outputs; their sum c and the state give tanh(W' [c; h]) (equation 5), from which the
/// next token is predicted. Neither product adds a bias, as in the paper.
///
/// ```swift
/// let attention = GlobalAttention(256, memorySize: 512)
/// let features = attention(decoded, memory: encoded)  // [64, 15, 256] and [64, 12, 512] to [64, 15, 256]
/// ```
/// Where a mask leaves out all of a sequence, c is 0.
public final class GlobalAttention: Module, Layer {
    /// W of the scores, [size, memorySize].
    public let score: Linear
    /// W' of the result, [size, memorySize + size].
    public let output: Linear

    /// Attention with the weights that a `Linear` has at first.
    /// - Parameters:
    ///   - size: features of queries and of the result.
    ///   - memorySize: features of what is attended to.
    ///   - generator: draws the weights.
    ///   - device: where the parameters lie.
    public init(
        _ size: Int, memorySize: Int, generator: RandomGenerator = .current, device: Device = .current
    ) {
        score = Linear(memorySize, size, hasBias: false, generator: generator, device: device)
        output = Linear(memorySize + size, size, hasBias: false, generator: generator, device: device)
    }

    public func forward(_ input: GlobalAttentionInput) -> Tensor {
        attend(input.query, remember(input.memory, mask: input.mask))
    }

    /// What is made of each query, [batch, targets, size].
    /// - Parameters:
    ///   - query: a decoder's outputs, [batch, targets, size].
    ///   - memory: an encoder's outputs, [batch, sources, memorySize].
    ///   - mask: which sources there are, [batch, sources]: uint8, 1 where a source is there; nil where all are.
    public func callAsFunction(_ query: Tensor, memory: Tensor, mask: Tensor? = nil) -> Tensor {
        self(GlobalAttentionInput(query: query, memory: memory, mask: mask))
    }

    /// What many queries are to attend to, one call after the other, so that it is worked out once.
    /// - Parameters:
    ///   - memory: an encoder's outputs, [batch, sources, memorySize].
    ///   - mask: which sources there are, [batch, sources]: uint8, 1 where a source is there; nil where all are.
    public func remembering(_ memory: Tensor, mask: Tensor? = nil) -> AttentionMemory {
        entering(memory) { remember($0, mask: mask) }
    }

    /// What is made of each query, [batch, targets, size], of `query` [batch, targets, size] and what `remembering` gave.
    public func callAsFunction(_ query: Tensor, memory: AttentionMemory) -> Tensor {
        entering(query) { attend($0, memory) }
    }

    private func remember(_ memory: Tensor, mask: Tensor?) -> AttentionMemory {
        require(
            memory.rank == 3 && mask.map { $0.shape == [memory.shape[0], memory.shape[1]] } ?? true, "GlobalAttention",
            "needs a memory of [batch, sources, size] and a mask of [batch, sources], not \(memory.shape)"
                + (mask.map { " and \($0.shape)" } ?? ""))
        // As one head.
        return AttentionMemory(
            keys: score(memory).expandingAxis(1), values: memory.expandingAxis(1),
            mask: mask?.expandingAxis(1).expandingAxis(1))
    }

    private func attend(_ query: Tensor, _ memory: AttentionMemory) -> Tensor {
        require(query.rank == 3, "GlobalAttention", "needs queries of [batch, targets, size], not \(query.shape)")
        let context = scaledDotProductAttention(
            query.expandingAxis(1), memory.keys, memory.values, mask: memory.mask, scale: 1)
        return output(.concatenated([context.selecting(0, axis: 1), query], axis: 2)).tanh()
    }

    public override var signature: String {
        "GlobalAttention(\(score.weight.shape[0]), memorySize: \(score.weight.shape[1]))"
    }
}

/// What `MultiheadAttention` is called with.
public struct AttentionInput {
    /// What attends, [queries, batch, size], or with the batch first, or without it.
    public var query: Tensor
    /// What queries are compared with, [keys, batch, keySize], with its axes as the query has them.
    public var key: Tensor
    /// What the attention weights average, [keys, batch, valueSize], with its axes as the query has them.
    public var value: Tensor
    /// Which keys there are, [batch, keys], or [keys] without a batch: uint8, 1 where a key is there, or real
    /// numbers to be added to the scores. nil where all are there.
    public var keyPaddingMask: Tensor?
    /// Which keys a query may attend to; broadcasts to [batch, heads, queries, keys]: uint8, 1 where it may, or real
    /// numbers to be added to the scores. nil allows everything.
    public var attentionMask: Tensor?
    /// Whether a query attends to keys up to its own position only.
    public var isCausal: Bool
    /// The position of the first query among the keys, for `isCausal`: the number of keys kept from earlier calls.
    public var queryOffset: Int

    /// Queries, keys and values, without masks unless given.
    public init(
        query: Tensor, key: Tensor, value: Tensor, keyPaddingMask: Tensor? = nil, attentionMask: Tensor? = nil,
        isCausal: Bool = false, queryOffset: Int = 0
    ) {
        self.query = query
        self.key = key
        self.value = value
        self.keyPaddingMask = keyPaddingMask
        self.attentionMask = attentionMask
        self.isCausal = isCausal
        self.queryOffset = queryOffset
    }
}

/// Attention of several heads, each on its own projections of queries, keys and values (Vaswani et al. 2017).
///
/// ```swift
/// let layer = MultiheadAttention(256, heads: 4, isBatchFirst: true)
/// let y = layer(x, x, x, isCausal: true)  // [16, 128, 256]
/// ```
/// Masks hold 1 (uint8) where a key may be attended to, as everywhere in Gimbal; PyTorch's `key_padding_mask` has it
/// the other way round. A query that may attend to no key gives zeros before the last projection. What lies where
/// `keyPaddingMask` leaves keys out, NaN included, has no influence on outputs and gradients.
public final class MultiheadAttention: Module, Layer {
    /// The projections of queries, keys and values, one after the other, [3 · size, size]; nil where keys or values
    /// have another size.
    public let inputWeight: Parameter?
    /// The projection of queries, [size, size]; nil where there is `inputWeight`.
    public let queryWeight: Parameter?
    /// The projection of keys, [size, keySize]; nil where there is `inputWeight`.
    public let keyWeight: Parameter?
    /// The projection of values, [size, valueSize]; nil where there is `inputWeight`.
    public let valueWeight: Parameter?
    /// The biases of the projections of queries, keys and values, [3 · size]; nil without bias.
    public let inputBias: Parameter?
    /// The projection of the joined heads, from `size` features to as many.
    public let outputProjection: Linear

    public override class var partNames: [String: String] {
        [
            "inputWeight": "in_proj_weight", "queryWeight": "q_proj_weight", "keyWeight": "k_proj_weight",
            "valueWeight": "v_proj_weight", "inputBias": "in_proj_bias", "outputProjection": "out_proj",
        ]
    }

    /// Features of queries and of the output, all heads together.
    public let size: Int
    /// How many heads share the features, `size` / `heads` for each.
    public let heads: Int
    /// The probability of dropping an attention weight in training, in [0, 1).
    public let dropout: Double
    /// Whether tensors are [batch, length, size] instead of [length, batch, size].
    public let isBatchFirst: Bool

    /// Attention with Xavier-uniform weights and biases of 0 at first.
    /// - Parameters:
    ///   - size: features of queries and of the output; a multiple of `heads`, which share them.
    ///   - heads: how many heads there are.
    ///   - dropout: the probability of dropping an attention weight in training, in [0, 1).
    ///   - hasBias: whether the projections add biases.
    ///   - keySize: features of the keys; nil for `size`.
    ///   - valueSize: features of the values; nil for `size`.
    ///   - isBatchFirst: whether tensors are [batch, length, size] instead of [length, batch, size].
    ///   - generator: draws the weights.
    ///   - device: where the parameters lie.
    public init(
        _ size: Int, heads: Int, dropout: Double = 0, hasBias: Bool = true, keySize: Int? = nil,
        valueSize: Int? = nil, isBatchFirst: Bool = false, generator: RandomGenerator = .current,
        device: Device = .current
    ) {
        require(
            size > 0 && heads > 0 && size % heads == 0, "MultiheadAttention",
            "a size of \(size) cannot be divided among \(heads) heads")
        require((0..<1).contains(dropout), "MultiheadAttention", "a probability in [0, 1), not \(dropout)")
        self.size = size
        self.heads = heads
        self.dropout = dropout
        self.isBatchFirst = isBatchFirst
        func make(_ rows: Int, _ columns: Int) -> Parameter {
            Parameter(Initializer.xavierUniform().make([rows, columns], generator: generator, device: device))
        }
        let isPacked = (keySize ?? size) == size && (valueSize ?? size) == size
        inputWeight = isPacked ? make(3 * size, size) : nil
        queryWeight = isPacked ? nil : make(size, size)
        keyWeight = isPacked ? nil : make(size, keySize ?? size)
        valueWeight = isPacked ? nil : make(size, valueSize ?? size)
        inputBias = hasBias ? Parameter(.zeros([3 * size], device: device)) : nil
        outputProjection = Linear(
            size, size, hasBias: hasBias, biasInitializer: .zeros, generator: generator, device: device)
    }

    /// What each query gathers from the values, in the shape of `query`.
    /// - Parameters:
    ///   - query: [queries, batch, size], or with the batch first, or without it.
    ///   - key: [keys, batch, keySize] likewise.
    ///   - value: [keys, batch, valueSize] likewise.
    ///   - keyPaddingMask: [batch, keys], or [keys] without a batch: uint8, 1 where a key is there, or real numbers to
    ///     be added to the scores.
    ///   - attentionMask: broadcasts to [batch, heads, queries, keys]: uint8, 1 where a query may attend to a key, or
    ///     real numbers to be added to the scores.
    ///   - isCausal: whether a query attends to keys up to its own position only.
    ///   - queryOffset: the position of the first query among the keys, for `isCausal`, where keys and values were kept
    ///     from earlier calls.
    public func callAsFunction(
        _ query: Tensor, _ key: Tensor, _ value: Tensor, keyPaddingMask: Tensor? = nil,
        attentionMask: Tensor? = nil, isCausal: Bool = false, queryOffset: Int = 0
    ) -> Tensor {
        self(
            AttentionInput(
                query: query, key: key, value: value, keyPaddingMask: keyPaddingMask, attentionMask: attentionMask,
                isCausal: isCausal, queryOffset: queryOffset))
    }

    public func forward(_ input: AttentionInput) -> Tensor {
        attend(input) { roles, mask in
            let output = attention(
                roles, mask: mask, isCausal: input.isCausal, queryOffset: input.queryOffset, scale: nil,
                dropout: isTraining ? dropout : 0, .current, isBatchFirst: isBatchFirst)
            return (output, ())
        }.output
    }

    /// Gives the attention weights beside the output: [batch, heads, queries, keys], before dropout.
    ///
    /// They are a constant: no gradient flows through them. PyTorch's averaged weights are their mean over axis 1. The
    /// arguments are those of a call without weights.
    public func attending(
        _ query: Tensor, _ key: Tensor, _ value: Tensor, keyPaddingMask: Tensor? = nil,
        attentionMask: Tensor? = nil, isCausal: Bool = false, queryOffset: Int = 0
    ) -> (output: Tensor, weights: Tensor) {
        let input = AttentionInput(
            query: query, key: key, value: value, keyPaddingMask: keyPaddingMask, attentionMask: attentionMask,
            isCausal: isCausal, queryOffset: queryOffset)
        return entering(input) { input in
            attend(input) { roles, mask in
                weightedAttention(
                    roles, mask: mask, isCausal: input.isCausal, queryOffset: input.queryOffset, scale: nil,
                    dropout: isTraining ? dropout : 0, .current, isBatchFirst: isBatchFirst)
            }
        }
    }

    /// What new positions gather from those that were kept, and from each other up to themselves.
    /// - Parameters:
    ///   - input: [batch, new, size], queries, keys and values in one; the layer is batch first.
    ///   - cache: what is kept, to which the new positions' keys and values are added.
    /// - Returns: [batch, new, size]. No gradient flows to what was kept.
    public func callAsFunction(_ input: Tensor, cache: AttentionCache) -> Tensor {
        entering(input) { input in
            let parts = project(input, roles: 0..<3)
            let first = cache.count
            let (keys, values) = cache.append(keys: parts[1].detached(), values: parts[2].detached())
            return join(
                scaledDotProductAttention(
                    parts[0], keys, values, isCausal: true, queryOffset: first, dropout: isTraining ? dropout : 0))
        }
    }

    /// What many queries are to attend to, one call after the other, so that it is projected once.
    /// - Parameters:
    ///   - memory: [batch, keys, size], keys and values in one; the layer is batch first.
    ///   - keyPaddingMask: [batch, keys]: uint8, 1 where a key is there, or real numbers to be added to the scores; nil
    ///     where all are there.
    public func remembering(_ memory: Tensor, keyPaddingMask: Tensor? = nil) -> AttentionMemory {
        entering(memory) { memory in
            let input = AttentionInput(query: memory, key: memory, value: memory, keyPaddingMask: keyPaddingMask)
            let parts = project(withoutPadding(input).key, roles: 1..<3)
            return AttentionMemory(keys: parts[0], values: parts[1], mask: combined(keyPaddingMask, nil))
        }
    }

    /// What each query gathers from a memory.
    /// - Parameters:
    ///   - query: [batch, queries, size]; the layer is batch first.
    ///   - memory: what `remembering` gave.
    public func callAsFunction(_ query: Tensor, memory: AttentionMemory) -> Tensor {
        entering(query) { query in
            join(
                scaledDotProductAttention(
                    project(query, roles: 0..<1)[0], memory.keys, memory.values, mask: memory.mask,
                    dropout: isTraining ? dropout : 0))
        }
    }

    /// What one input is as queries, keys and values, or as some of these: [roles, batch, heads, length, size / heads].
    /// - Parameters:
    ///   - input: [batch, length, size].
    ///   - roles: 0 for queries, 1 for keys, 2 for values.
    private func project(_ input: Tensor, roles: Range<Int>) -> Tensor {
        guard let weight = inputWeight?.value, isBatchFirst, input.rank == 3, input.shape[2] == size else {
            stop(
                "MultiheadAttention",
                "keeps keys and values of [batch, length, \(size)], as its queries are, not of \(input.shape)")
        }
        let rows = roles.lowerBound * size..<roles.upperBound * size
        return input.linear(weight: weight.sliced(rows), bias: inputBias?.value.sliced(rows))
            .reshaped([input.shape[0], input.shape[1], roles.count, heads, size / heads]).permuted([2, 0, 3, 1, 4])
    }

    /// What heads gathered, [batch, heads, length, size / heads], side by side and projected: [batch, length, size].
    private func join(_ output: Tensor) -> Tensor {
        outputProjection(output.permuted([0, 2, 1, 3]).reshaped([output.shape[0], output.shape[2], size]))
    }

    /// Projects, lets `heads` attend, and projects their joined output.
    private func attend<Weights>(
        _ input: AttentionInput,
        _ heads: (_ roles: [AttentionRole], _ mask: Tensor?) -> (output: Tensor, weights: Weights)
    ) -> (output: Tensor, weights: Weights) {
        let (query, key, value) = (input.query, input.key, input.value)
        if query.rank == 2 {
            let axis = isBatchFirst ? 0 : 1
            let isSelf = key.isSame(as: query) && value.isSame(as: query)
            var expanded = input
            expanded.query = query.expandingAxis(axis)
            expanded.key = isSelf ? expanded.query : key.expandingAxis(axis)
            expanded.value = isSelf ? expanded.query : value.expandingAxis(axis)
            expanded.keyPaddingMask = input.keyPaddingMask?.expandingAxis(0)
            let (output, weights) = attend(expanded, heads)
            return (output.reshaped(query.shape), weights)
        }
        check(query, key, value)
        let (output, weights) = heads(
            project(withoutPadding(input)), combined(input.keyPaddingMask, input.attentionMask))
        // The heads of a position lie side by side in memory: this copies nothing.
        let joined = output.permuted(isBatchFirst ? [0, 2, 1, 3] : [2, 0, 1, 3])
        return (outputProjection(joined.reshaped(query.shape)), weights)
    }

    private func check(_ query: Tensor, _ key: Tensor, _ value: Tensor) {
        let (batch, length) = isBatchFirst ? (0, 1) : (1, 0)
        let keySize = keyWeight?.shape[1] ?? size
        let valueSize = valueWeight?.shape[1] ?? size
        require(
            query.rank == 3 && key.rank == 3 && value.rank == 3 && query.shape[2] == size && key.shape[2] == keySize
                && value.shape[2] == valueSize && key.shape[batch] == query.shape[batch]
                && value.shape[batch] == query.shape[batch] && key.shape[length] == value.shape[length],
            "MultiheadAttention",
            "a query of \(query.shape), a key of \(key.shape) and a value of \(value.shape) do not fit sizes of \(size), "
                + "\(keySize) and \(valueSize)")
    }

    /// The input with 0 for what is not finite where the padding mask leaves keys out: in the gradient of a projection it is
    /// multiplied by 0, and NaN would be left. Queries are projected together with the keys that they are the same as.
    private func withoutPadding(_ input: AttentionInput) -> AttentionInput {
        guard let padding = input.keyPaddingMask, padding.rank == 2 else { return input }
        let isPadding = padding.dtype == .uint8 ? padding .== 0 : padding .== -Double.infinity
        let rows = (isBatchFirst ? isPadding : isPadding.transposed(0, 1)).expandingAxis(2)
        func filled(_ tensor: Tensor) -> Tensor {
            let values = tensor.detached()
            return tensor.filled(where: rows .& (values - values).isNaN(), with: 0)
        }
        var result = input
        result.key = filled(input.key)
        result.value = input.value.isSame(as: input.key) ? result.key : filled(input.value)
        if input.query.isSame(as: input.key) { result.query = result.key }
        return result
    }

    /// Queries, keys and values after their projections: where all three come from one input, by one product.
    private func project(_ input: AttentionInput) -> [AttentionRole] {
        let (query, key, value) = (input.query, input.key, input.value)
        func role(_ tensor: Tensor, _ index: Int) -> AttentionRole {
            AttentionRole(
                tensor, features: index * size..<(index + 1) * size, heads: heads, isBatchFirst: isBatchFirst)
        }
        let bias = inputBias?.value
        if let weight = inputWeight?.value, key.isSame(as: query), value.isSame(as: query) {
            let all = query.linear(weight: weight, bias: bias)
            return (0..<3).map { role(all, $0) }
        }
        let separate = [queryWeight, keyWeight, valueWeight]
        return [query, key, value].enumerated().map { index, input in
            let range = index * size..<(index + 1) * size
            let weight = separate[index]?.value ?? inputWeight!.value.sliced(range)
            return role(input.linear(weight: weight, bias: bias?.sliced(range)), 0)
        }
    }

    /// Both masks as one for [batch, heads, queries, keys].
    private func combined(_ padding: Tensor?, _ mask: Tensor?) -> Tensor? {
        guard let padding else { return mask }
        require(padding.rank == 2, "MultiheadAttention", "a key padding mask is [batch, keys], not \(padding.shape)")
        let columns = padding.expandingAxis(1).expandingAxis(1)
        guard let mask else { return columns }
        func added(_ mask: Tensor) -> Tensor {
            guard mask.dtype == .uint8 else { return mask }
            return .select(mask, Tensor(0, device: mask.device), Tensor(-.infinity, device: mask.device))
        }
        return added(columns) + added(mask)
    }

    public override var signature: String { "MultiheadAttention(\(size), heads: \(heads))" }
}

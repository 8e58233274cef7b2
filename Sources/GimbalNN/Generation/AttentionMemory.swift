/// Keys and values that queries attend to in one call after the other, such as an encoder's output while a decoder writes:
/// worked out once.
public struct AttentionMemory {
    /// [batch, heads, keys, size].
    public let keys: Tensor
    /// [batch, heads, keys, valueSize].
    public let values: Tensor
    /// Which keys there are, [batch, 1, 1, keys], as a mask of `scaledDotProductAttention`; nil where all are.
    public let mask: Tensor?

    /// The same for other sequences: for each, the row of the present ones that it goes on from.
    func selecting(_ rows: [Int]) -> AttentionMemory {
        let places = Tensor(rows.map { Int32($0) }, device: keys.device)
        return AttentionMemory(
            keys: keys.gathered(places), values: values.gathered(places), mask: mask?.gathered(places))
    }
}

/// What a layer of a Transformer's decoder keeps: keys and values of the targets that it has seen, and those of the
/// encoder's output.
public struct DecoderCache {
    /// Of the targets.
    public let targets: AttentionCache
    /// Of the encoder's output.
    public let memory: AttentionMemory

    /// The same for other sequences: for each, the row of the present ones that it goes on from.
    func selecting(_ rows: [Int]) -> DecoderCache {
        DecoderCache(targets: targets.selecting(rows), memory: memory.selecting(rows))
    }
}

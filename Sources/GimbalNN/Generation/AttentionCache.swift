/// The keys and values of the positions that an attention layer has seen, so that only new ones are worked out.
///
/// Memory is taken in blocks, twice as large each, up to the capacity; new positions are written behind the others in
/// place.
public final class AttentionCache {
    /// The most positions that can be kept.
    public let capacity: Int
    /// How many positions are kept.
    public private(set) var count = 0
    /// [batch, heads, room, size / heads] each, of which the first `count` positions are set.
    private var kept: (keys: Tensor, values: Tensor)?

    /// Room for `capacity` positions, at least one, of any number of sequences, which the first that are kept decide.
    public init(capacity: Int) {
        require(capacity > 0, "AttentionCache", "a capacity of \(capacity)")
        self.capacity = capacity
    }

    /// Keeps the keys and values of new positions.
    /// - Parameters:
    ///   - keys: [batch, heads, new, size / heads]; those that came before and these are at most `capacity`.
    ///   - values: likewise.
    /// - Returns: those of all positions, [batch, heads, count, size / heads]. They are views of what is kept.
    func append(keys: Tensor, values: Tensor) -> (keys: Tensor, values: Tensor) {
        let end = count + keys.shape[2]
        require(end <= capacity, "AttentionCache", "\(end) positions, where there is room for \(capacity)")
        let room = kept?.keys.shape[2] ?? 0
        if end > room {
            let newRoom = min(capacity, max(end, 2 * room, 64))
            kept = (
                grown(kept?.keys, to: newRoom, like: keys), grown(kept?.values, to: newRoom, like: values)
            )
        }
        let kept = kept!
        require(
            kept.keys.shape[0] == keys.shape[0], "AttentionCache",
            "\(keys.shape[0]) sequences, where \(kept.keys.shape[0]) are kept")
        kept.keys.write(keys, at: count, axis: 2)
        kept.values.write(values, at: count, axis: 2)
        count = end
        return (kept.keys.sliced(0..<count, axis: 2), kept.values.sliced(0..<count, axis: 2))
    }

    private func grown(_ old: Tensor?, to room: Int, like new: Tensor) -> Tensor {
        var shape = new.shape
        shape[2] = room
        let result = Tensor.zeros(shape, dtype: new.dtype, device: new.device)
        if let old, count > 0 { result.write(old.sliced(0..<count, axis: 2), at: 0, axis: 2) }
        return result
    }

    /// What is kept for other sequences: for each, the row of the present ones that it goes on from.
    func selecting(_ rows: [Int]) -> AttentionCache {
        let result = AttentionCache(capacity: capacity)
        guard let kept else { return result }
        let places = Tensor(rows.map { Int32($0) }, device: kept.keys.device)
        result.kept = (kept.keys.gathered(places), kept.values.gathered(places))
        result.count = count
        return result
    }
}

/// What a Transformer keeps of the tokens it has read: the keys and values of each layer.
public struct TransformerState: DecodingState {
    /// In the order of the layers.
    public private(set) var caches: [AttentionCache]
    public internal(set) var length = 0

    init(layers: Int, capacity: Int) { caches = (0..<layers).map { _ in AttentionCache(capacity: capacity) } }

    public mutating func select(_ rows: [Int]) { caches = caches.map { $0.selecting(rows) } }
}

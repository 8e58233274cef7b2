/// Scaled dot-product attention: softmax(scale · Q Kᵀ + mask) V (Vaswani et al. 2017, equation 1).
///
/// On GPUs nothing of the size of the weights, [..., queries, keys], is in memory, unless they are dropped out or a gradient
/// flows to the mask. Elsewhere the weights are kept for the gradient.
///
/// ```swift
/// let q = Tensor.normal([2, 4, 128, 64])
/// let y = scaledDotProductAttention(q, q, q, isCausal: true)  // [2, 4, 128, 64]
/// ```
/// - Parameters:
///   - query: [..., queries, size].
///   - key: [..., keys, size], with the same leading axes.
///   - value: [..., keys, valueSize].
///   - mask: broadcasts to [..., queries, keys]. uint8: 1 where a key takes part, 0 where it does not. Real numbers are
///     added to the scores, and a gradient flows to them. A query that may see no key gives 0.
///   - keyLengths: int32 [batch], the first of the leading axes: keys and values from there on do not take part, whatever
///     they hold. A length out of 0...keys is an error that the next call throws that waits for the device.
///   - isCausal: a query sees only keys up to its own position; may be combined with a mask.
///   - queryOffset: the position of the first query among the keys, for `isCausal`: the number of keys that were kept from
///     earlier calls.
///   - scale: 1 / √size unless given.
///   - dropout: the probability of dropping a weight.
///   - generator: where the dropped weights are drawn from, for the rows of a batch along the first of the leading axes; not
///     used without dropout.
/// - Returns: [..., queries, valueSize].
public func scaledDotProductAttention(
    _ query: Tensor, _ key: Tensor, _ value: Tensor, mask: Tensor? = nil, keyLengths: Tensor? = nil,
    isCausal: Bool = false, queryOffset: Int = 0, scale: Double? = nil, dropout: Double = 0,
    generator: RandomGenerator = .current
) -> Tensor {
    let rank = query.rank
    let leading = [Int](query.shape.sizes.dropLast(2))
    require(
        rank >= 2 && key.rank == rank && value.rank == rank && key.shape[rank - 1] == query.shape[rank - 1]
            && value.shape[rank - 2] == key.shape[rank - 2] && [Int](key.shape.sizes.dropLast(2)) == leading
            && [Int](value.shape.sizes.dropLast(2)) == leading,
        "scaledDotProductAttention",
        "a query of \(query.shape), a key of \(key.shape) and a value of \(value.shape) do not fit")
    require(
        rank <= 4 || keyLengths == nil, "scaledDotProductAttention", "keyLengths need [batch, heads, keys, size]")
    if rank > 4 {
        // All leading axes but the first as one: the rows of a batch lie along the first.
        func folded(_ x: Tensor) -> Tensor { x.reshaped([x.shape[0], -1] + x.shape.sizes.suffix(2)) }
        let full = Shape(leading + [query.shape[rank - 2], key.shape[rank - 2]])
        require(!leading.contains(0), "scaledDotProductAttention", "\(query.shape) has an empty leading axis")
        return scaledDotProductAttention(
            folded(query), folded(key), folded(value), mask: mask.map { folded($0.broadcast(to: full)) },
            isCausal: isCausal, queryOffset: queryOffset, scale: scale, dropout: dropout, generator: generator
        ).reshaped(Shape(leading + [query.shape[rank - 2], value.shape[rank - 1]]))
    }
    func expanded(_ x: Tensor) -> Tensor {
        rank == 4 ? x : rank == 3 ? x.expandingAxis(1) : x.expandingAxis(0).expandingAxis(0)
    }
    let fitting = mask.map { mask in
        mask.rank < 3 || rank == 4 ? mask : mask.expandingAxis(1)
    }
    var (keys, values) = (expanded(key), expanded(value))
    if let keyLengths, keyLengths.shape == [keys.shape[0]] {
        // A weight of 0 times NaN would be NaN.
        let there = AttentionProblem.keysThere(keyLengths.contiguous(), of: keys.shape[2]).transposed(2, 3)
        (keys, values) = (.select(there, keys, keys.scalar(0)), .select(there, values, values.scalar(0)))
    }
    let roles = [expanded(query), keys, values].map { AttentionRole($0) }
    let result = attention(
        roles, mask: fitting, keyLengths: keyLengths, isCausal: isCausal, queryOffset: queryOffset, scale: scale,
        dropout: dropout, generator)
    return rank == 4 ? result : result.reshaped(Shape(leading + [query.shape[rank - 2], value.shape[rank - 1]]))
}

/// Where attention finds its queries, keys or values: heads within a tensor.
package struct AttentionRole {
    package fileprivate(set) var tensor: Tensor
    /// Makes [batch, heads, length, size] of a view of the tensor, or of its gradient.
    let heads: (TensorView) -> TensorView
    /// The same of the tensor, for gradients that are to be differentiated again.
    let composedHeads: (Tensor) -> Tensor
    /// Whether the tensor is [batch, heads, length, size] itself.
    let isPlain: Bool

    /// - Parameter tensor: [batch, heads, length, size].
    package init(_ tensor: Tensor) {
        self.tensor = tensor
        heads = { $0 }
        composedHeads = { $0 }
        isPlain = true
    }

    /// Features `features` of a tensor, divided among heads.
    /// - Parameter tensor: contiguous [batch, length, width], or [length, batch, width].
    package init(_ tensor: Tensor, features: Range<Int>, heads count: Int, isBatchFirst: Bool) {
        self.tensor = tensor
        heads = { view in
            let (batch, length) = isBatchFirst ? (0, 1) : (1, 0)
            let size = features.count / count
            var result = view.sliced(axis: 2, features)
            result.shape = [view.shape[batch], count, view.shape[length], size]
            result.strides = [view.strides[batch], size * view.strides[2], view.strides[length], view.strides[2]]
            return result
        }
        composedHeads = { tensor in
            tensor.sliced(features, axis: 2)
                .reshaped([tensor.shape[0], tensor.shape[1], count, features.count / count])
                .permuted(isBatchFirst ? [0, 2, 1, 3] : [1, 2, 0, 3])
        }
        isPlain = false
    }
}

extension [AttentionRole] {
    /// What takes the place of a mask and `isCausal` where the first query stands at `queryOffset` among the keys.
    fileprivate func causal(
        _ mask: Tensor?, isCausal: Bool, queryOffset: Int
    ) -> (mask: Tensor?, isCausal: Bool) {
        require(queryOffset >= 0, "attention", "queries begin at key 0 or later, not \(queryOffset)")
        guard isCausal, queryOffset > 0 else { return (mask, isCausal) }
        let counts = prefix(2).map { $0.heads($0.tensor.view).shape[2] }
        // As for one query after all keys that were kept.
        if queryOffset >= counts[1] - 1 { return (mask, false) }
        let isSeen = Tensor.triangleMask(
            rows: counts[0], columns: counts[1], offset: queryOffset, isLower: true, device: self[0].tensor.device)
        guard let mask else { return (isSeen, false) }
        return (mask.dtype == .uint8 ? mask .& isSeen : mask.filled(where: .!isSeen, with: -.infinity), false)
    }

    /// The roles with their tensors in the type of products, each converted once.
    fileprivate var asProductOperands: [AttentionRole] {
        guard PrecisionScope.current != nil else { return self }
        var converted: [(original: Tensor, tensor: Tensor)] = []
        return map { role in
            let known = converted.first { $0.original.isSame(as: role.tensor) }?.tensor
            let tensor = known ?? role.tensor.asProductOperand()
            converted.append((role.tensor, tensor))
            var result = role
            result.tensor = tensor
            return result
        }
    }
}

/// One attention of many heads.
/// - Parameters:
///   - roles: queries, keys and values, [batch, heads, length, size] each. A tensor may play several roles; then they
///     must cover it.
///   - keyLengths: int32 [batch].
///   - isBatchFirst: for the memory of the result.
/// - Returns: [batch, heads, queries, valueSize], which lies in memory as [batch, queries, heads, valueSize] (or with the
///   first two exchanged).
package func attention(
    _ roles: [AttentionRole], mask: Tensor?, keyLengths: Tensor? = nil, isCausal: Bool, queryOffset: Int = 0,
    scale: Double?, dropout: Double, _ generator: RandomGenerator, isBatchFirst: Bool = true
) -> Tensor {
    let roles = roles.asProductOperands
    let (mask, isCausal) = roles.causal(mask, isCausal: isCausal, queryOffset: queryOffset)
    let problem = AttentionProblem(roles, mask: mask, keyLengths: keyLengths, isBatchFirst: isBatchFirst)
    let scale = scale ?? problem.scale
    if dropout == 0, OperationObserver.current?.isComplete ?? false {
        return problem.composed(isCausal: isCausal, scale: scale)
    }
    let isFused =
        dropout == 0 && mask?.node == nil
        && roles[0].tensor.backend.fusesAttention(
            queries: problem.query.shape[2], size: problem.query.shape[3], valueSize: problem.value.shape[3])
    return isFused
        ? fusedAttention(problem, isCausal: isCausal, scale: scale)
        : weightedAttention(problem, isCausal: isCausal, scale: scale, dropout: dropout, generator).output
}

/// What every way to compute attention starts from.
struct AttentionProblem {
    let query: TensorView
    let key: TensorView
    let value: TensorView
    /// Of the scores: [batch, heads, queries, keys].
    let shape: Shape
    let mask: Tensor?
    let keyLengths: Tensor?
    /// What plays the roles, each once, and which of it plays queries, keys and values.
    let tensors: [Tensor]
    let places: [Int]
    /// See `AttentionRole`.
    let heads: [(TensorView) -> TensorView]
    let composedHeads: [(Tensor) -> Tensor]
    let arePlain: [Bool]
    let memory: HeadsInMemory

    var dtype: DType { tensors[0].dtype }
    var device: Device { tensors[0].device }
    /// 1 / √size.
    var scale: Double { 1 / Double(Swift.max(query.shape[3], 1)).squareRoot() }

    init(_ roles: [AttentionRole], mask: Tensor?, keyLengths: Tensor?, isBatchFirst: Bool) {
        let views = roles.map { $0.heads($0.tensor.view) }
        (query, key, value) = (views[0], views[1], views[2])
        shape = [query.shape[0], query.shape[1], query.shape[2], key.shape[2]]
        if let mask {
            require(
                mask.shape.broadcast(with: shape) == shape && (mask.dtype == .uint8 || mask.dtype.isFloatingPoint),
                "attention", "a mask of \(mask.dtype) \(mask.shape) does not fit scores of \(query.dtype) \(shape)")
        }
        if let keyLengths {
            require(
                keyLengths.dtype == .int32 && keyLengths.shape == [shape[0]], "attention",
                "needs lengths of int32 [\(shape[0])], not \(keyLengths.dtype) \(keyLengths.shape)")
            keyLengths.requireLengths(within: 0...shape[3], "attention")
        }
        self.mask = mask
        self.keyLengths = keyLengths?.contiguous()
        var tensors: [Tensor] = []
        places = roles.map { role in
            // Several roles of one tensor share its place.
            if !role.isPlain, let place = tensors.firstIndex(where: { $0.isSame(as: role.tensor) }) {
                return place
            }
            tensors.append(role.tensor)
            return tensors.count - 1
        }
        self.tensors = tensors
        heads = roles.map(\.heads)
        composedHeads = roles.map(\.composedHeads)
        arePlain = roles.map(\.isPlain)
        memory = HeadsInMemory(isBatchFirst: isBatchFirst)
    }

    /// The same in operations of tensors.
    fileprivate func composed(isCausal: Bool, scale: Double) -> Tensor {
        let roles = zip(places, composedHeads).map { place, heads in heads(tensors[place]) }
        return .composedAttention(
            roles[0], roles[1], roles[2], mask: wholeMask, isCausal: isCausal, scale: scale, dropout: 0, nil)
    }

    /// The mask and the lengths as one mask.
    var wholeMask: Tensor? { Self.wholeMask(mask, keyLengths, shape, tensors[0]) }

    /// uint8 [batch, 1, 1, keys]: whether a key lies within its sequence.
    /// - Parameter keyLengths: contiguous int32 [batch].
    fileprivate static func keysThere(_ keyLengths: Tensor, of keys: Int) -> Tensor {
        let shape: Shape = [keyLengths.elementCount, 1, 1, keys]
        if OperationObserver.current?.isComplete ?? false {
            let places = Tensor.arange(keys, device: keyLengths.device)
            return places.isLess(than: keyLengths.reshaped([keyLengths.elementCount, 1, 1, 1]))
        }
        return Tensor.make(shape, .uint8, keyLengths.device, inputs: [keyLengths]) { backend, out in
            backend.reportingErrors { backend.copy(try backend.keysThere(keyLengths.view, keys: keys), to: out) }
        }
    }

    /// A mask and lengths as one mask for scores of `shape`, of the type and on the device of `tensor`.
    static func wholeMask(_ mask: Tensor?, _ keyLengths: Tensor?, _ shape: Shape, _ tensor: Tensor) -> Tensor? {
        guard let keyLengths else { return mask }
        let (dtype, device) = (tensor.dtype, tensor.device)
        let there = keysThere(keyLengths, of: shape[3])
        guard let mask else { return there }
        let type = mask.dtype == .uint8 ? dtype : mask.dtype
        let zero = Tensor(repeating: 0, [], dtype: type, device: device)
        let never = zero.scalar(-.infinity)
        return .select(there, mask.dtype == .uint8 ? .select(mask, zero, never) : mask, never)
    }
}

/// The same by products, with the weights [batch, heads, queries, keys] before dropout, a constant.
package func weightedAttention(
    _ roles: [AttentionRole], mask: Tensor?, keyLengths: Tensor? = nil, isCausal: Bool, queryOffset: Int = 0,
    scale: Double?, dropout: Double, _ generator: RandomGenerator, isBatchFirst: Bool = true
) -> (output: Tensor, weights: Tensor) {
    let roles = roles.asProductOperands
    let (mask, isCausal) = roles.causal(mask, isCausal: isCausal, queryOffset: queryOffset)
    let problem = AttentionProblem(roles, mask: mask, keyLengths: keyLengths, isBatchFirst: isBatchFirst)
    return weightedAttention(problem, isCausal: isCausal, scale: scale ?? problem.scale, dropout: dropout, generator)
}

private func weightedAttention(
    _ problem: AttentionProblem, isCausal: Bool, scale: Double, dropout: Double, _ generator: RandomGenerator
) -> (output: Tensor, weights: Tensor) {
    require((0..<1).contains(dropout), "attention", "a probability in [0, 1), not \(dropout)")
    let (query, key, value, shape) = (problem.query, problem.key, problem.value, problem.shape)
    let (tensors, places, mask) = (problem.tensors, problem.places, problem.wholeMask)
    let inputs = tensors + (mask.map { [$0] } ?? [])
    let core = AttentionCore(
        isCausal: isCausal, scale: scale, dropout: dropout,
        part: dropout > 0 ? generator.reserve(shape, batchAxis: 0) : nil, queries: shape[2], keys: shape[3])
    let (dtype, device) = (problem.dtype, problem.device)

    let weights = Tensor.make(shape, dtype, device, inputs: inputs, named: "attention") { backend, out in
        core.weights(query, key, mask: mask?.view.broadcast(to: shape), out: out, backend)
    }
    let memory = problem.memory
    let output = Tensor(
        memory.heads(
            Tensor.make(
                memory.shape(shape[0], shape[1], shape[2], value.shape[3]), dtype, device, inputs: inputs + [weights]
            ) {
                core.output(weights.view, value, out: memory.heads($1), $0)
            }.view))
    let (heads, arePlain) = (problem.heads, problem.arePlain)
    let (count, hasMask) = (tensors.count, mask != nil)
    let (kept, keptMask, composedHeads) = (tensors.map { $0.detached() }, mask?.detached(), problem.composedHeads)
    let recorded = output.recorded("attention", inputs) { outputGradient, inputs in
        if inputs.createsGraph {
            let heads = zip(places, composedHeads).map { place, heads in heads(inputs.input(place, kept[place])) }
            return inputs.differentiate(
                .composedAttention(
                    heads[0], heads[1], heads[2], mask: keptMask.map { inputs.input(count, $0) },
                    isCausal: core.isCausal, scale: core.scale, dropout: core.dropout, core.part),
                outputGradient)
        }
        inputs.requireUnchanged(query, key, value)
        guard weights.view.isComputed, outputGradient.view.isComputed else { return }
        let backend = outputGradient.backend
        backend.reportingErrors {
            let arrived = outputGradient.view
            let needsScores = inputs.nodes.indices.contains {
                inputs.isNeeded($0) && ($0 >= count || places[0] == $0 || places[1] == $0)
            }
            let scores =
                needsScores ? try core.scoreGradient(weights.view, value, arrived, backend) : nil
            if hasMask, inputs.isNeeded(count), let scores { inputs.add(count, Tensor(scores)) }
            func product(_ role: Int, _ out: TensorView, accumulates: Bool) throws {
                switch role {
                case 0: core.queryGradient(scores!, key, out: out, accumulates: accumulates, backend)
                case 1: core.keyGradient(scores!, query, out: out, accumulates: accumulates, backend)
                default:
                    try core.valueGradient(weights.view, arrived, out: out, accumulates: accumulates, backend)
                }
            }
            for index in 0..<count where inputs.isNeeded(index) {
                let playing = places.indices.filter { places[$0] == index }
                if arePlain[playing[0]] {
                    // In the memory order in which heads are usually cut out of features, so that no copy follows.
                    let shape = inputs.nodes[index]!.shape
                    let gradient = memory.heads(
                        try backend.allocate(memory.shape(shape[0], shape[1], shape[2], shape[3]), dtype))
                    try product(playing[0], gradient, accumulates: false)
                    inputs.add(index, Tensor(gradient))
                } else {
                    inputs.write(index) { destination, accumulates in
                        backend.reportingErrors {
                            for role in playing {
                                try product(role, heads[role](destination), accumulates: accumulates)
                            }
                        }
                    }
                }
            }
        }
    }
    return (recorded, weights)
}

/// The products of attention over views [batch, heads, length, size].
private struct AttentionCore {
    let isCausal: Bool
    let scale: Double
    let dropout: Double
    let part: RandomPart?
    let queries: Int
    let keys: Int

    /// Blocks of queries, and how many keys each can see: with a causal mask, products over what lies beyond are saved.
    /// The last sees all keys, so that it can be the first to write what is summed over blocks.
    private var blocks: [(queries: Range<Int>, keys: Int)] {
        let size = 128
        guard isCausal, queries > size else { return [(0..<queries, keys)] }
        return stride(from: 0, to: queries, by: size).map { start in
            let end = Swift.min(start + size, queries)
            return (start..<end, end == queries ? keys : Swift.min(end, keys))
        }
    }

    func weights(
        _ query: TensorView, _ key: TensorView, mask: TensorView?, out: TensorView, _ backend: any Backend
    ) {
        for block in blocks {
            backend.matrixMultiply(
                query.rows(block.queries), key.rows(0..<block.keys).transposed, out: out.block(block),
                Epilogue(scale: scale))
        }
        backend.attentionSoftmax(out, mask: mask, isCausal: isCausal, out: out)
    }

    /// The weights after dropout: the same numbers at every call.
    private func dropped(_ weights: TensorView, _ backend: any Backend) throws -> TensorView {
        guard let part else { return weights }
        let result = try backend.allocate(weights.shape, weights.dtype)
        backend.dropout(weights.flattened, probability: dropout, part, out: result.flattened)
        return result
    }

    func output(_ weights: TensorView, _ value: TensorView, out: TensorView, _ backend: any Backend) {
        backend.reportingErrors {
            let weights = try dropped(weights, backend)
            for block in blocks {
                backend.matrixMultiply(
                    weights.block(block), value.rows(0..<block.keys), out: out.rows(block.queries), .plain)
            }
        }
    }

    /// The gradient of scale · Q Kᵀ + mask.
    func scoreGradient(
        _ weights: TensorView, _ value: TensorView, _ arrived: TensorView, _ backend: any Backend
    ) throws -> TensorView {
        let result = try backend.allocate(weights.shape, weights.dtype)
        for block in blocks {
            backend.matrixMultiply(
                arrived.rows(block.queries), value.rows(0..<block.keys).transposed, out: result.block(block), .plain)
        }
        if let part {
            backend.dropout(result.flattened, probability: dropout, part, out: result.flattened)
        }
        backend.attentionSoftmaxGradient(weights, outputGradient: result, isCausal: isCausal, out: result)
        return result
    }

    func queryGradient(
        _ scores: TensorView, _ key: TensorView, out: TensorView, accumulates: Bool, _ backend: any Backend
    ) {
        for block in blocks {
            backend.matrixMultiply(
                scores.block(block), key.rows(0..<block.keys), out: out.rows(block.queries),
                Epilogue(scale: scale, accumulates: accumulates))
        }
    }

    func keyGradient(
        _ scores: TensorView, _ query: TensorView, out: TensorView, accumulates: Bool, _ backend: any Backend
    ) {
        sum(scores, query, scale: scale, out: out, accumulates: accumulates, backend)
    }

    func valueGradient(
        _ weights: TensorView, _ arrived: TensorView, out: TensorView, accumulates: Bool, _ backend: any Backend
    ) throws {
        sum(try dropped(weights, backend), arrived, scale: 1, out: out, accumulates: accumulates, backend)
    }

    /// out[key] = scale · Σ over queries of x[query, key] · y[query].
    private func sum(
        _ x: TensorView, _ y: TensorView, scale: Double, out: TensorView, accumulates: Bool, _ backend: any Backend
    ) {
        for (index, block) in blocks.reversed().enumerated() {
            backend.matrixMultiply(
                x.block(block).transposed, y.rows(block.queries), out: out.rows(0..<block.keys),
                Epilogue(scale: scale, accumulates: accumulates || index > 0))
        }
    }
}

/// [batch, heads, length, size] that lies in memory with the heads of a position side by side.
struct HeadsInMemory {
    let isBatchFirst: Bool

    func shape(_ batch: Int, _ heads: Int, _ length: Int, _ size: Int) -> Shape {
        isBatchFirst ? [batch, length, heads, size] : [length, batch, heads, size]
    }

    func heads(_ view: TensorView) -> TensorView {
        var result = view
        let axes = isBatchFirst ? [0, 2, 1, 3] : [1, 2, 0, 3]
        result.shape = Shape(axes.map { view.shape[$0] })
        result.strides = axes.map { view.strides[$0] }
        return result
    }
}

extension TensorView {
    fileprivate func rows(_ range: Range<Int>) -> TensorView { sliced(axis: 2, range) }

    fileprivate func block(_ block: (queries: Range<Int>, keys: Int)) -> TensorView {
        rows(block.queries).sliced(axis: 3, 0..<block.keys)
    }
}

extension Tensor {
    /// Whether both are the same elements, computed by the same operation.
    package func isSame(as other: Tensor) -> Bool { node === other.node && hasElements(of: other) }

    /// Whether both are the same elements.
    func hasElements(of other: Tensor) -> Bool {
        view.storage === other.view.storage && view.offset == other.view.offset && shape == other.shape
            && view.strides == other.view.strides
    }
}

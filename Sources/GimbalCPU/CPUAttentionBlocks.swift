import CGimbalLoops
import GimbalBackend

// Attention block by block, without its scores in memory: see attention_blocks.h. Threads share heads and blocks of them.

extension CPUBackend {
    /// With fewer queries, laying the keys out costs more than is saved.
    private static let fewestQueries = 16

    public func fusesAttention(queries: Int, size: Int, valueSize: Int) -> Bool {
        // For older processors OpenBLAS's products of whole matrices are the faster ones.
        loops.product_most_rows > 0 && queries >= Self.fewestQueries && size > 0 && valueSize > 0
    }

    private func goesByBlocks(_ queries: TensorView, _ keys: TensorView, _ values: TensorView) -> Bool {
        fusesAttention(queries: queries.shape[2], size: queries.shape[3], valueSize: values.shape[3])
            && keys.shape[2] > 0
    }

    public func attention(
        _ queries: TensorView, keys: TensorView, values: TensorView, mask: TensorView?, lengths: TensorView?,
        isCausal: Bool, scale: Double, out: TensorView, normalizers: TensorView
    ) {
        guard out.elementCount > 0 else { return }
        guard goesByBlocks(queries, keys, values) else {
            return composedAttention(
                queries, keys: keys, values: values, mask: mask, lengths: lengths, isCausal: isCausal, scale: scale,
                out: out)
        }
        reportingErrors {
            let heads = try AttentionHeads(
                self, queries, keys, values, mask: mask, lengths: lengths, isCausal: isCausal, scale: scale)
            try writingRows(out) { out in
                let blocks = blockCount(queries.shape[2], of: loops.attention_queries)
                try shareHeads(heads, parts: blocks, laysValues: false) { head, matrix, block, scratch in
                    head.out = heads.row(out, matrix)
                    head.out_row = out.strides[2]
                    head.normalizers = normalizers.floats + 2 * matrix * queries.shape[2]
                    let first = block * loops.attention_queries
                    let last = min(first + loops.attention_queries, queries.shape[2])
                    loops.attention_forward(&head, first, last, scratch)
                }
            }
        }
    }

    public func attentionGradient(
        _ queries: TensorView, keys: TensorView, values: TensorView, mask: TensorView?, lengths: TensorView?,
        isCausal: Bool, scale: Double, out: TensorView, normalizers: TensorView, outputGradient: TensorView,
        queryGradient: (view: TensorView, accumulates: Bool)?, keyGradient: (view: TensorView, accumulates: Bool)?,
        valueGradient: (view: TensorView, accumulates: Bool)?
    ) {
        guard goesByBlocks(queries, keys, values), outputGradient.elementCount > 0 else {
            return composedAttentionGradient(
                queries, keys: keys, values: values, mask: mask, lengths: lengths, isCausal: isCausal, scale: scale,
                outputGradient: outputGradient, queryGradient: queryGradient, keyGradient: keyGradient,
                valueGradient: valueGradient)
        }
        reportingErrors {
            let heads = try AttentionHeads(
                self, queries, keys, values, mask: mask, lengths: lengths, isCausal: isCausal, scale: scale)
            let (out, arrived) = (try rowsSideBySide(out), try rowsSideBySide(outputGradient))
            try addingToRows([queryGradient, keyGradient, valueGradient]) { gradients in
                func compute(_ wanted: [TensorView?], queryBlocks: Int, keyBlocks: Int) throws {
                    guard wanted.contains(where: { $0 != nil }) else { return }
                    let parts = queryBlocks * keyBlocks
                    try shareHeads(heads, parts: parts, laysValues: true) { head, matrix, part, scratch in
                        head.out = heads.row(out, matrix)
                        head.out_row = out.strides[2]
                        head.output_gradient = UnsafePointer(heads.row(arrived, matrix))
                        head.output_gradient_row = arrived.strides[2]
                        head.normalizers = normalizers.floats + 2 * matrix * queries.shape[2]
                        head.query_gradient = wanted[0].map { heads.row($0, matrix) }
                        head.key_gradient = wanted[1].map { heads.row($0, matrix) }
                        head.value_gradient = wanted[2].map { heads.row($0, matrix) }
                        head.query_gradient_row = wanted[0]?.strides[2] ?? 0
                        head.key_gradient_row = wanted[1]?.strides[2] ?? 0
                        head.value_gradient_row = wanted[2]?.strides[2] ?? 0
                        let rows = block(part / keyBlocks, of: queryBlocks, loops.attention_queries, queries.shape[2])
                        let columns = block(part % keyBlocks, of: keyBlocks, loops.attention_keys, keys.shape[2])
                        loops.attention_backward(
                            &head, rows.lowerBound, rows.upperBound, columns.lowerBound, columns.upperBound, scratch)
                    }
                }
                if heads.count >= threads {
                    return try compute(gradients, queryBlocks: 1, keyBlocks: 1)
                }
                // Blocks of queries share no gradients of queries, and blocks of keys none of keys. The sums are the same, and in
                // the same order; the scores are computed once more.
                try compute(
                    [gradients[0], nil, nil], queryBlocks: blockCount(queries.shape[2], of: loops.attention_queries),
                    keyBlocks: 1)
                try compute(
                    [nil, gradients[1], gradients[2]], queryBlocks: 1,
                    keyBlocks: blockCount(keys.shape[2], of: loops.attention_keys))
            }
        }
    }

    private func blockCount(_ rows: Int, of size: Int) -> Int { (rows + size - 1) / size }

    /// The rows of a block; of one block only, all.
    private func block(_ index: Int, of count: Int, _ size: Int, _ rows: Int) -> Range<Int> {
        count == 1 ? 0..<rows : index * size..<min((index + 1) * size, rows)
    }

    /// Calls `body` for each part of each head, several at a time.
    /// - Parameter body: the head, its number, the part's number, and the thread's scratch memory, which holds the head's keys laid out.
    private func shareHeads(
        _ heads: AttentionHeads, parts: Int, laysValues: Bool,
        _ body: (inout gimbal_attention_blocks, Int, Int, UnsafeMutablePointer<Float>) -> Void
    ) throws {
        let scratch = loops.attention_scratch(heads.plan.keys, heads.plan.size, heads.plan.value_size)
        try share(heads.count * parts, work: heads.work, scratch: scratch) { range, memory in
            var (laid, head) = (-1, heads.plan)
            for index in range {
                let matrix = index / parts
                if matrix != laid {
                    (laid, head) = (matrix, heads.head(matrix))
                    loops.attention_lay(&head, laysValues, memory)
                }
                body(&head, matrix, index % parts, memory)
            }
        }
    }

    /// The view, or a copy that `hasRowsSideBySide`.
    fileprivate func rowsSideBySide(_ view: TensorView) throws -> TensorView {
        if view.hasRowsSideBySide { return view }
        let result = try allocate(view.shape, .float32)
        copy(view, to: result)
        return result
    }

    /// Calls `body` with what to write in place of `out`: itself, or memory whose rows lie side by side.
    private func writingRows(_ out: TensorView, _ body: (TensorView) throws -> Void) throws {
        out.storage.noteWrite()
        if out.hasRowsSideBySide { return try body(out) }
        let result = try allocate(out.shape, .float32)
        try body(result)
        copy(result, to: out)
    }

    /// Calls `body` with what to add to in place of `destinations`, which are zeros where nothing is to be added to.
    private func addingToRows(
        _ destinations: [(view: TensorView, accumulates: Bool)?], _ sums: [TensorView?] = [],
        _ body: ([TensorView?]) throws -> Void
    ) throws {
        guard sums.count < destinations.count else { return try body(sums) }
        guard let (view, accumulates) = destinations[sums.count], view.elementCount > 0 else {
            return try addingToRows(destinations, sums + [nil], body)
        }
        try writingRows(view) { rows in
            if !accumulates {
                fill(rows, with: 0)
            } else if rows.storage !== view.storage {
                copy(view, to: rows)
            }
            try addingToRows(destinations, sums + [rows], body)
        }
    }
}

extension TensorView {
    /// Whether it is of float32, the elements of the last of four axes side by side.
    fileprivate var hasRowsSideBySide: Bool { dtype == .float32 && (shape[3] == 1 || strides[3] == 1) }
}

/// The heads of one attention, [batch, heads], by their number.
private struct AttentionHeads {
    let queries: TensorView
    let keys: TensorView
    let values: TensorView
    let mask: TensorView?
    let lengths: TensorView?
    /// What they share.
    let plan: gimbal_attention_blocks

    init(
        _ backend: CPUBackend, _ queries: TensorView, _ keys: TensorView, _ values: TensorView, mask: TensorView?,
        lengths: TensorView?, isCausal: Bool, scale: Double
    ) throws {
        self.queries = try backend.rowsSideBySide(queries)
        self.keys = try backend.rowsSideBySide(keys)
        self.values = try backend.rowsSideBySide(values)
        let isKept = mask.map { !$0.dtype.isFloatingPoint } ?? false
        self.mask = try mask.map { try backend.converted($0, to: isKept ? .uint8 : .float32, contiguous: false) }
        self.lengths = lengths
        var plan = gimbal_attention_blocks()
        plan.keys = keys.shape[2]
        plan.size = queries.shape[3]
        plan.value_size = values.shape[3]
        plan.query_row = self.queries.strides[2]
        plan.key_row = self.keys.strides[2]
        plan.value_row = self.values.strides[2]
        plan.is_causal = isCausal
        plan.scale = Float(scale)
        self.plan = plan
    }

    var count: Int { queries.shape[0] * queries.shape[1] }

    /// Multiplications of one product of theirs.
    var work: Int { count * queries.shape[2] * plan.keys * plan.size }

    /// The first row of a head.
    func row(_ view: TensorView, _ matrix: Int) -> UnsafeMutablePointer<Float> {
        let (batch, head) = (matrix / view.shape[1], matrix % view.shape[1])
        return view.floats + batch * view.strides[0] + head * view.strides[1]
    }

    func head(_ matrix: Int) -> gimbal_attention_blocks {
        var result = plan
        result.query = UnsafePointer(row(queries, matrix))
        result.key = UnsafePointer(row(keys, matrix))
        result.value = UnsafePointer(row(values, matrix))
        let (batch, head) = (matrix / queries.shape[1], matrix % queries.shape[1])
        result.live = lengths.map { min(max(Int($0.integers[batch]), 0), plan.keys) } ?? plan.keys
        if let mask {
            let place = mask.pointer + (batch * mask.strides[0] + head * mask.strides[1]) * mask.dtype.byteCount
            result.keeps =
                mask.dtype == .uint8 ? UnsafePointer(place.assumingMemoryBound(to: UInt8.self)) : nil
            result.added =
                mask.dtype == .uint8 ? nil : UnsafePointer(place.assumingMemoryBound(to: Float.self))
            result.mask_query = mask.strides[2]
            result.mask_key = mask.strides[3]
        }
        return result
    }
}

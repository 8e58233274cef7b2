import GimbalBackend
import Testing

extension KernelSweep {
    @Test func layerNorm() throws {
        for shape in [[3, 5], [300, 33], [2, 600], [17, 1], [3, 1028]] as [Shape] {
            let (rows, width) = (shape[0], shape[1])
            let x = try input(shape), out = try backend.allocate(shape)
            let scale = try input([width]), shift = try input([width])
            let mean = try backend.allocate([rows]), deviation = try backend.allocate([rows])
            let scaleGradient = try input([width]), shiftGradient = try backend.allocate([width])
            for centers in [true, false] {
                backend.layerNorm(
                    x, scale: scale, shift: shift, epsilon: 1e-5, centers: centers, out: out, mean: mean,
                    inverseDeviation: deviation)
                backend.layerNormGradient(
                    x, outputGradient: out, scale: scale, centers: centers, mean: mean, inverseDeviation: deviation,
                    inputGradient: try backend.allocate(shape), scaleGradient: (scaleGradient, true),
                    shiftGradient: (shiftGradient, false))
            }
        }
        try backend.synchronize()
    }

    @Test func attention() throws {
        for shape in [[2, 3, 5, 7], [1, 2, 40, 33], [1, 1, 3, 600]] as [Shape] {
            let scores = try input(shape), out = try backend.allocate(shape)
            let added = try input([shape[2], shape[3]]).broadcast(to: shape)
            let keeps = try backend.allocate([shape[0], 1, 1, shape[3]], .uint8)
            backend.fill(keeps, with: 1)
            for isCausal in [true, false] {
                for mask in [nil, added, keeps.broadcast(to: shape)] {
                    backend.attentionSoftmax(scores, mask: mask, isCausal: isCausal, out: out)
                }
                backend.attentionSoftmaxGradient(out, outputGradient: scores, isCausal: isCausal, out: scores)
            }
        }
        try backend.synchronize()
    }

    @Test func fusedAttention() throws {
        for (queries, keys, size, valueSize) in [(35, 70, 4, 4), (3, 5, 5, 3), (18, 35, 68, 72)] {
            let isAligned = size % 4 == 0
            func views(_ length: Int, _ size: Int) throws -> TensorView {
                try input([2, 1, length, size], isAligned: isAligned)
            }
            let query = try views(queries, size), key = try views(keys, size), value = try views(keys, valueSize)
            let out = try views(queries, valueSize), normalizers = try backend.allocate([2, 1, queries, 2])
            let shape: Shape = [2, 1, queries, keys]
            let keeps = try backend.allocate([2, 1, 1, keys], .uint8)
            backend.fill(keeps, with: 1)
            let added = try input([queries, keys]).broadcast(to: shape)
            let lengths = try indices([Int32(keys), 1])
            for (mask, isCausal) in [(nil, true), (keeps.broadcast(to: shape), false), (added, true)] {
                backend.attention(
                    query, keys: key, values: value, mask: mask, lengths: mask == nil ? nil : lengths,
                    isCausal: isCausal, scale: 0.5, out: out, normalizers: normalizers)
                backend.attentionGradient(
                    query, keys: key, values: value, mask: mask, lengths: mask == nil ? nil : lengths,
                    isCausal: isCausal, scale: 0.5, out: out, normalizers: normalizers, outputGradient: out,
                    queryGradient: (try views(queries, size), true), keyGradient: (try views(keys, size), false),
                    valueGradient: (try views(keys, valueSize), true))
            }
        }
        try backend.synchronize()
    }
}

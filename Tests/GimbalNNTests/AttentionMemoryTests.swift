import GimbalCPU
import GimbalNN
import GimbalTestSupport
import Testing

/// Memory refused at any point of a transformer's forward or backward pass is thrown where the host waits.
@Suite struct AttentionMemoryTests {
    @Test func refusedMemoryIsThrown() throws {
        /// What one training step throws with `limit` bytes beyond what the model and its input take.
        func step(limit: Int, taken: Int) throws {
            let device = Device(backend: ReferenceBackend(memoryLimitBytes: taken + limit))
            try withDevice(device) {
                let layer = TransformerEncoderLayer(4, heads: 2, feedforwardSize: 8, dropout: 0.1, normFirst: true)
                let x = Tensor(samples(5 * 2 * 4), [5, 2, 4]).requiringGradient()
                let mask = Tensor(samples(25), [5, 5])
                let y = layer(x, mask: mask, keyPaddingMask: Tensor(repeating: 1, [2, 5], dtype: .uint8))
                try y.sum().backward()
                for parameter in layer.parameters { _ = try parameter.gradient?.doubles() }
            }
        }
        var (refused, done) = (0, 0)
        for limit in stride(from: 0, to: 40_000, by: 197) {
            do {
                try step(limit: limit, taken: 2_000)
                done += 1
            } catch GimbalError.outOfMemory {
                refused += 1
            }
        }
        #expect(refused > 20 && done > 20, "\(refused) refused, \(done) done")
    }

    /// Attention as one operation of the backend likewise.
    @Test func refusedMemoryIsThrownByFusedAttention() throws {
        var (refused, done) = (0, 0)
        for limit in stride(from: 1_000, to: 20_000, by: 61) {
            do {
                try withDevice(Device(backend: ReferenceBackend(memoryLimitBytes: limit, fusesAttention: true))) {
                    let layer = MultiheadAttention(4, heads: 2)
                    let x = Tensor(samples(5 * 2 * 4), [5, 2, 4]).requiringGradient()
                    try layer(x, x, x, isCausal: true).sum().backward()
                    for parameter in layer.parameters { _ = try parameter.gradient?.doubles() }
                }
                done += 1
            } catch GimbalError.outOfMemory {
                refused += 1
            }
        }
        #expect(refused > 20 && done > 20, "\(refused) refused, \(done) done")
    }

    /// No array of [heads, queries, keys] is made, forward or backward, where attention is fused.
    @Test func noScoresInMemory() throws {
        let backends: [any Backend] = [CPUBackend(threads: 2)] + BackendUnderTest.openCL.map(\.backend)
        for backend in backends where backend.fusesAttention(queries: 512, size: 8, valueSize: 8) {
            try withDevice(Device(backend: backend)) {
                let (batch, heads, length, size) = (1, 4, 512, 8)
                let x = Tensor(samples(batch * heads * length * size), [batch, heads, length, size])
                let before = backend.memoryUsage.inUse
                let leaf = x.requiringGradient()
                let y = scaledDotProductAttention(leaf, leaf, leaf, isCausal: true)
                try y.backward(gradient: x)
                _ = try leaf.gradient!.doubles()
                let scores = heads * length * length * 4
                let peak = backend.memoryUsage.peak
                #expect(peak - before < scores, "\(peak - before) bytes")
            }
        }
    }

    /// Normalisation and the weight parametrizations likewise.
    @Test func refusedMemoryIsThrownByNorms() throws {
        var (refused, done) = (0, 0)
        for limit in stride(from: 300, to: 20_000, by: 61) {
            let device = Device(backend: ReferenceBackend(memoryLimitBytes: limit))
            do {
                try withDevice(device) {
                    let layer = Sequential {
                        WeightNorm(Linear(6, 6))
                        LayerNorm(6)
                        SpectralNorm(Linear(6, 6))
                        GroupNorm(groups: 2, channels: 6)
                        RMSNorm(6)
                    }
                    let x = Tensor(samples(4 * 6), [4, 6]).requiringGradient()
                    try layer(x).sum().backward()
                    _ = try x.gradient?.doubles()
                }
                done += 1
            } catch GimbalError.outOfMemory {
                refused += 1
            }
        }
        #expect(refused > 20 && done > 20, "\(refused) refused, \(done) done")
    }
}

import GimbalTrain

extension Benchmark {
    /// Operations that memory limits, over more than any cache holds: beside what the device copies in a second, GB/s are the
    /// share of its limit that they reach. For GPUs only; a CPU would take minutes.
    static var streams: [Benchmark] {
        let count = 1 << 26
        let rows: Shape = [count >> 10, 1 << 10]
        let images: Shape = [64, 256, count >> 14]

        func stream(
            _ variant: String, bytes: Double, _ prepare: @escaping (any Backend) throws -> () -> Void
        ) -> Benchmark {
            Benchmark(
                name: "stream", variant: variant, bytes: bytes * Double(count), unasked: .onGPUs,
                prepare: { try prepare($0.backend) })
        }
        func values(_ shape: Shape) -> TensorView { Tensor.normal(shape).view }

        return [
            stream("relu", bytes: 8) { backend in
                let (x, out) = (values([count]), try backend.allocate([count]))
                return { backend.unary(.init(.relu), x, out: out) }
            },
            stream("add", bytes: 12) { backend in
                let (x, y, out) = (values([count]), values([count]), try backend.allocate([count]))
                return { backend.binary(.init(.add), x, y, out: out) }
            },
            stream("sum", bytes: 4) { backend in
                let (x, out) = (values([count]), try backend.allocate([1]))
                return { backend.reduce(.sum, x, out: out, accumulates: false) }
            },
            stream("sum over rows", bytes: 4) { backend in
                let (x, out) = (values(rows), try backend.allocate([1, rows[1]]))
                return { backend.reduce(.sum, x, out: out, accumulates: false) }
            },
            stream("sum over columns", bytes: 4) { backend in
                let (x, out) = (values(rows), try backend.allocate([rows[0], 1]))
                return { backend.reduce(.sum, x, out: out, accumulates: false) }
            },
            stream("norm", bytes: 4) { backend in
                let (x, out) = (values([count]), try backend.allocate([1]))
                return { backend.norm([x], p: 2, out: out) }
            },
            stream("clip", bytes: 8) { backend in
                let (x, norm) = (values([count]), try backend.allocate([1]))
                backend.fill(norm, with: 1)
                return { backend.clip([x], norm: norm, maxNorm: 0.99999) }
            },
            stream("statistics", bytes: 4) { backend in
                let (x, out) = (values([count]), try backend.allocate([1, Statistic.allCases.count]))
                let segments = Tensor([Int32(0), Int32(count)], [1, 2]).view
                return { backend.statistics(x, segments: segments, out: out) }
            },
            stream("softmax \(rows)", bytes: 8) { backend in
                let (x, out) = (values(rows), try backend.allocate(rows))
                return { backend.softmax(x, out: out, isLogarithmic: false) }
            },
            stream("cross-entropy \(rows)", bytes: 4) { backend in
                let (x, targets) = (values(rows), Tensor((0..<rows[0]).map { Int32($0 % rows[1]) }).view)
                let (mean, kept) = (try backend.allocate([1]), try backend.allocate([1]))
                let normalizers = try backend.allocate([rows[0], 2])
                return {
                    backend.crossEntropyMean(
                        x, targets: targets, ignoredIndex: nil, mean: mean, keptRows: kept, normalizers: normalizers)
                }
            },
            stream("layernorm \(rows)", bytes: 8) { backend in
                let (x, out, scale, shift) = (
                    values(rows), try backend.allocate(rows), values([rows[1]]), values([rows[1]])
                )
                let (mean, deviation) = (try backend.allocate([rows[0]]), try backend.allocate([rows[0]]))
                return {
                    backend.layerNorm(
                        x, scale: scale, shift: shift, epsilon: 1e-5, centers: true, out: out, mean: mean,
                        inverseDeviation: deviation)
                }
            },
            // The sums for scale and shift read the input and its gradient once more.
            stream("layernorm gradient", bytes: 20) { backend in
                let (x, arriving, out) = (values(rows), values(rows), try backend.allocate(rows))
                let (scale, mean, deviation) = (values([rows[1]]), values([rows[0]]), values([rows[0]]))
                let (forScale, forShift) = (try backend.allocate([rows[1]]), try backend.allocate([rows[1]]))
                return {
                    backend.layerNormGradient(
                        x, outputGradient: arriving, scale: scale, centers: true, mean: mean,
                        inverseDeviation: deviation, inputGradient: out, scaleGradient: (forScale, false),
                        shiftGradient: (forShift, false))
                }
            },
            // A pass for the statistics, and one that reads and writes.
            stream("batchnorm \(images)", bytes: 12) { backend in
                let (x, out, scale) = (values(images), try backend.allocate(images), values([images[1]]))
                let (mean, deviation) = (try backend.allocate([images[1]]), try backend.allocate([images[1]]))
                return {
                    backend.batchNorm(
                        x, scale: scale, shift: scale, running: nil, momentum: 0.1, epsilon: 1e-5, out: out, mean: mean,
                        inverseDeviation: deviation)
                }
            },
            stream("batchnorm gradient", bytes: 20) { backend in
                let (x, arriving, out) = (values(images), values(images), try backend.allocate(images))
                let (scale, mean, deviation) = (values([images[1]]), values([images[1]]), values([images[1]]))
                let (forScale, forShift) = (try backend.allocate([images[1]]), try backend.allocate([images[1]]))
                return {
                    backend.batchNormGradient(
                        x, outputGradient: arriving, scale: scale, mean: mean, inverseDeviation: deviation,
                        inputGradient: out, scaleGradient: (forScale, false), shiftGradient: (forShift, false))
                }
            },
            stream("adam", bytes: 28) { backend in
                let (weights, gradient) = (values([count]), values([count]))
                let states = [Tensor.zeros([count]).view, Tensor.zeros([count]).view]
                var step = OptimizerStep(.adam, rate: 1e-9)
                (step.beta1, step.blend1, step.beta2, step.blend2) = (0.9, 0.1, 0.999, 0.001)
                step.epsilon = 1e-8
                return { [step] in
                    backend.optimizerStep(step, weights: weights, gradient: gradient, states: states, condition: nil)
                }
            },
        ]
    }
}

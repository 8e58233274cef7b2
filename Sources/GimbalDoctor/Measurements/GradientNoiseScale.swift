import GimbalNN

/// How much the gradients of single samples differ, and up to which batch size larger batches pay (McCandlish et al. 2018,
/// section 2.2 and appendix A.1).
public struct GradientNoiseScale: Codable, Sendable, Equatable {
    /// |G|²: the squared norm of the gradient over all data, without bias; 0 or less where the noise drowns it.
    public var squaredNorm: Double
    /// tr Σ: the variance of a single sample's gradient, summed over all parameters.
    public var variance: Double

    /// tr Σ / |G|², the simple noise scale: a batch of so many samples has as much noise as signal. Steps of far smaller
    /// batches gain from more samples, those of far larger ones hardly do. Infinite where there is no signal.
    public var scale: Double { squaredNorm > 0 ? variance / squaredNorm : .infinity }

    /// Measures it from the gradients of batches of one size. Weights, gradients, running statistics and random numbers stay
    /// what they are.
    ///
    /// ```swift
    /// let batches = Array(loader.batches(epoch: 0, on: .current).prefix(20))
    /// let noise = try GradientNoiseScale.measure(model, on: batches, samples: 64) { crossEntropy(model($0.inputs), $0.targets) }
    /// if let noise { print("batches of up to about \(noise.scale) samples pay") }
    /// ```
    /// - Parameters:
    ///   - model: whose parameters the loss depends on.
    ///   - batches: two at least; the more, the better the estimate.
    ///   - samples: of each batch.
    ///   - loss: the mean loss of a batch.
    /// - Returns: nil where the loss depends on no trainable parameter.
    /// - Throws: the first failure of the device; what `loss` throws.
    public static func measure<Batch>(
        _ model: Module, on batches: some Collection<Batch>, samples: Int, loss: (Batch) throws -> Tensor
    ) throws -> GradientNoiseScale? {
        require(batches.count > 1, "GradientNoiseScale", "needs two batches at least, not \(batches.count)")
        require(samples > 0, "GradientNoiseScale", "batches of \(samples) samples")
        let trained = model.parameters.filter(\.isTrainable).map(\.value)
        guard !trained.isEmpty else { return nil }
        let generator = RandomGenerator.current
        let state = generator.state
        defer { generator.state = state }
        var sums: [Tensor]?
        var small = 0.0
        for batch in batches {
            let gradients = try GradientMode.$isRecomputing.withValue(true) { () -> [Tensor]? in
                let value = try loss(batch)
                guard value.requiresGradient else { return nil }
                return try gradient(of: value, withRespectTo: trained, unused: .zeros)
            }
            guard let gradients else { return nil }
            small += try squaredNorm(gradients) / Double(batches.count)
            sums = sums.map { zip($0, gradients).map { $0 + $1 } } ?? gradients
        }
        let count = Double(batches.count)
        let big = try squaredNorm(sums!) / (count * count)
        // Equations A.2: B = count · b.
        return GradientNoiseScale(
            squaredNorm: (count * big - small) / (count - 1),
            variance: (small - big) * Double(samples) * count / (count - 1))
    }

    private static func squaredNorm(_ tensors: [Tensor]) throws -> Double {
        try tensors.reduce(0) { try $0 + $1.square().sum().doubles()[0] }
    }
}

import GimbalNN

/// How much a function stretches small changes of what goes in: the largest singular values of its Jacobian.
///
/// A stack of layers whose values lie about 1 passes signals and gradients on as they are (Pennington et al. 2017, section 1).
public enum JacobianSpectrum {
    /// The largest singular values of ∂f/∂x, the largest first, by power iteration on JᵀJ: products with J are derivatives of
    /// products with Jᵀ. Of a batch, whose samples do not mix, they are the largest over all samples.
    ///
    /// ```swift
    /// let layers = Sequential { Linear(64, 64); Tanh(); Linear(64, 64) }
    /// let values = try JacobianSpectrum.largestValues(of: { layers($0) }, at: Tensor.normal([1, 64]), count: 3)
    /// ```
    /// - Parameters:
    ///   - function: differentiable twice; called once. Random numbers drawn in it stay the same.
    ///   - x: real numbers.
    ///   - count: how many values; no more than elements go in or come out.
    ///   - iterations: at the most, of each value.
    ///   - tolerance: ends when a value changes by less than this share of itself.
    /// - Throws: the first failure of the device; what `function` throws.
    public static func largestValues(
        of function: (Tensor) throws -> Tensor, at x: Tensor, count: Int = 1, iterations: Int = 100,
        tolerance: Double = 1e-5
    ) throws -> [Double] {
        require(count > 0 && iterations > 0, "JacobianSpectrum", "\(count) values in \(iterations) iterations")
        let x = x.detached().requiringGradient()
        let y = try function(x)
        guard y.requiresGradient else { return [Double](repeating: 0, count: count) }
        let arriving = Tensor.zeros(y.shape, dtype: y.dtype, device: y.device).requiringGradient()
        let pulled = try gradient(
            of: y, withRespectTo: x, gradient: arriving, createsGraph: true, retainsGraph: true, unused: .zeros)
        guard pulled.requiresGradient else { return [Double](repeating: 0, count: count) }

        let random = RandomGenerator(seed: 0)
        var found: [(value: Double, direction: Tensor)] = []
        while found.count < min(count, x.elementCount, y.elementCount) {
            var direction = try unit(
                withGenerator(random) { Tensor.normal(x.shape, device: x.device).cast(to: x.dtype) }, without: found)
            var value = 0.0
            for _ in 0..<iterations {
                guard let start = direction else { break }
                let pushed = try gradient(
                    of: pulled, withRespectTo: arriving, gradient: start, retainsGraph: true, unused: .zeros)
                let norm = try length(pushed)
                let image = try gradient(
                    of: y, withRespectTo: x, gradient: pushed.detached(), retainsGraph: true, unused: .zeros)
                let isDone = abs(norm - value) <= tolerance * norm
                value = norm
                guard !isDone, norm.isFinite else { break }
                direction = try unit(image.detached(), without: found)
            }
            found.append((value, direction ?? Tensor.zeros(x.shape, dtype: x.dtype, device: x.device)))
        }
        return found.map(\.value)
    }

    /// What is left of `x` beside directions that are known, of length 1; nil where nothing is.
    private static func unit(_ x: Tensor, without found: [(value: Double, direction: Tensor)]) throws -> Tensor? {
        var x = x
        // Twice, as rounding leaves some of what is large.
        for (_, direction) in found + found { x = x - direction * (x * direction).sum() }
        let length = try length(x)
        return length > 0 && length.isFinite ? x * (1 / length) : nil
    }

    private static func length(_ x: Tensor) throws -> Double { try x.square().sum().doubles()[0].squareRoot() }
}

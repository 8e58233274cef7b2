import Foundation

extension Initializer {
    /// Normal, with what would lie outside [a, b] left out of the distribution: by the inverse of its distribution
    /// function, as PyTorch's `trunc_normal_`.
    ///
    /// `mean` and `standardDeviation` are those before the cut; `a` < `b` are values, not numbers of deviations.
    public static func truncatedNormal(
        mean: Double = 0, standardDeviation: Double = 1, a: Double = -2, b: Double = 2
    ) -> Initializer {
        require(
            standardDeviation > 0 && a < b, "truncatedNormal",
            "needs a positive deviation and a < b, not \(standardDeviation), \(a) and \(b)")
        return Initializer("truncated-normal") { shape, generator, device in
            var (low, high) = ((a - mean) / standardDeviation, (b - mean) / standardDeviation)
            // Above the mean, Φ is close to 1 and loses its digits: what is drawn is the mirror image.
            let isMirrored = low > 0
            if isMirrored { (low, high) = (-high, -low) }
            let (first, last) = (normalCDF(low), normalCDF(high))
            let uniform = hostNumbers(.uniform(shape, generator: generator, device: .cpu))
            let values = uniform.map { u in
                // The middle of the 2⁻²⁴ that u stands for.
                let z = inverseNormalCDF(first + (u + 0x1p-25) * (last - first))
                return min(max(mean + (isMirrored ? -z : z) * standardDeviation, a), b)
            }
            return Tensor(values, shape, device: device)
        }
    }
}

/// Φ(x).
private func normalCDF(_ x: Double) -> Double { erfc(-x / 2.0.squareRoot()) / 2 }

/// x with Φ(x) = p, for p in (0, 1): the rational approximation 26.2.23 of Abramowitz and Stegun (1964), good to
/// 4.5e-4, and two of Halley's steps, each of which triples the digits.
private func inverseNormalCDF(_ p: Double) -> Double {
    let tail = min(p, 1 - p)
    if tail <= 0 { return p < 0.5 ? -.infinity : .infinity }
    let t = (-2 * log(tail)).squareRoot()
    let numerator = 2.515517 + t * (0.802853 + t * 0.010328)
    let denominator = 1 + t * (1.432788 + t * (0.189269 + t * 0.001308))
    var x = numerator / denominator - t  // In the lower half.
    for _ in 0..<2 {
        let error = (normalCDF(x) - tail) * (2 * Double.pi).squareRoot() * exp(x * x / 2)
        x -= error / (1 + x * error / 2)
    }
    return p < 0.5 ? x : -x
}

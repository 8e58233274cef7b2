/// What a gradient is like.
public struct GradientStatistics: Codable, Sendable, Equatable {
    /// Root of the mean of the squares, however small or large; infinite or NaN where an element is.
    public var rootMeanSquare: Double
    /// The share of elements that are 0.
    public var zeroShare: Double

    /// Whether every element is 0.
    public var isZero: Bool { zeroShare == 1 }

    /// Measures `gradient`. Waits for the device.
    init(of gradient: Tensor) throws {
        let found = try SignalStatistics(of: gradient)
        let isNaN = found.nanCount > 0
        rootMeanSquare = isNaN ? .nan : found.infinityCount > 0 ? .infinity : found.rootMeanSquare
        zeroShare = found.zeroShare
    }
}

extension Tensor {
    /// The mean product of `weights` and this gradient, the latter in units of its size: the cosine of the angle between both,
    /// times the root mean square of the weights.
    /// - Parameter size: the gradient's root mean square.
    /// - Returns: nil of a gradient that is 0 or not finite, and of vectors, such as biases.
    func projection(of weights: Tensor, size: Double) throws -> Double? {
        guard rank > 1, elementCount > 0, size > 1e-30, size.isFinite else { return nil }
        // Gradients may be so small or large that products of them leave the range of float32.
        let product = detached().cast(to: .float32) / size * weights.detached().cast(to: .float32)
        return try Double(product.mean().item())
    }

    /// The Euclidean norm of what lies behind each first index; none of a tensor without axes.
    func rowNorms() throws -> [Double] {
        guard rank > 0, elementCount > 0 else { return [] }
        let rows = detached().cast(to: .float32).reshaped([shape[0], elementCount / shape[0]])
        return try rows.square().sum([1]).squareRoot().doubles()
    }
}

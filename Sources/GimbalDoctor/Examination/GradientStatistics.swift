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
    /// The cosine of the angle between this gradient and the weights that it belongs to; nil where one of both is 0 or not
    /// finite, and of vectors, such as biases.
    func cosine(to weights: Tensor) throws -> Double? {
        guard rank > 1, elementCount > 0 else { return nil }
        let (g, w) = (detached().cast(to: .float32), weights.detached().cast(to: .float32))
        // Gradients may be so small or large that their squares leave the range of float32.
        let largest = try Double(g.absolute().max().item())
        guard largest > 1e-30, largest.isFinite else { return nil }
        let scaled = g / largest
        let product = try Double((scaled * w).sum().item())
        let norms = try Double(scaled.square().sum().item() * w.square().sum().item()).squareRoot()
        return norms > 0 && norms.isFinite ? product / norms : nil
    }

    /// The Euclidean norm of what lies behind each first index; none of a tensor without axes.
    func rowNorms() throws -> [Double] {
        guard rank > 0, elementCount > 0 else { return [] }
        let rows = detached().cast(to: .float32).reshaped([shape[0], elementCount / shape[0]])
        return try rows.square().sum([1]).squareRoot().doubles()
    }
}

import Foundation

/// What the elements of one tensor are like.
public struct SignalStatistics: Codable, Sendable, Equatable {
    /// The sizes of the axes.
    public var shape: [Int]
    /// Of the finite elements; 0 of none.
    public var mean: Double
    /// Population standard deviation of the finite elements about their mean; 0 of none.
    public var standardDeviation: Double
    /// The least finite element; nil of none.
    public var minimum: Double?
    /// The largest finite element; nil of none.
    public var maximum: Double?
    /// Root of the mean of the squares of the finite elements; 0 of none.
    public var rootMeanSquare: Double
    /// How far the samples of the batch differ: the deviation of each unit over the first axis, and of all units the root
    /// mean square. A constant that is added to a unit does not count. Over a single sample, `standardDeviation`.
    public var spread: Double
    /// The share of elements that are 0.
    public var zeroShare: Double
    /// How many elements are NaN.
    public var nanCount: Int
    /// How many elements are infinite.
    public var infinityCount: Int

    /// Whether any element is NaN or infinite.
    public var isNonFinite: Bool { nanCount > 0 || infinityCount > 0 }
    /// Whether every element is 0.
    public var isZero: Bool { zeroShare == 1 }
    /// The product of all sizes.
    public var elementCount: Int { shape.reduce(1, *) }

    /// Measures `tensor`. Waits for the device.
    init(of tensor: Tensor) throws {
        let x = tensor.detached().cast(to: tensor.dtype == .float64 ? .float64 : .float32).contiguous()
        let count = x.elementCount
        let columns = Statistic.allCases.count
        let row = try x.statisticsRow()
        func value(_ statistic: Statistic) -> Double { row[statistic.rawValue] }
        precondition(row.count == columns)
        shape = x.shape.sizes
        mean = value(.mean)
        standardDeviation = value(.standardDeviation)
        minimum = value(.minimum).ifFinite
        maximum = value(.maximum).ifFinite
        nanCount = Int(value(.nanCount))
        infinityCount = Int(value(.infinityCount))
        zeroShare = count > 0 ? value(.zeroCount) / Double(count) : 0
        let finite = count - nanCount - infinityCount
        rootMeanSquare = finite > 0 ? value(.norm) / Double(finite).squareRoot() : 0
        spread = standardDeviation
        let largest = value(.absoluteMaximum)
        if x.rank > 1, x.shape[0] > 1, count > 0, largest > 0, largest.isFinite, nanCount + infinityCount == 0 {
            // About 1, so that no square leaves the range of float32.
            let scaled = largest < 1e-30 ? x * 1e30 / (largest * 1e30) : x / largest
            let deviations = scaled.variance([0])
            spread = try max(0, Double(deviations.mean().item())).squareRoot() * largest
        }
    }
}

extension Tensor {
    /// `Statistic` columns over all elements of this contiguous tensor.
    fileprivate func statisticsRow() throws -> [Double] {
        let out = try backend.allocate([1, Statistic.allCases.count], dtype)
        let segments = Tensor([0, Int32(elementCount)], [1, 2], device: device)
        try out.change(reading: [view, segments.view]) {
            backend.statistics(view.flattened, segments: segments.view, out: out)
        }
        return try Tensor(out).doubles()
    }
}

extension Double {
    /// Nil for NaN and infinity, which JSON has no number for.
    package var ifFinite: Double? { isFinite ? self : nil }
}

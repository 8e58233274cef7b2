import Foundation

/// One axis of a plot: what it shows, where, and with which ticks.
struct PlotAxis {
    /// How values become places along the axis.
    enum Scale {
        /// In proportion.
        case linear
        /// By powers of ten where all values are positive and the largest is over `logarithmicRatio` times the smallest,
        /// else in proportion.
        case logarithmicWhereWide
    }

    /// Values that differ by more than this factor are shown by powers of ten.
    static let logarithmicRatio = 20.0

    /// What is shown, with its unit.
    var title: String
    var scale = Scale.linear
    /// What the axis shows; nil for what the values need.
    var range: ClosedRange<Double>?
    /// Whether there is nothing between whole numbers.
    var isWhole = false
    /// What stands at 0, 1, 2, … in place of numbers; empty for numbers.
    var names: [String] = []
}

/// An axis with the values of a plot on it.
struct FittedAxis {
    let isLogarithmic: Bool
    /// The ends of the axis, as logarithms where it is logarithmic.
    let low: Double
    let high: Double
    /// The round values that are marked.
    let ticks: [(value: Double, label: String)]

    /// - Parameters:
    ///   - values: finite, at least one.
    ///   - range: what must be shown; nil for all values and a little more.
    init(_ axis: PlotAxis, values: [Double], range: ClosedRange<Double>? = nil, padding: Double = 0) {
        let (least, most) = (values.min() ?? 0, values.max() ?? 1)
        isLogarithmic =
            axis.scale == .logarithmicWhereWide && least > 0 && most / least > PlotAxis.logarithmicRatio
        var (low, high) = (least, most)
        if !axis.names.isEmpty { (low, high) = (-0.5, Double(axis.names.count) - 0.5) }
        if let fixed = axis.range ?? range { (low, high) = (fixed.lowerBound, fixed.upperBound) }
        if isLogarithmic { (low, high) = (log10(low), log10(high)) }
        if !(high > low) {
            let space = low == 0 ? 1 : abs(low) * 0.1
            (low, high) = (low - space, high + space)
        }
        if axis.range == nil {
            let space = (high - low) * padding
            (low, high) = (low - space, high + space)
        }
        (self.low, self.high) = (low, high)
        ticks =
            !axis.names.isEmpty
            ? axis.names.enumerated().map { (Double($0), shown($1, limit: 12)) }
            : isLogarithmic
                ? Self.logarithmicTicks(low, high) : Self.linearTicks(low, high, isWhole: axis.isWhole)
    }

    /// Where a value lies, 0 at the axis's beginning and 1 at its end.
    func place(_ value: Double) -> Double { ((isLogarithmic ? log10(value) : value) - low) / (high - low) }

    /// Multiples of 1, 2 or 5 times a power of ten.
    private static func linearTicks(
        _ low: Double, _ high: Double, isWhole: Bool
    ) -> [(value: Double, label: String)] {
        let rough = (high - low) / 5
        let power = pow(10, floor(log10(rough)))
        var step = power * ([1, 2, 5, 10].first { $0 * power >= rough * 0.999 } ?? 10)
        if isWhole { step = max(1, step) }
        let (first, last) = (ceil(low / step - 1e-9), floor(high / step + 1e-9))
        guard step.isFinite, step > 0, last - first < 20 else { return [] }
        let digits = max(0, Int(-floor(log10(step) + 1e-9)))
        let largest = max(abs(low), abs(high))
        let isPlain = largest < 1e6 && digits <= 5
        return stride(from: first, through: last, by: 1).map { place in
            let value = place == 0 ? 0 : place * step
            return (value, isPlain ? String(format: "%.\(digits)f", value) : String(format: "%g", value))
        }
    }

    /// Powers of ten; within fewer than three of them 2 and 5 times as well; of very many only some.
    private static func logarithmicTicks(_ low: Double, _ high: Double) -> [(value: Double, label: String)] {
        let powers = Int(floor(low))...Int(ceil(high))
        let factors: [Double] = high - low < 3 ? [1, 2, 5] : [1]
        let every = max(1, (powers.count + 6) / 7)
        var ticks: [(value: Double, label: String)] = []
        for power in powers where power % every == 0 {
            for factor in factors {
                let value = factor * pow(10, Double(power))
                guard log10(value) >= low - 1e-9, log10(value) <= high + 1e-9 else { continue }
                let isPlain = value >= 1e-4 && value < 1e6
                ticks.append((value, String(format: isPlain ? "%.10g" : "%.0e", value)))
            }
        }
        return ticks
    }
}

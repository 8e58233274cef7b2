import Foundation

/// How far a float32 result may lie from the Double reference: `relative · scale`, and never less than the smallest
/// normal float32, because a device may flush what lies below it to zero.
public struct Tolerance: Sendable {
    /// What the relative error is measured against.
    public enum Scale: Sendable {
        /// Each expected value itself.
        case value
        /// The largest finite expected value of the output.
        case largest
        /// The result of the same operation on the absolute values of all inputs: Σ|x| for a sum.
        case absoluteInputs
        /// One magnitude for all elements.
        case constant(Double)
        /// One magnitude per element, or per row of them, where the formula loses digits by cancelling.
        case each([Double])
    }

    public var relative: Double
    public var scale: Scale

    public init(relative: Double, scale: Scale = .value) {
        self.relative = relative
        self.scale = scale
    }

    /// The same bits, up to the sign of zero.
    public static let exact = Tolerance(relative: 0)
    /// Eight units in the last place: a formula of a few operations, each of which OpenCL C lets err by 2 to 5.
    public static let elementwise = Tolerance(relative: 8 * 0x1p-23)
    /// OpenCL C's bound for `pow`, 16 units in the last place.
    public static let power = Tolerance(relative: 16 * 0x1p-23)
    /// A sum in any order, relative to Σ|x|: pairwise or blocked summation errs by a few units, whatever the length.
    public static let sum = Tolerance(relative: 16 * 0x1p-23, scale: .absoluteInputs)

    /// A sum of `terms` products in sequence, relative to Σ|x y|. Rounding errors of either sign add up like the steps
    /// of a random walk, so that √terms units are to be expected.
    public static func dotProduct(terms: Int) -> Tolerance {
        Tolerance(relative: (8 + Double(terms).squareRoot()) * 0x1p-23, scale: .absoluteInputs)
    }

    /// The same, measured against one magnitude for all elements.
    public func relative(to magnitude: Double) -> Tolerance {
        Tolerance(relative: relative, scale: .constant(magnitude))
    }

    /// The same, measured against one magnitude per element.
    public func relative(to magnitudes: [Double]) -> Tolerance {
        Tolerance(relative: relative, scale: .each(magnitudes))
    }

    /// Whether `actual` is close enough to `expected`. NaN equals NaN; infinities are equal by sign; what float32 cannot
    /// hold is expected to be infinite.
    public func accepts(_ actual: Double, expected: Double, scale: Double) -> Bool {
        if expected.isNaN { return actual.isNaN }
        let bound = relative * (scale.isFinite ? abs(scale) : abs(expected))
        // Just below the largest float32, a result within the tolerance may round to infinity, and the reverse.
        let largest = Double(Float.greatestFiniteMagnitude)
        if actual.isInfinite || abs(expected) > largest {
            let reach = abs(expected) + (bound.isFinite ? bound : 0)
            let mayOverflow = expected.isInfinite || reach >= largest
            let mayStayFinite = expected.isFinite && abs(expected) - bound <= largest
            return actual.sign == expected.sign && (actual.isInfinite ? mayOverflow : mayStayFinite && !actual.isNaN)
        }
        if relative == 0 { return actual == expected }
        return abs(actual - expected) <= bound + Double(Float.leastNormalMagnitude)
    }

    /// What is wrong with `actual`, in words; `nil` if nothing is.
    /// - Parameters:
    ///   - absoluteInputs: the reference's result for absolute inputs, needed by the scale of that name.
    ///   - storage: what the values were stored in, if not in float32.
    public func mismatch(
        _ actual: [Double], expected: [Double], absoluteInputs: [Double]? = nil, storage: StorageUnderTest? = nil
    ) -> String? {
        guard actual.count == expected.count else { return "\(actual.count) elements, expected \(expected.count)" }
        let scales: [Double]
        switch scale {
        case .value: scales = expected
        case .largest:
            let largest = expected.filter(\.isFinite).map { abs($0) }.max() ?? 0
            scales = expected.map { _ in largest }
        case .constant(let magnitude): scales = expected.map { _ in magnitude }
        case .absoluteInputs: scales = absoluteInputs ?? expected
        case .each(let magnitudes):
            precondition(
                magnitudes.isEmpty ? expected.isEmpty : expected.count % magnitudes.count == 0,
                "one magnitude per element, or per equally long stretch of elements, is needed")
            let stretch = expected.count / max(magnitudes.count, 1)
            scales = expected.indices.map { magnitudes[$0 / stretch] }
        }
        let wrong = expected.indices.filter { index in
            if let storage { return !accepts(actual[index], expected: expected[index], scale: scales[index], storage) }
            return !accepts(actual[index], expected: expected[index], scale: scales[index])
        }
        if wrong.isEmpty { return nil }
        let examples = wrong.prefix(3).map { "[\($0)] is \(actual[$0]), expected \(expected[$0])" }
        return "\(wrong.count) of \(actual.count) elements differ: " + examples.joined(separator: "; ")
    }
}

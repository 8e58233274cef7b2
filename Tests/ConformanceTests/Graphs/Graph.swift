import Gimbal
import GimbalTestSupport

/// A program of tensors: leaves, and steps that each compute one tensor from earlier ones, as a value that can be made
/// by chance, run on any device, made smaller and printed.
///
/// Tensors are numbered: first the leaves, then the steps. What a step does is said by its rule and some numbers, which
/// the rule reads as it needs them: whatever is taken away or changed, the rest can still be understood.
struct Graph {
    /// A tensor that the program begins with.
    struct Leaf {
        var shape: [Int]
        var values = Values.real
        /// Not the device's real type: float16 or bfloat16.
        var storage: DType?
        var requiresGradient = true
    }

    /// A call of an operation.
    struct Step {
        /// The name of a rule in `GraphRules`.
        var rule: String
        /// The numbers of the tensors that it takes.
        var operands: [Int]
        /// What its rule decides by.
        var choices: [Int]
    }

    /// What is done to a graph beside computing it once and differentiating it.
    enum Use: String, CaseIterable {
        /// Nothing.
        case plain
        /// Observers watch all layers and operations, as the doctor does.
        case observed
        /// The graph is differentiated twice: gradients add up.
        case twice
        /// Gradients are computed so that they can be differentiated again.
        case graphOfGradients
    }

    var leaves: [Leaf]
    var steps: [Step]
    var use = Use.plain
    /// What the values of leaves and weights, and random numbers, come from.
    var seed: UInt64
    /// An element of a leaf, or of a tensor of a step's own, that is another than the one that was drawn.
    var replacement: (tensor: String, element: Int, value: Double)?

    /// The name of a tensor.
    func name(_ number: Int) -> String { number < leaves.count ? "x\(number)" : "y\(number - leaves.count)" }

    /// The numbers of steps that no other step takes: what is differentiated.
    var results: [Int] {
        let taken = Set(steps.flatMap(\.operands))
        return steps.indices.map { $0 + leaves.count }.filter { !taken.contains($0) }
    }
}

extension Graph {
    /// How the elements of a tensor are drawn.
    enum Values: Equatable {
        /// From -2...2.
        case real
        /// From 0.25...2, for what divides or is a scale.
        case positive
        /// Of the size that a weight has which is summed over so many inputs.
        case weight(inputs: Int)
        /// Among others the values where formulas break: 0, large, denormal, infinite, NaN.
        case wild
        /// Whole numbers, in int32.
        case whole(ClosedRange<Int>)
        /// 0 and 1, in uint8.
        case mask
        /// As many as are given.
        case numbers([Double])

        /// `count` elements by chance, the same at every call.
        func drawn(_ count: Int, seed: UInt64) -> [Double] {
            switch self {
            case .real: return samples(count, seed: seed)
            case .positive: return samples(count, in: 0.25...2, seed: seed)
            case .weight(let inputs): return samples(count, in: Self.range(inputs), seed: seed)
            case .wild:
                // Without those that overflow as soon as they are squared.
                let values = wideValues.filter { !$0.isFinite || $0 == 0 || 1e-5...1e5 ~= abs($0) } + denormalValues
                return integerSamples(count, in: 0...3 * values.count, seed: seed).enumerated().map { place, number in
                    Int(number) < values.count ? values[Int(number)] : samples(1, seed: seed &+ UInt64(place))[0]
                }
            case .whole(let range): return integerSamples(count, in: range, seed: seed)
            case .mask: return integerSamples(count, in: 0...1, seed: seed)
            case .numbers(let numbers): return numbers
            }
        }

        private static func range(_ inputs: Int) -> ClosedRange<Double> {
            let bound = roundedToFloat(1.5 / Double(max(inputs, 1)).squareRoot())
            return -bound...bound
        }

        /// The same, as a test writes it.
        func source(_ count: Int, seed: UInt64) -> String {
            let drawn = drawn(count, seed: seed)
            if drawn.count <= 8 { return "[" + drawn.map(Self.source).joined(separator: ", ") + "] as [Double]" }
            return switch self {
            case .real: "samples(\(count), seed: \(seed))"
            case .positive: "samples(\(count), in: 0.25...2, seed: \(seed))"
            case .weight(let inputs):
                "samples(\(count), in: \(Self.range(inputs).lowerBound)...\(Self.range(inputs).upperBound), seed: \(seed))"
            case .whole(let range):
                "integerSamples(\(count), in: \(range.lowerBound)...\(range.upperBound), seed: \(seed))"
            case .mask: "integerSamples(\(count), in: 0...1, seed: \(seed))"
            case .wild, .numbers: "[" + drawn.map(Self.source).joined(separator: ", ") + "]"
            }
        }

        private static func source(_ value: Double) -> String {
            value.isNaN ? ".nan" : value.isInfinite ? (value < 0 ? "-" : "") + ".infinity" : "\(value)"
        }

        /// The type of the tensor; nil for the device's real type.
        var dtype: DType? {
            switch self {
            case .whole: .int32
            case .mask: .uint8
            default: nil
            }
        }
    }
}

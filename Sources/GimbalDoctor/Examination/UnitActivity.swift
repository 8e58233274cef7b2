/// What an activation function does with its units over a batch.
public struct UnitActivity: Codable, Sendable, Equatable {
    /// The function, as the operation is called.
    public var function: String
    /// Units of the layer.
    public var unitCount: Int
    /// The share of units at whose inputs the slope is 0 for every sample: they learn nothing.
    public var deadShare: Double
    /// The share of elements so far out that the slope is less than a hundredth of the largest.
    public var saturatedShare: Double

    /// Nil where `function` is no activation function, or has a slope everywhere.
    /// - Parameters:
    ///   - input: what the function was applied to.
    ///   - unitAxis: the axis of `output` that counts units.
    init?(of function: String, input: Tensor?, output: Tensor, unitAxis: Int) throws {
        guard let kind = ActivationKind(rawValue: function), let input, output.rank > 0, output.elementCount > 0,
            input.shape == output.shape
        else { return nil }
        self.function = function
        unitCount = output.shape[unitAxis]
        let share = try kind.flatness(of: input, output, unitAxis: unitAxis).map { try Double($0.mean().item()) } ?? 0
        (deadShare, saturatedShare) = kind.isRectifier ? (share, 0) : (0, share)
    }
}

/// The activation functions that are told apart, by the names of their operations.
enum ActivationKind: String, CaseIterable {
    case sigmoid, tanh, relu, leakyReLU, prelu, elu, selu, celu, gelu, silu, mish, softplus, softsign, hardTanh,
        hardSigmoid, hardSwish, logSigmoid, tanhShrink, softShrink, hardShrink, threshold

    /// Whether the slope vanishes to both sides.
    var saturates: Bool {
        switch self {
        case .sigmoid, .tanh, .softsign, .hardTanh, .hardSigmoid: true
        default: false
        }
    }

    /// Whether it is 0 with slope 0 on one side.
    var isRectifier: Bool { self == .relu || self == .threshold }

    /// The largest slope, by which it multiplies a gradient at the most.
    var steepest: Double {
        switch self {
        case .sigmoid: 0.25
        case .hardSigmoid: 1.0 / 6
        default: 1
        }
    }

    /// What weights before it must multiply independent inputs by, so that the deviation stays what it is.
    var gain: Double {
        switch self {
        case .relu, .leakyReLU, .prelu, .elu, .celu, .gelu, .silu, .mish, .hardSwish, .threshold: 2.0.squareRoot()
        default: 1
        }
    }

    /// All that it gives out; nil for what has no bound on both sides.
    var range: ClosedRange<Double>? {
        switch self {
        case .sigmoid, .hardSigmoid: 0...1
        case .tanh, .softsign, .hardTanh: -1...1
        default: nil
        }
    }

    /// What a user calls it.
    var title: String {
        switch self {
        case .relu: "ReLU"
        case .leakyReLU: "leaky ReLU"
        case .prelu: "PReLU"
        case .elu, .selu, .celu, .gelu: rawValue.uppercased()
        case .silu: "SiLU"
        default: rawValue
        }
    }

    /// Of a rectifier, 1 for each unit that is off for every sample and 0 for the others; of a function with two flat sides, the
    /// share of elements that are saturated, a tensor of no axes. On the device, float32; nil for what has a slope nearly
    /// everywhere.
    /// - Parameters:
    ///   - input: what the function was applied to.
    ///   - unitAxis: the axis that counts units.
    func flatness(of input: Tensor, _ output: Tensor, unitAxis: Int) -> Tensor? {
        let (x, y) = (input.detached().cast(to: .float32), output.detached().cast(to: .float32))
        guard let flat = flat(x, y)?.cast(to: .float32) else { return nil }
        guard isRectifier else { return flat.mean() }
        let others = (0..<output.rank).filter { $0 != unitAxis }
        return others.isEmpty ? flat : flat.min(others)
    }

    /// uint8: where the slope is next to none; nil for functions that have one nearly everywhere.
    func flat(_ x: Tensor, _ y: Tensor) -> Tensor? {
        func beyond(_ limit: Double) -> Tensor { x.absolute().isGreater(than: x.scalar(limit)) }
        switch self {
        case .relu, .threshold: return y.isAtMost(y.scalar(0))
        // Where the slope is less than a hundredth of that at 0.
        case .sigmoid: return beyond(5.98)
        case .tanh: return beyond(2.99)
        case .softsign: return beyond(9)
        case .hardTanh: return beyond(1)
        case .hardSigmoid: return beyond(3)
        default: return nil
        }
    }
}

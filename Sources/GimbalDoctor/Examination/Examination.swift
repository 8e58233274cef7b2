import Foundation

/// What one batch shows of a model before it is trained: what each layer does to the signal on its way forward and to the
/// gradient on its way back.
///
/// The condition of Glorot and Bengio (2010, section 4.2) can be read from it: that both keep their variance from layer to
/// layer.
public struct Examination: Codable, Sendable {
    /// The loss of the batch.
    public var loss: Double
    /// What the model gives out, and what the loss makes of it.
    public var output: OutputExamination
    /// Layers with weights, in the order in which they computed.
    public var layers: [LayerExamination]
    /// Activation functions, in the order in which they computed.
    public var activations: [ActivationExamination]
    /// All parameters of the model, in its order.
    public var parameters: [ParameterExamination]
    /// What the model was called with, real numbers only.
    public var inputs: [InputExamination]
    /// Of a first input of whole numbers, such as tokens: how many samples differ from all others before them; nil of other
    /// inputs.
    public var distinctIndices: Int?
    /// What the loss was told to aim at: tensors of the batch that are no inputs.
    public var targets: [TargetExamination]
    /// Samples in the batch.
    public var sampleCount: Int
    /// Whether branches of the model are added up, as in a residual net.
    public var isResidual: Bool
    /// What the trace shows of how the model is built.
    public var structure: Structure
    /// What the model is to be trained by; nil without an optimizer.
    public var optimizer: OptimizerExamination?
    /// What the first steps do; nil without an optimizer, or where the loss is not finite.
    public var probe: Probe?
    /// How sharply the loss bends; nil without an optimizer, and where it cannot be measured.
    public var sharpness: Sharpness?

    /// How the signal's spread grows from layer to layer, from what the first layer is given to the last; nil with less than
    /// two layers.
    public var signalGrowth: Growth? {
        let first = layers.first.flatMap { $0.input }.map { [$0.spread] } ?? []
        return Growth(first + layers.map(\.output.spread))
    }

    /// How the gradient grows on its way back, from the last layer's output to the first's; nil with less than two layers.
    public var gradientGrowth: Growth? { Growth(layers.reversed().map { $0.outputGradient?.rootMeanSquare ?? 0 }) }

    /// The rate of the optimizer; nil without one.
    public var learningRate: Double? { optimizer?.learningRate }

    /// Layers between others: all but the last.
    public var hiddenLayers: ArraySlice<LayerExamination> { layers.dropLast() }
}

/// What a layer's weights do to the signal and to the gradient.
public struct LayerExamination: Codable, Sendable {
    /// The layer's path in the model, such as `layers.0`.
    public var name: String
    /// The operation that its weights act by, such as `linear`.
    public var operation: String
    /// The name of its weight.
    public var weight: String
    /// The shape of its weight.
    public var weightShape: [Int]
    /// Root of the mean of the squares of its weights.
    public var weightScale: Double
    /// What its input is like; nil of whole numbers.
    public var input: SignalStatistics?
    /// What its output is like, before any activation function.
    public var output: SignalStatistics
    /// The gradient that arrives at its output; nil where none does.
    public var outputGradient: GradientStatistics?
    /// The gradient of its weight; nil where none arrives.
    public var weightGradient: GradientStatistics?
    /// The activation function behind it, by its place in `Examination.activations`; nil for none.
    public var activation: Int?
    /// Whether its output goes straight into a normalisation.
    public var isNormalized: Bool
    /// What is added to its units; nil for nothing.
    public var bias: SignalStatistics?
    /// Of a LSTM: the mean of what is added to its forget gates.
    public var forgetGateBias: Double?
    /// Whether all of its units compute the same, and get the same gradient.
    public var hasIdenticalUnits: Bool
    /// Of a recurrent net: the largest element of the gradient that arrives at the input of each time step.
    public var gradientOverTime: [Double]

    /// Inputs of one unit.
    public var fanIn: Int { weightShape.count > 1 ? weightShape.dropFirst().reduce(1, *) : 1 }
    /// What the weights multiply the deviation of independent inputs by: √fanIn times their scale.
    public var gain: Double { Double(fanIn).squareRoot() * weightScale }
}

/// What an activation function does to the signal and to the gradient.
public struct ActivationExamination: Codable, Sendable {
    /// The path of the layer that it was called in.
    public var name: String
    /// What it does with its units.
    public var units: UnitActivity
    /// What comes out of it.
    public var output: SignalStatistics
    /// What the gradient is multiplied by on its way back, as a mean over all elements; nil where none passes.
    public var slope: Double?
}

/// A parameter before the first step.
public struct ParameterExamination: Codable, Sendable {
    /// Its name in the model.
    public var name: String
    /// What its values are like.
    public var values: SignalStatistics
    /// Its gradient; nil where none arrives.
    public var gradient: GradientStatistics?
    /// Of a weight: the cosine between its gradient and itself, near 1 where a step would do little but shrink it.
    public var alignment: Double?
    /// Whether it is trained.
    public var isTrainable: Bool
    /// Whether the optimizer holds it; true without one.
    public var isHeld: Bool
}

/// What a model is called with.
public struct InputExamination: Codable, Sendable {
    /// All elements together.
    public var signal: SignalStatistics
    /// Of a table, [samples, features]: the deviation of each feature.
    public var featureDeviations: [Double]
    /// Of a table: the mean of each feature.
    public var featureMeans: [Double]
    /// Samples with NaN or infinity, by their place in the batch, the first ten.
    public var nonFiniteSamples: [Int]
    /// Whether all numbers are whole, as counts and marks of categories are.
    public var isWhole: Bool
    /// Of real numbers: how many samples differ from all others before them.
    public var distinctSamples: Int
    /// Of a table of three features or more: the feature that changes exactly with the target, and how; nil for none.
    public var leakingFeature: Int?
    /// What people call the features, in their order; empty where they have no names.
    public var featureNames: [String] = []
}

/// What a loss aims at.
public struct TargetExamination: Codable, Sendable {
    /// The values.
    public var signal: SignalStatistics
    /// Whether they are whole numbers, such as the numbers of classes.
    public var isWhole: Bool
    /// Of whole numbers, and of one 0 or 1 for each sample: how often each of those that occur does.
    public var counts: [Int: Int]
    /// The same over several batches, where they were looked at: one may hold none of a rare class.
    public var surveyedCounts: [Int: Int] = [:]
    /// How many classes each of these batches has.
    public var surveyedKinds: [Int] = []
    /// Whether all of them are 0 or 1.
    public var isBinary: Bool
    /// Whether each row is all 0 but for one 1.
    public var isOneHot: Bool
    /// Of whole numbers: whether they come in rising or falling order.
    public var isSorted: Bool
}

/// How a quantity changes from layer to layer.
public struct Growth: Codable, Sendable, Equatable {
    /// The factor from one layer to the next: the median over all pairs of layers (Theil 1950, Sen 1968).
    public var perLayer: Double
    /// The last value over the first.
    public var total: Double
    /// Steps from layer to layer.
    public var steps: Int
    /// The last value.
    public var last: Double

    /// Nil for less than two values. A value of 0 counts as the least that float32 holds.
    init?(_ values: [Double]) {
        let finite = values.filter(\.isFinite)
        guard finite.count > 1, finite.contains(where: { $0 > 0 }) else { return nil }
        let logarithms = finite.map { log(max($0, Double(Float.leastNonzeroMagnitude))) }
        var slopes: [Double] = []
        // All pairs of a thousand layers are half a million: the pairs of every k-th layer will do.
        let stride = max(1, finite.count / 256)
        for first in Swift.stride(from: 0, to: finite.count, by: stride) {
            for second in Swift.stride(from: first + 1, to: finite.count, by: stride) {
                slopes.append((logarithms[second] - logarithms[first]) / Double(second - first))
            }
        }
        slopes.sort()
        let median = (slopes[(slopes.count - 1) / 2] + slopes[slopes.count / 2]) / 2
        steps = finite.count - 1
        perLayer = exp(median)
        total = finite.first! > 0 ? finite.last! / finite.first! : exp(median * Double(steps))
        last = finite.last!
    }

    /// The factor over all layers, were each like the median: a first or last layer of another kind does not count.
    public var trend: Double { pow(perLayer, Double(steps)) }

    /// After how many more layers like these the quantity is out of the range of normal numbers of a type; nil where it
    /// stays in it for a million.
    public func layersLeft(in dtype: DType) -> Int? {
        let range: ClosedRange<Double>
        switch dtype {
        case .float16: range = 6.104e-5...65504
        case .bfloat16, .float32: range = Double(Float.leastNormalMagnitude)...Double(Float.greatestFiniteMagnitude)
        default: return nil
        }
        guard last > 0, last.isFinite, perLayer != 1 else { return nil }
        let limit = perLayer < 1 ? range.lowerBound : range.upperBound
        let layers = log(limit / last) / log(perLayer)
        return layers > 1_000_000 ? nil : max(0, Int(layers.rounded(.down)))
    }
}

/// Parameters that an optimizer treats alike, with a rate and weight decay of their own.
///
/// ```swift
/// let groups = ParameterGroup.withoutDecayOnBiasesAndNorms(model.parameters)
/// let optimizer = AdamW(groups, learningRate: 1e-3, weightDecay: 0.1)
/// ```
/// A schedule sets the optimizer's rate; every group follows in proportion.
public struct ParameterGroup {
    /// The parameters of the group.
    public var parameters: [Parameter]
    /// What the optimizer's learning rate is multiplied by.
    public var learningRateScale: Double
    /// The group's weight decay; nil takes the optimizer's.
    public var weightDecay: Double?
    /// A rate of its own, in place of a scale.
    fileprivate var ownRate: Double?

    /// A group whose rate is the optimizer's times `learningRateScale`. Neither that nor the weight decay, where it is
    /// not the optimizer's, is negative.
    public init(_ parameters: [Parameter], learningRateScale: Double = 1, weightDecay: Double? = nil) {
        require(
            learningRateScale >= 0 && (weightDecay ?? 0) >= 0, "ParameterGroup",
            "the scale of the learning rate and the weight decay must not be negative")
        self.parameters = parameters
        self.learningRateScale = learningRateScale
        self.weightDecay = weightDecay
    }

    /// A group whose rate is `learningRate` while the optimizer has the rate it was made with, and follows it in
    /// proportion. A `weightDecay` of nil takes the optimizer's.
    public init(_ parameters: [Parameter], learningRate: Double, weightDecay: Double? = nil) {
        self.init(parameters, weightDecay: weightDecay)
        require(learningRate >= 0, "ParameterGroup", "the learning rate must not be negative, not \(learningRate)")
        ownRate = learningRate
    }

    /// One group for each rule, of the parameters whose name fits its pattern and none before it; the rest come last,
    /// as they are. `*` stands for any characters, dots included.
    ///
    /// ```swift
    /// ParameterGroup.matching([("layer1.*", 0.1, nil), ("*.bias", 1, 0)], in: model.parameters)
    /// ```
    public static func matching(
        _ rules: [(pattern: NamePattern, learningRateScale: Double, weightDecay: Double?)], in parameters: [Parameter]
    ) -> [ParameterGroup] {
        var rest = parameters
        var groups = rules.map { rule in
            let chosen = rest.filter { $0.matches(rule.pattern) }
            rest.removeAll { $0.matches(rule.pattern) }
            return ParameterGroup(
                chosen, learningRateScale: rule.learningRateScale, weightDecay: rule.weightDecay)
        }
        groups.append(ParameterGroup(rest))
        return groups.filter { !$0.parameters.isEmpty }
    }

    /// Two groups: parameters of two axes and more with the optimizer's weight decay, and without any those of one
    /// axis, which are biases and the scales and shifts of normalisation.
    public static func withoutDecayOnBiasesAndNorms(_ parameters: [Parameter]) -> [ParameterGroup] {
        [
            ParameterGroup(parameters.filter { $0.shape.rank > 1 }),
            ParameterGroup(parameters.filter { $0.shape.rank <= 1 }, weightDecay: 0),
        ].filter { !$0.parameters.isEmpty }
    }

    /// Rates that shrink from the last layer to the first, layer by layer, for fine-tuning (Howard and Ruder 2018,
    /// section 3.2): the last has the optimizer's rate, each one before it `factor` times the rate of the next.
    ///
    /// Parameters that share a name up to its last dot make a layer, in the order in which layers first come.
    /// - Parameters:
    ///   - parameters: in the order of the layers.
    ///   - factor: in (0, 1].
    public static func layerwiseDecay(_ parameters: [Parameter], factor: Double) -> [ParameterGroup] {
        require(factor > 0 && factor <= 1, "layerwiseDecay", "the factor must lie in (0, 1], not \(factor)")
        var layers: [(path: Substring, parameters: [Parameter])] = []
        for parameter in parameters {
            let path = parameter.name.lastIndex(of: ".").map { parameter.name[..<$0] } ?? ""
            if let known = layers.firstIndex(where: { $0.path == path }) {
                layers[known].parameters.append(parameter)
            } else {
                layers.append((path, [parameter]))
            }
        }
        return layers.enumerated().map { index, layer in
            ParameterGroup(layer.parameters, learningRateScale: power(factor, layers.count - 1 - index))
        }
    }
}

/// What optimizers are made for: parameters, or groups of them.
public protocol ParameterSource {
    /// The groups that `sources` stand for, in an optimizer made with this learning rate.
    static func groups(of sources: [Self], learningRate: Double) -> [ParameterGroup]
}

extension Parameter: ParameterSource {
    public static func groups(of sources: [Parameter], learningRate: Double) -> [ParameterGroup] {
        [ParameterGroup(sources)]
    }
}

extension ParameterGroup: ParameterSource {
    public static func groups(of sources: [ParameterGroup], learningRate: Double) -> [ParameterGroup] {
        sources.map { source in
            guard let own = source.ownRate else { return source }
            require(learningRate > 0, "ParameterGroup", "a group's own rate needs an optimizer's rate above 0")
            return ParameterGroup(
                source.parameters, learningRateScale: own / learningRate, weightDecay: source.weightDecay)
        }
    }
}

/// What a step of an optimizer makes of each weight, its gradient, and what earlier steps left.
///
/// ```swift
/// // Signum (Bernstein et al. 2018): steps in the direction of a momentum's sign.
/// let signum = OptimizerFormula(states: ["momentum"], settings: 1) { step in
///     let momentum = step.settings[0] * step.states[0] + (1 - step.settings[0]) * step.gradient
///     return (step.weight - step.learningRate * momentum.sign(), [momentum])
/// }
/// let optimizer = FormulaOptimizer(model.parameters, signum, learningRate: 1e-3, settings: { _ in [0.9] })
/// ```
public struct OptimizerFormula: Sendable {
    /// What a formula is made of.
    public struct Terms {
        /// The weight before the step.
        public let weight: ElementExpression
        /// The gradient for the weight, as it was collected: without any decay.
        public let gradient: ElementExpression
        /// What the last step left; 0 before the first.
        public let states: [ElementExpression]
        /// The optimizer's learning rate, as its group scales it.
        public let learningRate: ElementExpression
        /// The optimizer's weight decay, or that of the weight's group.
        public let weightDecay: ElementExpression
        /// What `FormulaOptimizer.settings` gives for the step.
        public let settings: [ElementExpression]
    }

    /// Names of what is kept from step to step, one number for each weight.
    public let states: [String]
    /// How many numbers it takes beside the learning rate and the weight decay.
    public let settingCount: Int
    private let function: ElementFunction
    /// The same, with one more input: where it is 0, weights and states stay as they are.
    private let conditional: ElementFunction

    /// - Parameters:
    ///   - states: names, by which they are saved.
    ///   - settings: how many.
    ///   - body: gives the new weight, and as many new states.
    public init(
        states: [String] = [], settings: Int = 0,
        _ body: (_ step: Terms) -> (weight: ElementExpression, states: [ElementExpression])
    ) {
        self.states = states
        settingCount = settings
        let inputs = 2 + states.count
        func results(_ inputs: [ElementExpression], _ numbers: [ElementExpression]) -> [ElementExpression] {
            let result = body(
                Terms(
                    weight: inputs[0], gradient: inputs[1], states: Array(inputs[2..<2 + states.count]),
                    learningRate: numbers[0], weightDecay: numbers[1], settings: Array(numbers.dropFirst(2))))
            require(
                result.states.count == states.count, "OptimizerFormula",
                "gives \(result.states.count) states, not \(states.count)")
            return [result.weight] + result.states
        }
        function = ElementFunction(inputs: inputs, numbers: 2 + settings, results)
        conditional = ElementFunction(inputs: inputs + 1, numbers: 2 + settings) { inputs, numbers in
            zip([inputs[0]] + inputs[2...], results(inputs, numbers)).map { .select(inputs.last!, $1, $0) }
        }
    }

    /// One step, in one pass over the arenas.
    func step(
        _ backend: any Backend, weights: TensorView, gradient: TensorView, states: [TensorView], numbers: [Double],
        condition: TensorView?
    ) {
        let changed = ([weights] + states).map(\.flattened)
        let inputs = [changed[0], gradient.flattened] + changed.dropFirst()
        if let condition {
            let one = condition.reshaped([1]).broadcast(to: changed[0].shape)
            backend.elementwise(conditional, inputs + [one], numbers: numbers, out: changed)
        } else {
            backend.elementwise(function, inputs, numbers: numbers, out: changed)
        }
    }
}

/// An optimizer by a formula of your own; see `OptimizerFormula`.
///
/// It has all that others have: groups, schedules, gradients clipped and scaled, a state that is saved and restored. A step is
/// one pass over each arena on every backend.
public final class FormulaOptimizer: ElementwiseOptimizer {
    /// What a step makes of each weight.
    public let formula: OptimizerFormula
    /// The formula's settings for a step, counted from 1. May be replaced between steps.
    public var settings: (_ step: Int) -> [Double]

    /// - Parameters:
    ///   - parameters: those to train, or groups of them.
    ///   - formula: what a step makes of each weight.
    ///   - learningRate: ≥ 0.
    ///   - weightDecay: ≥ 0; the formula tells what is made of it.
    ///   - settings: for a step, counted from 1, such as corrections of bias.
    public init<Source: ParameterSource>(
        _ parameters: [Source], _ formula: OptimizerFormula, learningRate: Double, weightDecay: Double = 0,
        settings: @escaping (_ step: Int) -> [Double] = { _ in [] }
    ) {
        self.formula = formula
        self.settings = settings
        super.init(
            parameters, learningRate: learningRate, weightDecay: weightDecay, momentNames: formula.states)
    }

    override public func step(if condition: Tensor?) throws {
        try store.update { backend, stretch in
            let settings = settings(stretch.step)
            require(
                settings.count == formula.settingCount, "FormulaOptimizer",
                "the formula takes \(formula.settingCount) settings, not \(settings.count)")
            formula.step(
                backend, weights: stretch.run.weights, gradient: stretch.run.gradients, states: stretch.moments,
                numbers: [
                    learningRate * stretch.group.learningRateScale, stretch.group.weightDecay ?? weightDecay,
                ] + settings, condition: condition?.view)
        }
    }
}

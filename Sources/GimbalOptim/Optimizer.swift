/// Changes parameters along their gradients.
///
/// ```swift
/// optimizer.zeroGradients()
/// try loss.backward()
/// try optimizer.step()
/// ```
public protocol Optimizer: AnyObject {
    /// The parameters that it changes, those of all groups.
    var parameters: [Parameter] { get }
    /// What scales the steps. May be changed between steps, as schedules do; parameter groups scale it.
    var learningRate: Double { get set }
    /// Applies the gradients held now. Parameters without one, or frozen, stay as they are, moments included.
    /// - Parameter condition: one real number on the device, such as `GradientClipping` gives; where it is 0, weights
    ///   and moments stay as they are, and the host need not know. The step counts all the same.
    /// - Throws: the first failure of the device since it was last waited for.
    func step(if condition: Tensor?) throws
    /// What must be saved, beside the settings, to go on as if never stopped.
    var state: OptimizerState { get }
    /// Takes up a saved state.
    /// - Throws: `GimbalError.weightMismatch` where it belongs to other parameters.
    func restore(_ state: OptimizerState) throws
    /// Takes `count` steps off the counts that formulas use: steps that turned out to have been left out on the device.
    func discountSteps(_ count: Int)
}

extension Optimizer {
    /// Applies the gradients held now.
    /// - Throws: the first failure of the device since it was last waited for.
    public func step() throws { try step(if: nil) }

    /// Does nothing: for optimizers whose formulas do not count steps.
    public func discountSteps(_ count: Int) {}

    /// Forgets all gradients, so that the next backward pass starts anew.
    public func zeroGradients() { for parameter in parameters { parameter.zeroGradient() } }
}

/// The moments of an optimizer, and how many steps each parameter has taken.
public struct OptimizerState {
    /// The moments, named by kind and parameter, such as `velocity.fc1.weight`.
    public var tensors: [(name: String, value: Tensor)]
    /// Steps taken, by the name of the parameter.
    public var steps: [String: Int]

    /// A state of these tensors and counts, as an `Optimizer` of one's own gives it.
    public init(tensors: [(name: String, value: Tensor)], steps: [String: Int]) {
        self.tensors = tensors
        self.steps = steps
    }
}

extension OptimizerState {
    /// The tensors of these names, in their order.
    /// - Parameters:
    ///   - counts: names that `steps` must have too.
    ///   - path: what the state is called in errors.
    ///   - isPart: whether there may be others.
    /// - Throws: `GimbalError.weightMismatch` where names are missing or unexpected, or shapes differ.
    func values(
        _ wanted: [(name: String, shape: Shape)], counts: [String], of path: String, isPart: Bool = false
    ) throws -> [Tensor] {
        var match = NameMatch(saved: tensors.map { ($0.name, $0.value.shape) }, wanted: wanted)
        match.missing += counts.filter { steps[$0] == nil }
        if isPart { match.unexpected = [] }
        try match.check(path)
        let saved = Dictionary(tensors.map { ($0.name, $0.value) }) { first, _ in first }
        return wanted.map { saved[$0.name]! }
    }
}

/// An optimizer that applies one formula to every element, with moments laid out like the parameters.
///
/// What all of them share: the groups, the arena, the counts of steps, and what is saved. A kind of optimizer adds its
/// settings and `rule(step:)`. To be subclassed within Gimbal only; another optimizer conforms to `Optimizer`.
public class ElementwiseOptimizer: Optimizer {
    /// What scales the steps. May be changed between steps, as schedules do; parameter groups scale it.
    public var learningRate: Double
    /// The weight decay of parameters whose group has none of its own.
    public let weightDecay: Double
    let store: ParameterStore

    /// - Parameters:
    ///   - momentNames: one block as large as the weights is set aside for each.
    ///   - initially: what the moments hold before the first step.
    init<Source: ParameterSource>(
        _ sources: [Source], learningRate: Double, weightDecay: Double, momentNames: [String], initially: Double = 0
    ) {
        require(
            learningRate >= 0 && weightDecay >= 0, "\(Self.self)",
            "learning rate \(learningRate) and weight decay \(weightDecay) must not be negative")
        self.learningRate = learningRate
        self.weightDecay = weightDecay
        store = ParameterStore(
            Source.groups(of: sources, learningRate: learningRate), momentNames: momentNames, initially: initially)
    }

    public var parameters: [Parameter] { store.parameters }
    public var state: OptimizerState { store.state }
    public func restore(_ state: OptimizerState) throws { try store.restore(state) }

    public func discountSteps(_ count: Int) { store.discountSteps(count) }

    /// The formula for the `step`-th step of a parameter, counted from 1, with `rate` and `decay` of its group.
    func rule(step: Int, rate: Double, decay: Double) -> OptimizerStep {
        stop("\(Self.self)", "has no rule")
    }

    public func step(if condition: Tensor?) throws {
        try condition?.view.throwIfFailed()
        try store.update { backend, stretch in
            apply(rule(for: stretch), backend, stretch, condition)
        }
    }

    func rule(for stretch: ParameterStore.Stretch) -> OptimizerStep {
        rule(
            step: stretch.step, rate: learningRate * stretch.group.learningRateScale,
            decay: stretch.group.weightDecay ?? weightDecay)
    }

    /// Runs a rule on a stretch; LAMB does more than that.
    func apply(
        _ rule: OptimizerStep, _ backend: any Backend, _ stretch: ParameterStore.Stretch, _ condition: Tensor?
    ) {
        backend.optimizerStep(
            rule, weights: stretch.run.weights, gradient: stretch.run.gradients, states: stretch.moments,
            condition: condition?.view)
    }
}

/// base^exponent for a whole exponent ≥ 0, by repeated squaring.
func power(_ base: Double, _ exponent: Int) -> Double {
    var result = 1.0
    var factor = base
    var remaining = exponent
    while remaining > 0 {
        if remaining & 1 == 1 { result *= factor }
        factor *= factor
        remaining >>= 1
    }
    return result
}

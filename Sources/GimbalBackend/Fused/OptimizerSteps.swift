// The optimizer steps of `Backend.optimizerStep` as functions of elements.

extension Backend {
    public func optimizerStep(
        _ step: OptimizerStep, weights: TensorView, gradient: TensorView, states: [TensorView], condition: TensorView?
    ) {
        let changed = ([weights] + states).map(\.flattened)
        let inputs = [changed[0], gradient.flattened] + changed.dropFirst()
        let isGiven = condition.map { $0.reshaped([1]).broadcast(to: changed[0].shape) }
        elementwise(
            step.rule.function(isConditional: condition != nil), inputs + [isGiven].compactMap { $0 },
            numbers: step.settings, out: changed)
    }
}

extension OptimizerStep.Rule {
    private struct Key: Hashable {
        var rule: OptimizerStep.Rule
        var isConditional: Bool
    }

    private static let functions = Lock<[Key: ElementFunction]>([:])

    /// From a weight, its gradient and the states to what they become, with `OptimizerStep.settings`.
    /// - Parameter isConditional: whether there is one more input, and all stays as it is where that is 0.
    fileprivate func function(isConditional: Bool) -> ElementFunction {
        Self.functions.withLock { functions in
            let key = Key(rule: self, isConditional: isConditional)
            if let function = functions[key] { return function }
            let function = ElementFunction(
                inputs: 2 + stateCount + (isConditional ? 1 : 0), numbers: OptimizerStep(self, rate: 0).settings.count
            ) { inputs, settings in
                let states = Array(inputs[2..<2 + stateCount])
                let results = results(inputs[0], inputs[1], states, Settings(settings))
                guard isConditional else { return results }
                return zip([inputs[0]] + states, results).map { .select(inputs.last!, $1, $0) }
            }
            functions[key] = function
            return function
        }
    }

    /// The numbers of a step, in the order of `OptimizerStep.settings`.
    private struct Settings {
        let rate, weightDecay, shrinkage, beta1, blend1, beta2, blend2, epsilon, correction2: ElementExpression
        let gradientRate, directionDecay: ElementExpression

        init(_ numbers: [ElementExpression]) {
            (rate, weightDecay, shrinkage) = (numbers[0], numbers[1], numbers[2])
            (beta1, blend1, beta2, blend2) = (numbers[3], numbers[4], numbers[5], numbers[6])
            (epsilon, correction2, gradientRate, directionDecay) = (numbers[7], numbers[8], numbers[9], numbers[10])
        }
    }

    /// New weight and states.
    private func results(
        _ weight: ElementExpression, _ gradient: ElementExpression, _ states: [ElementExpression], _ c: Settings
    ) -> [ElementExpression] {
        var w = weight * c.shrinkage
        let g = gradient + c.weightDecay * w
        func blended(_ state: ElementExpression, _ value: ElementExpression, _ isSecond: Bool) -> ElementExpression {
            isSecond ? c.beta2 * state + c.blend2 * value : c.beta1 * state + c.blend1 * value
        }
        var s = states
        switch self {
        case .approach: w = w + c.rate * (g - w)
        case .descent: w = w - c.rate * g
        case .momentum, .momentumStart:
            s[0] = self == .momentumStart ? g : blended(s[0], g, false)
            w = w - c.rate * s[0]
        case .nesterov, .nesterovStart:
            s[0] = self == .nesterovStart ? g : blended(s[0], g, false)
            w = w - c.rate * (g + c.beta1 * s[0])
        case .adagrad:
            s[0] = s[0] + g.square()
            w = w - c.rate * g / (s[0].squareRoot() + c.epsilon)
        case .adadelta:
            s[0] = blended(s[0], g.square(), true)
            let d = (s[1] + c.epsilon).squareRoot() / (s[0] + c.epsilon).squareRoot() * g
            s[1] = blended(s[1], d.square(), true)
            w = w - c.rate * d
        case .rmsprop, .rmspropMomentum:
            s[0] = blended(s[0], g.square(), true)
            var d = g / (s[0].squareRoot() + c.epsilon)
            if self == .rmspropMomentum {
                s[1] = c.beta1 * s[1] + d
                d = s[1]
            }
            w = w - c.rate * d
        case .rmspropCentred, .rmspropCentredMomentum:
            s[0] = blended(s[0], g.square(), true)
            s[1] = s[1] + c.blend2 * (g - s[1])
            var d = g / ((s[0] - s[1].square()).squareRoot() + c.epsilon)
            if self == .rmspropCentredMomentum {
                s[2] = c.beta1 * s[2] + d
                d = s[2]
            }
            w = w - c.rate * d
        case .adam, .amsgrad, .nadam, .radam, .radamStart, .lamb:
            s[0] = blended(s[0], g, false)
            s[1] = blended(s[1], g.square(), true)
            if self == .amsgrad { s[2] = .maximum(s[2], s[1]) }
            let scale = ((self == .amsgrad ? s[2] : s[1]) * c.correction2).squareRoot() + c.epsilon
            switch self {
            case .nadam: w = w - (c.gradientRate * g + c.rate * s[0]) / scale
            case .radamStart: w = w - c.rate * s[0]
            case .radam: w = w - c.rate * s[0] / (s[1].squareRoot() + c.epsilon)
            case .lamb: s[2] = c.rate * s[0] / scale + c.directionDecay * w
            default: w = w - c.rate * s[0] / scale
            }
        case .adamax:
            s[0] = blended(s[0], g, false)
            s[1] = .maximum(c.beta2 * s[1], g.absolute() + c.epsilon)
            w = w - c.rate * s[0] / s[1]
        case .lion:
            let d = blended(s[0], g, false)
            s[0] = blended(s[0], g, true)
            w = w - c.rate * d.sign()
        }
        return [w] + s
    }
}

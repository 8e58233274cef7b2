import GimbalOptim

extension Course.Plan {
    /// What an optimizer says of itself: its momentum, epsilon and weight decay.
    /// - Parameters:
    ///   - optimizer: with the settings of the run.
    ///   - steps: of the whole run; nil where that is not known.
    public init(_ optimizer: any Optimizer, steps: Int? = nil) {
        self.init()
        self.steps = steps
        goesBack = optimizer is Lookahead
        switch (optimizer as? Lookahead)?.inner ?? optimizer {
        case let adam as MomentOptimizer:
            epsilon = adam.epsilon
            if !adam.decouplesWeightDecay { weightDecay = adam.weightDecay }
        case let adagrad as Adagrad: (epsilon, weightDecay) = (adagrad.epsilon, adagrad.weightDecay)
        case let adadelta as Adadelta: epsilon = adadelta.epsilon
        case let rms as RMSprop: (epsilon, momentum, weightDecay) = (rms.epsilon, rms.momentum, rms.weightDecay)
        case let sgd as SGD: (momentum, weightDecay) = (sgd.momentum * (1 - sgd.dampening), sgd.weightDecay)
        default: break
        }
    }
}

/// How a model is trained. Saved with every checkpoint; together with the data, it determines a run to the last bit.
public struct TrainingSettings: Codable, Sendable, Equatable {
    /// The optimizers, spelled as `gimbal train --optimizer` takes them.
    public enum OptimizerKind: String, Codable, Sendable, CaseIterable {
        /// Gradient descent, with momentum where it is set: `SGD`.
        case sgd
        /// Rates that fall with the sum of squared gradients (Duchi et al. 2011): `Adagrad`.
        case adagrad
        /// Steps in the units of the weights (Zeiler 2012): `Adadelta`.
        case adadelta
        /// Gradients over the root of their mean square (Tieleman and Hinton 2012): `RMSprop`.
        case rmsprop
        /// Mean gradients over the root of their mean square (Kingma and Ba 2015): `Adam`.
        case adam
        /// Adam with weight decay apart from the gradients (Loshchilov and Hutter 2019): `AdamW`.
        case adamw
        /// Adam with the largest mean square so far (Reddi et al. 2018): `Adam` with `isAMSGrad`.
        case amsgrad
        /// Adam with Nesterov's momentum (Dozat 2016): `NAdam`.
        case nadam
        /// Adam that warms itself up (Liu et al. 2020): `RAdam`.
        case radam
        /// Adam with the largest gradient in place of the mean square (Kingma and Ba 2015, section 7.1): `Adamax`.
        case adamax
        /// Adam with steps in proportion to each parameter's norm (You et al. 2020): `LAMB`.
        case lamb
        /// Steps of the sign of the momentum (Chen et al. 2023): `Lion`.
        case lion
    }

    /// How the learning rate changes over a run, spelled as `gimbal train --schedule` takes it.
    public enum ScheduleKind: String, Codable, Sendable, CaseIterable {
        /// The same rate throughout.
        case constant
        /// Times `stepFactor` every `stepEpochs` epochs.
        case step
        /// Times `stepFactor` after each of the epochs `milestones`.
        case multiStep = "multi-step"
        /// Times `stepFactor` after every epoch.
        case exponential
        /// (1 - t)^`power`, with t the share of the run that is over.
        case polynomial
        /// Half a cosine from the full rate to 0 (Loshchilov and Hutter 2017).
        case cosine
        /// Half a cosine in every `stepEpochs` epochs, from the full rate again each time.
        case cosineWithRestarts = "cosine-restarts"
        /// One rise to the full rate and one fall, over the whole run (Smith and Topin 2018).
        case oneCycle = "one-cycle"
        /// From the full rate to ten times as much in `stepEpochs` epochs, and back, again and again (Smith 2017).
        case cyclic
        /// A rise over `warmup` steps, then the inverse square root of the step (Vaswani et al. 2017).
        case noam
        /// Times `stepFactor` where the loss on validation data has not become better for `plateauPatience` epochs:
        /// `ReduceOnPlateau`.
        case plateau
    }

    /// How the rate rises over the first `warmup` steps, spelled as `gimbal train --warmup-kind` takes it.
    public enum WarmupKind: String, Codable, Sendable, CaseIterable {
        /// In a straight line from 1 / (`warmup` + 1) of the rate.
        case linear
        /// By the same factor at every step, from a hundredth of the rate.
        case exponential
    }

    /// What is minimised, spelled as `gimbal train --loss` takes it.
    public enum LossKind: String, Codable, Sendable, CaseIterable {
        /// Cross-entropy for classes, the mean squared error for numbers.
        case standard = "default"
        /// -log p of the right class, with p the softmax of the outputs; for classes.
        case crossEntropy = "cross-entropy"
        /// error²; for numbers.
        case meanSquaredError = "mse"
        /// |error|; for numbers.
        case meanAbsoluteError = "mae"
        /// ½ error², but |error| - ½ where |error| > 1 (Huber 1964); for numbers.
        case huber
        /// Like `huber`, as PyTorch's `smooth_l1_loss`: with its default bound of 1 they are the same; for numbers.
        case smoothL1 = "smooth-l1"
    }

    /// Random changes to images of the training data, spelled as `gimbal train --augment` takes them.
    public enum ImageChange: String, Codable, Sendable, CaseIterable {
        /// Mirrored left to right, half of the images: `RandomHorizontalFlip`.
        case flip
        /// Moved by up to an eighth of the image's height, zeros coming in: `RandomShift`.
        case shift
        /// Padded by an eighth of the image's height with zeros, and cut out again: `RandomCrop`.
        case crop
        /// Turned by up to 15 degrees either way: `RandomRotation`.
        case rotate
        /// Blanked in a square of half the image's height (DeVries and Taylor 2017): `Cutout`.
        case cutout
    }

    // MARK: Data

    /// Random changes to images of the training data, in this order; only for samples of two axes or more.
    public var augmentation: [ImageChange] = []
    /// α of mixup (Zhang et al. 2018), for classes; 0 mixes nothing.
    public var mixup = 0.0

    // MARK: First weights

    /// Weights that training begins with, and how far it may move them; nil begins with weights that are drawn, and trains
    /// all of them.
    public var fineTuning: FineTuning?

    // MARK: Loss

    /// What is minimised.
    public var loss = LossKind.standard
    /// Share of the probability that is spread over all classes (Szegedy et al. 2016), in [0, 1).
    public var labelSmoothing = 0.0
    /// What the examples of each class count for; nil for 1 each. For classes.
    public var classWeights: ClassWeights?

    // MARK: Optimizer

    /// The optimizer that applies the gradients.
    public var optimizer = OptimizerKind.sgd
    /// The rate that training begins with; nil stands for the optimizer's own: see `rate`.
    public var learningRate: Double?
    /// Momentum of sgd and rmsprop, in [0, 1).
    public var momentum = 0.0
    /// Whether sgd looks ahead by its momentum (Nesterov 1983).
    public var isNesterov = false
    /// Decay of the mean of gradients of adam and its kin, in [0, 1); nil for 0.9.
    public var beta1: Double?
    /// Decay of the mean of squared gradients of adam and its kin, in [0, 1); nil for 0.999, and 0.99 for lion.
    public var beta2: Double?
    /// The weights times this are added to the gradients, or decay apart from them where the optimizer has it so.
    public var weightDecay = 0.0
    /// Whether biases and the scales of norms are left without decay.
    public var decaysWeightsOnly = false
    /// Decays of parameters by patterns of their names, the first that fits; nil for one decay.
    public var layerDecays: [LayerDecay]?
    /// What the rate of each layer is multiplied by to give that of the one before it; 1 for one rate.
    public var layerwiseDecay = 1.0
    /// What is multiplied by the sum of absolute weights and added to the loss, through the gradients; 0 adds nothing.
    public var l1 = 0.0
    /// Largest norm of the weights into a unit (Srivastava et al. 2014); nil for no limit.
    public var maxWeightNorm: Double?
    /// η of gradient noise with variance η / (1 + t)^0.55 (Neelakantan et al. 2015); 0 adds none.
    public var gradientNoise = 0.0
    /// Steps after which slow weights follow (Zhang et al. 2019); nil for none.
    public var lookahead: Int?
    /// Decay of the moving average of weights, which is what is measured, in [0, 1); nil keeps none.
    public var averageDecay: Double?

    // MARK: Schedule

    /// How the learning rate changes over the run.
    public var schedule = ScheduleKind.constant
    /// Optimizer steps of warmup before the schedule.
    public var warmup = 0
    /// How the rate rises in the warmup.
    public var warmupKind = WarmupKind.linear
    /// Epochs between two reductions by `step`; the period of cosine restarts and half the cycle of `cyclic`.
    public var stepEpochs = 10
    /// Epochs after which `multiStep` reduces the rate.
    public var milestones: [Int] = []
    /// What `step`, `multiStep` and `plateau` multiply by, and `exponential` in each epoch.
    public var stepFactor = 0.1
    /// The power of the schedule `polynomial`.
    public var power = 1.0
    /// Epochs without a better loss on validation data before `plateau` reduces the rate.
    public var plateauPatience = 10

    // MARK: Clipping

    /// Global gradient norm to clip to; nil does not clip.
    public var clipNorm: Double? = 1
    /// Order of the norms of `clipNorm` and `clipLayer`; infinity for the largest absolute value.
    public var clipOrder = 2.0
    /// Limit on every element of the gradient; nil does not clip.
    public var clipValue: Double?
    /// Norm of each parameter's own gradient to clip to; nil does not clip.
    public var clipLayer: Double?
    /// Largest norm of each unit's gradient relative to that of its weights (Brock et al. 2021); nil does not clip.
    public var clipAdaptive: Double?
    /// Percentile of the norms so far to clip to (Seetharaman et al. 2020); nil does not clip.
    public var clipPercentile: Double?
    /// What is done about gradients that are NaN or infinite.
    public var nonFinite = NonFiniteGradients.pass

    // MARK: Course

    /// What the products of the model are computed in.
    public var precision = TrainerSettings().precision
    /// Samples in a batch.
    public var batchSize = 64
    /// Batches whose gradients are added up for one optimizer step, each weighted by its samples.
    public var accumulation = TrainerSettings().accumulation
    /// How often training goes through the data.
    public var epochs = TrainerSettings().epochs
    /// Optimizer steps after which the run ends, and schedules with it; nil goes on to the last epoch.
    public var maxSteps: Int?
    /// Epochs without a better loss on validation data after which training ends; nil goes on.
    public var patience: Int?
    /// How often a run that diverges may go back and on otherwise; nil lets it end where it fails.
    public var recoveries: Int?
    /// Which weights the run ends with, and saves as the model's.
    public var weights = TrainerSettings().weights
    /// What first weights, the order of the data and all other random numbers follow from.
    public var seed = TrainerSettings().seed

    /// Five epochs of sgd at a rate of 0.01 in batches of 64, in float32, with gradients clipped to a norm of 1;
    /// `init(for:isTable:optimizer:schedule:)` gives the recipe of a kind of model.
    public init() {}

    /// The learning rate that training begins with: PyTorch's default of the optimizer unless set, and 0.01 for sgd.
    public var rate: Double {
        if let learningRate { return learningRate }
        return switch optimizer {
        case .sgd, .adagrad, .rmsprop: 1e-2
        case .adadelta: 1
        case .adam, .adamw, .amsgrad, .radam, .lamb: 1e-3
        case .nadam, .adamax: 2e-3
        case .lion: 1e-4
        }
    }

    /// Decays of the first and second moment that are in force: PyTorch's defaults of the optimizer unless set; nil for
    /// optimizers without.
    public var betas: (first: Double, second: Double)? {
        switch optimizer {
        case .sgd, .adagrad, .adadelta, .rmsprop: nil
        case .adam, .adamw, .amsgrad, .nadam, .radam, .adamax, .lamb: (beta1 ?? 0.9, beta2 ?? 0.999)
        case .lion: (beta1 ?? 0.9, beta2 ?? 0.99)
        }
    }

    /// The mean loss of a batch.
    /// - Parameter weight: what the examples of each class count for, [classes]; nil for 1 each.
    func loss(of outputs: Tensor, _ targets: Tensor, task: ModelSettings.Task, weight: Tensor? = nil) -> Tensor {
        // Only tokens have places without a target.
        let ignored = task == .tokens ? Int(HostBatch.ignoredToken) : nil
        return switch (loss, task) {
        case (.meanAbsoluteError, _): meanAbsoluteError(outputs, targets)
        case (.huber, _): huber(outputs, targets)
        case (.smoothL1, _): smoothL1(outputs, targets)
        case (.meanSquaredError, _), (.standard, .regression): meanSquaredError(outputs, targets)
        case (.crossEntropy, _), (.standard, .classification), (.standard, .tokens):
            labelSmoothing > 0
                ? crossEntropy(outputs, targets, weight: weight, labelSmoothing: labelSmoothing, ignoredIndex: ignored)
                : crossEntropy(outputs, targets, weight: weight, ignoredIndex: ignored)
        }
    }

    // MARK: What the settings stand for

    /// The optimizer for `parameters`, whose names tell layers apart.
    /// - Parameters:
    ///   - parameters: those to train.
    ///   - exchange: with the ranks that its moments are divided among; nil keeps them whole.
    public func makeOptimizer(
        _ parameters: [Parameter], shardedOver exchange: (any GradientExchange)? = nil
    ) -> any Optimizer {
        let groups =
            layerwiseDecay < 1
            ? ParameterGroup.layerwiseDecay(parameters, factor: layerwiseDecay)
            : decaysWeightsOnly
                ? ParameterGroup.withoutDecayOnBiasesAndNorms(parameters) : [ParameterGroup(parameters)]
        let rated = fineTuning?.rated(groups) ?? groups
        let whole = makeOptimizer(layerDecays?.applied(to: rated, decay: weightDecay) ?? rated)
        let optimizer: any Optimizer = exchange.map { ShardedOptimizer(whole, $0) } ?? whole
        return lookahead.map { Lookahead(optimizer, interval: $0) } ?? optimizer
    }

    private func makeOptimizer(_ groups: [ParameterGroup]) -> ElementwiseOptimizer {
        let (beta1, beta2) = betas ?? (0, 0)
        return switch optimizer {
        case .sgd:
            SGD(
                groups, learningRate: rate, momentum: momentum, weightDecay: weightDecay, isNesterov: isNesterov)
        case .adagrad: Adagrad(groups, learningRate: rate, weightDecay: weightDecay)
        case .adadelta: Adadelta(groups, learningRate: rate, weightDecay: weightDecay)
        case .rmsprop: RMSprop(groups, learningRate: rate, weightDecay: weightDecay, momentum: momentum)
        case .adam: Adam(groups, learningRate: rate, beta1: beta1, beta2: beta2, weightDecay: weightDecay)
        case .adamw: AdamW(groups, learningRate: rate, beta1: beta1, beta2: beta2, weightDecay: weightDecay)
        case .amsgrad:
            Adam(groups, learningRate: rate, beta1: beta1, beta2: beta2, weightDecay: weightDecay, isAMSGrad: true)
        case .nadam: NAdam(groups, learningRate: rate, beta1: beta1, beta2: beta2, weightDecay: weightDecay)
        case .radam: RAdam(groups, learningRate: rate, beta1: beta1, beta2: beta2, weightDecay: weightDecay)
        case .adamax: Adamax(groups, learningRate: rate, beta1: beta1, beta2: beta2, weightDecay: weightDecay)
        case .lamb: LAMB(groups, learningRate: rate, beta1: beta1, beta2: beta2, weightDecay: weightDecay)
        case .lion: Lion(groups, learningRate: rate, beta1: beta1, beta2: beta2, weightDecay: weightDecay)
        }
    }

    /// What changes the batches of `dataset`; nil for nothing.
    func makeAugmentation(for dataset: any SupervisedData) -> Augmentation? {
        guard !augmentation.isEmpty || mixup > 0 else { return nil }
        let height = dataset.inputShape.sizes.dropLast().last ?? 1
        return Augmentation(seed: seed) {
            for change in augmentation {
                switch change {
                case .flip: RandomHorizontalFlip()
                case .shift: RandomShift(max(1, height / 8))
                case .crop: RandomCrop(padding: max(1, height / 8))
                case .rotate: RandomRotation(15)
                case .cutout: Cutout(size: max(1, height / 2))
                }
            }
            if mixup > 0 { Mixup(alpha: mixup, classCount: dataset.outputCount) }
        }
    }

    /// The schedule over optimizer steps. Those that are told how long the run is end with it, warmup included; those that
    /// change at epochs do so at the ends of epochs, warmup or not. `plateau` is constant here; it follows the loss on
    /// validation data, epoch by epoch.
    public func makeSchedule(_ length: RunLength) -> Schedule {
        let (steps, stepsPerEpoch) = (max(1, length.steps - warmup), length.stepsPerEpoch)
        let period = stepEpochs * stepsPerEpoch
        func warmed(_ base: Schedule) -> Schedule {
            switch warmupKind {
            case .linear: base.warmedUp(steps: warmup, from: 1 / Double(warmup + 1))
            case .exponential: base.warmedUpExponentially(steps: warmup)
            }
        }
        func byEpochs(_ base: Schedule) -> Schedule { warmup > 0 ? .chained([warmed(.constant), base]) : base }
        return switch schedule {
        case .constant, .plateau: warmed(.constant)
        case .step: byEpochs(.step(size: period, gamma: stepFactor))
        case .multiStep: byEpochs(.multiStep(milestones: milestones.map { $0 * stepsPerEpoch }, gamma: stepFactor))
        // Once in each epoch; the rate within it is level.
        case .exponential: byEpochs(.step(size: stepsPerEpoch, gamma: stepFactor))
        case .polynomial: warmed(.polynomial(steps: steps, power: power))
        case .cosine: warmed(.cosine(steps: steps))
        case .cosineWithRestarts: warmed(.cosineWithRestarts(period: period))
        case .oneCycle: warmed(.oneCycle(steps: steps))
        case .cyclic: warmed(.cyclic(peak: 10, stepsUp: period))
        // Its own warmup is the one that is set.
        case .noam: .inverseSquareRoot(warmup: max(1, warmup))
        }
    }

    /// What limits the gradients, in the order in which it is applied.
    var clipping: [GradientClipping] {
        var clipping: [GradientClipping] = []
        if let clipValue { clipping.append(.value(clipValue)) }
        if let clipLayer { clipping.append(.parameterNorm(clipLayer, p: clipOrder)) }
        if let clipAdaptive { clipping.append(.adaptive(clipping: clipAdaptive)) }
        if let clipPercentile { clipping.append(.percentile(clipPercentile)) }
        if let clipNorm { clipping.append(.globalNorm(clipNorm, p: clipOrder)) }
        return clipping
    }

    /// What is not a matter of the optimizer.
    public var course: TrainerSettings {
        TrainerSettings {
            ($0.epochs, $0.maxSteps, $0.accumulation, $0.precision, $0.seed) =
                (epochs, maxSteps, accumulation, precision, seed)
            ($0.averageDecay, $0.weights, $0.patience, $0.recoveries) = (averageDecay, weights, patience, recoveries)
            if schedule == .plateau {
                $0.plateau = ReduceOnPlateau(factor: stepFactor, patience: plateauPatience)
            }
        }
    }

    /// Checks each setting by itself and with the others; what depends on data and model, `Recipe` checks.
    /// - Throws: `GimbalError.invalidSetting` for the first value that cannot be used.
    public func validate() throws {
        func checkNotNegative(_ value: Double, _ name: String) throws {
            try checkSetting(value >= 0 && value.isFinite, name, "must not be negative, not \(value)")
        }
        func checkPositive(_ value: Double?, _ name: String) throws {
            try checkSetting((value ?? 1) > 0, name, "must be positive, not \(value ?? 0)")
        }
        try checkSetting(rate > 0 && rate.isFinite, "learningRate", "must be positive, not \(rate)")
        try checkSetting((0..<1).contains(momentum), "momentum", "must lie in [0, 1), not \(momentum)")
        try checkSetting(
            momentum == 0 || optimizer == .sgd || optimizer == .rmsprop, "momentum", "is for sgd and rmsprop")
        try checkSetting(!isNesterov || (momentum > 0 && optimizer == .sgd), "isNesterov", "needs `momentum`, and sgd")
        for (beta, name) in [(beta1, "beta1"), (beta2, "beta2")] {
            guard let beta else { continue }
            try checkSetting((0..<1).contains(beta), name, "must lie in [0, 1), not \(beta)")
            try checkSetting(betas != nil, name, "is for adam and its kin")
        }
        try checkSetting(
            (0..<1).contains(labelSmoothing), "labelSmoothing", "must lie in [0, 1), not \(labelSmoothing)")
        try classWeights?.validate()
        try fineTuning?.validate()
        try checkNotNegative(weightDecay, "weightDecay")
        for decay in layerDecays ?? [] { try decay.validate() }
        try checkNotNegative(mixup, "mixup")
        try checkSetting(
            layerwiseDecay > 0 && layerwiseDecay <= 1, "layerwiseDecay", "must lie in (0, 1], not \(layerwiseDecay)")
        try checkSetting(
            layerwiseDecay == 1 || !decaysWeightsOnly, "layerwiseDecay",
            "cannot be combined with `decaysWeightsOnly`")
        try checkNotNegative(l1, "l1")
        try checkNotNegative(gradientNoise, "gradientNoise")
        try checkPositive(maxWeightNorm, "maxWeightNorm")
        if let lookahead { try checkCount(lookahead, "lookahead") }
        try checkCount(batchSize, "batchSize")
        try checkCount(warmup, "warmup", least: 0)
        try checkCount(stepEpochs, "stepEpochs")
        for milestone in milestones { try checkCount(milestone, "milestones") }
        try checkSetting(
            zip(milestones, milestones.dropFirst()).allSatisfy(<), "milestones", "must rise, not \(milestones)")
        try checkSetting(
            schedule != .multiStep || !milestones.isEmpty, "milestones", "must be given with `schedule` multi-step")
        try checkSetting(schedule != .noam || warmup > 0, "warmup", "must be given with `schedule` noam")
        try checkNotNegative(stepFactor, "stepFactor")
        try checkSetting(
            schedule != .plateau || stepFactor < 1, "stepFactor", "must be below 1 for plateau, not \(stepFactor)")
        try checkNotNegative(power, "power")
        try checkCount(plateauPatience, "plateauPatience", least: 0)
        try checkPositive(clipNorm, "clipNorm")
        try checkPositive(clipValue, "clipValue")
        try checkPositive(clipLayer, "clipLayer")
        try checkPositive(clipAdaptive, "clipAdaptive")
        try checkSetting(
            (0...100).contains(clipPercentile ?? 50), "clipPercentile",
            "must lie in [0, 100], not \(clipPercentile ?? 0)")
        try checkSetting(clipOrder > 0, "clipOrder", "must be positive, not \(clipOrder)")
        // A factor of the plateau that it would not take is refused above.
        try course.validate()
    }

    /// - Throws: `GimbalError.invalidSetting` for what does not fit the data or the task.
    func validate(for model: ModelSettings) throws {
        let task = model.task
        try checkSetting(
            augmentation.isEmpty || (model.inputShape.count > 1 && task != .tokens), "augmentation",
            "is for images, not for \(task == .tokens ? "texts" : "rows of features")")
        try checkSetting(mixup == 0 || task == .classification, "mixup", "is for classification")
        try checkSetting(
            loss == .standard || (loss == .crossEntropy) == (task != .regression), "loss",
            "\(loss.rawValue) is not for \(task.rawValue)")
        try checkSetting(labelSmoothing == 0 || task != .regression, "labelSmoothing", "is for classification")
        try checkSetting(classWeights == nil || task == .classification, "classWeights", "is for classification")
    }
}

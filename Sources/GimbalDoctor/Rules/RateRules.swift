extension Rule {
    /// What the optimizer does with the gradient: last, since most illnesses make any rate a wrong one.
    static let rate = [
        ascent, penaltyTooStrong, missingWarmup, summedLoss, momentumTooHigh, learningRateTooHigh, epsilonTooLarge,
        clippingTooTight, learningRateTooLow,
    ]

    private static let ascent = Rule("steps up the gradient") { context in
        guard !context.found.contains(where: { $0.illness == .ascent }), let ascent = context.examination.probe?.ascent,
            ascent > 0.1, context.examination.optimizer?.decayShare ?? 0 < 1
        else { return [] }
        return [
            Finding(
                .ascent, "the first step goes up the gradient: the update is added where it is to be taken away",
                evidence: ["the cosine between step and gradient is \(short(ascent))"], remedies: [.turnRound])
        ]
    }

    private static let penaltyTooStrong = Rule("a penalty that outweighs the data") { context in
        let examination = context.examination
        if let alignment = examination.alignment, alignment > context.thresholds.alignment,
            !context.hasSeen(.vanishingGradient, .zeroGradient, .vanishingSignal, .explodingSignal, .explodingGradient)
        {
            return [
                Finding(
                    .penaltyTooStrong,
                    "the gradient does little but shrink the weights: a penalty in the loss pulls at them harder than the data does",
                    evidence: [
                        "the cosine between gradients and weights is \(short(alignment)), without a penalty about 0"
                    ],
                    remedies: [.lessPenaltyInLoss])
            ]
        }
        guard let share = examination.optimizer?.decayShare, share > context.thresholds.decayShare,
            !context.hasSeen(.vanishingGradient, .zeroGradient, .vanishingSignal),
            // One that is trained has small gradients.
            examination.lossOfGuess.map({ examination.loss > 0.5 * $0 }) ?? true
        else { return [] }
        let optimizer = examination.optimizer
        let less = optimizer?.penalty.map { Remedy.lessPenalty($0, share: share) }
        return [
            Finding(
                .penaltyTooStrong,
                "\(less == nil ? "weight decay" : "the penalty") pulls at the weights \(short(share)) times as much as the data does",
                remedies: [less ?? .lessDecay(optimizer?.weightDecay ?? 0, share: share)])
        ]
    }

    /// Behind sums that are normalised, the first steps meet large gradients of the last layers (Xiong et al. 2020).
    private static let missingWarmup = Rule("no warmup") { context in
        let examination = context.examination
        guard examination.structure.normalizedSums >= context.thresholds.normalizedSums,
            let ratios = examination.probe?.updateRatios.values.sorted(), !ratios.isEmpty,
            ratios[ratios.count / 2] > context.thresholds.firstUpdate
        else { return [] }
        return [
            Finding(
                .missingWarmup,
                "\(examination.structure.normalizedSums) sums are normalised behind their branches, and the first step is as "
                    + "long as any",
                evidence: ["it changes weights by \(short(ratios[ratios.count / 2])) of themselves"],
                remedies: [.warmup(of: examination.optimizer?.plannedSteps), .normalizeFirst])
        ]
    }

    private static let momentumTooHigh = Rule("momentum too high") { context in
        guard let optimizer = context.examination.optimizer, optimizer.momentum > context.thresholds.momentum,
            context.unexplained(.divergingLoss) != nil || context.unexplained(.deadUnits) != nil
                || context.examination.probe?.isDiverging ?? false && context.found.isEmpty
        else { return [] }
        return [
            Finding(
                .momentumTooHigh,
                "a momentum of \(short(optimizer.momentum)) makes steps \(short(1 / (1 - optimizer.momentum))) times as long as "
                    + "the rate of \(short(optimizer.learningRate)) says",
                remedies: [.lessMomentum, .lowerRate(context.examination)])
        ]
    }

    /// A step of an adaptive optimizer is rate · g / (|g| + ε).
    private static let epsilonTooLarge = Rule("epsilon too large") { context in
        let sizes = context.examination.parameters.filter { $0.values.shape.count > 1 }
            .compactMap { $0.gradient?.rootMeanSquare }.filter { $0 > 0 && $0.isFinite }.sorted()
        guard let epsilon = context.examination.optimizer?.epsilon, !sizes.isEmpty,
            epsilon > context.thresholds.epsilon * sizes[sizes.count / 2],
            !context.hasSeen(.vanishingGradient, .vanishingSignal),
            context.examination.lossOfGuess.map({ context.examination.loss > 0.5 * $0 }) ?? true
        else { return [] }
        return [
            Finding(
                .epsilonTooLarge,
                "epsilon is \(short(epsilon)), gradients are about \(short(sizes[sizes.count / 2])): steps are as many times "
                    + "shorter than the rate says",
                remedies: [.smallEpsilon])
        ]
    }

    private static let summedLoss = Rule("a loss summed over the batch") { context in
        let examination = context.examination
        guard examination.output.isSummed, examination.sampleCount > 1,
            context.unexplained(.divergingLoss) != nil || context.isRateTooHigh
        else { return [] }
        return [
            Finding(
                .summedLoss,
                "the loss is a sum over the batch of \(examination.sampleCount), which multiplies the learning rate by as much",
                remedies: [.meanLoss])
        ]
    }

    private static let learningRateTooHigh = Rule("learning rate too high") { context in
        let examination = context.examination
        guard let rate = examination.learningRate,
            context.isRateTooHigh || context.unexplained(.divergingLoss) != nil || context.replacesWeights
                || (examination.probe.map { $0.diedShare > context.thresholds.diedShare } ?? false
                    && context.unexplained(.deadUnits) != nil)
        else { return [] }
        var evidence: [String] = []
        if let sharpness = examination.sharpness, let largest = sharpness.largestRate, largest < rate {
            evidence.append(
                "the loss bends by \(short(sharpness.eigenvalue)) at its steepest, which allows a rate of \(short(largest))"
            )
        }
        return [
            Finding(
                .learningRateTooHigh, "the learning rate of \(short(rate)) is too high for this model and loss",
                evidence: evidence,
                remedies: [.lowerRate(examination), .clipping])
        ]
    }

    private static let clippingTooTight = Rule("clipping too tight") { context in
        let examination = context.examination
        guard let optimizer = examination.optimizer, let norm = optimizer.gradientNorm,
            // What arrives at the optimizer, whatever has limited it.
            let limit = examination.probe?.gradientNorm, limit > 0,
            // What adaptive optimizers divide by is as small as what they divide.
            optimizer.epsilon == nil, limit < context.thresholds.clippedShare * norm,
            context.unexplained(.noProgress) != nil || context.tooLittleProgress != nil
        else { return [] }
        let remedy = optimizer.clipNorm == nil ? Remedy.otherClipping(to: norm) : .loosenClipping(to: norm)
        return [.clippingTooTight(limit, of: norm, remedy)]
    }

    private static let learningRateTooLow = Rule("learning rate too low") { context in
        let examination = context.examination
        guard let rate = examination.learningRate, let probe = examination.probe,
            let largest = probe.updateRatios.values.max()
        else { return [] }
        if largest < context.thresholds.leastUpdate, context.unexplained(.noProgress) != nil {
            return [
                Finding(
                    .learningRateTooLow,
                    "the learning rate of \(short(rate)) is too low: \(largestChange(largest))",
                    remedies: [.raiseRate(examination)])
            ]
        }
        guard let progress = context.tooLittleProgress else { return [] }
        return [
            Finding(
                .learningRateTooLow,
                "the learning rate of \(short(rate)) is too low for the run: at the speed of the first steps, all of it takes "
                    + "\(percent(progress)) off the loss",
                evidence: [largestChange(largest)],
                remedies: [.raiseRate(examination)])
        ]
    }
}

extension RuleContext {
    /// Whether the loss is a parabola in the weights, as of a single layer, and the rate larger than its curvature allows.
    /// Deeper nets move to where the loss bends less (Lewkowycz et al. 2020).
    var isRateTooHigh: Bool {
        guard examination.layers.count <= 1, let rate = examination.learningRate,
            let largest = examination.sharpness?.largestRate
        else { return false }
        return rate > thresholds.rate * largest && found.isEmpty
    }

    /// Whether the first step is larger than most weights that it changes, so that what was drawn is gone, and the steps get
    /// nowhere, or nowhere good at first.
    fileprivate var replacesWeights: Bool {
        guard found.isEmpty, let probe = examination.probe, let first = probe.losses.first, let last = probe.losses.last
        else { return false }
        let ratios = probe.updateRatios.values.sorted()
        return !ratios.isEmpty && ratios[ratios.count / 2] > 1
            && (!(last < 0.9 * first) || probe.losses.contains { $0 > 1.5 * first })
    }

    /// The share of the loss that the whole run takes off at the speed of the first steps, where that is next to nothing, and
    /// no cause is found so far.
    fileprivate var tooLittleProgress: Double? {
        guard let steps = examination.optimizer?.plannedSteps, found.isEmpty, !examination.isClosed,
            // Fewer are a trial of the program, which nothing is to come of.
            steps >= Self.fewestPlannedSteps, let probe = examination.probe,
            let largest = probe.updateRatios.values.max(),
            let first = probe.losses.first, first > 0, let last = probe.losses.last,
            largest * steps < thresholds.plannedUpdate,
            // One that is trained has little to go.
            examination.lossOfGuess.map({ first > 0.5 * $0 }) ?? true
        else { return nil }
        let progress = (first - last) / first / Double(probe.losses.count - 1) * steps
        return progress < thresholds.plannedProgress ? max(0, progress) : nil
    }

    private static let fewestPlannedSteps = 10.0

    /// The sign, where it was seen and no cause found so far explains it.
    public func unexplained(_ sign: Sign) -> SeenSign? {
        found.contains { $0.illness.explains.contains(sign) } ? nil : seen(sign)
    }
}

private func largestChange(_ ratio: Double) -> String {
    ratio == 0 ? "a step changes no weight at all" : "a step changes no weight by more than \(short(ratio)) of itself"
}

extension Rule {
    /// What the optimizer does with the gradient: last, since most illnesses make any rate a wrong one.
    static let rate = [summedLoss, learningRateTooHigh, learningRateTooLow]

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
            context.isRateTooHigh || context.unexplained(.divergingLoss) != nil
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
                evidence: evidence, remedies: [.lowerRate(examination), .warmup, .clipping])
        ]
    }

    private static let learningRateTooLow = Rule("learning rate too low") { context in
        let examination = context.examination
        guard let rate = examination.learningRate, let ratios = examination.probe?.updateRatios.values, !ratios.isEmpty,
            ratios.max()! < context.thresholds.leastUpdate, context.unexplained(.noProgress) != nil
        else { return [] }
        return [
            Finding(
                .learningRateTooLow,
                "the learning rate of \(short(rate)) is too low: a step changes no weight by more than "
                    + "\(short(ratios.max()!)) of itself",
                remedies: [.raiseRate])
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

    /// The sign, where it was seen and no cause found so far explains it.
    public func unexplained(_ sign: Sign) -> SeenSign? {
        found.contains { $0.illness.explains.contains(sign) } ? nil : seen(sign)
    }
}

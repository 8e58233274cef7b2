import Foundation

extension Rule {
    /// What is wrong with the first weights, and with the functions between them.
    static let firstWeights = [
        zeroWeights, identicalUnits, narrowLayers, lowBiases, saturatingActivations, residualGrowth, smallWeights,
        largeWeights, depthWithoutShortcuts, smallBatch, excessiveDropout,
    ]

    /// A layer of zeros learns where its gradient is not 0, as a head or the end of a branch does.
    private static let zeroWeights = Rule("weights of 0") { context in
        let bad = context.examination.layers.filter { $0.weightScale == 0 && ($0.weightGradient?.isZero ?? true) }
        guard !bad.isEmpty else { return [] }
        return [
            Finding(
                .zeroWeights, "all weights of \(named(bad.map(\.name.asLayer))) are 0, and so are their gradients",
                layers: bad.map(\.name), remedies: [.initialize(for: context.examination)])
        ]
    }

    private static let identicalUnits = Rule("units that are all the same") { context in
        let bad = context.examination.hiddenLayers.filter { $0.hasIdenticalUnits && $0.weightScale > 0 }
        guard !bad.isEmpty else { return [] }
        return [
            Finding(
                .identicalUnits,
                "the units of \(named(bad.map(\.name.asLayer))) have the same weights and the same gradients, so that each layer "
                    + "counts as one unit",
                layers: bad.map(\.name), remedies: [.initialize(for: context.examination)])
        ]
    }

    private static let lowBiases = Rule("biases that switch units off") { context in
        guard context.hasSeen(.deadUnits, .saturatedUnits) else { return [] }
        let examination = context.examination
        let bad = examination.layers.filter { layer in
            guard let bias = layer.bias, let activation = layer.activation else { return false }
            let units = examination.activations[activation].units
            let isOff =
                ActivationKind(rawValue: units.function)?.isRectifier ?? false
                && units.deadShare > context.thresholds.deadShare && bias.mean < 0
            let isFlat = units.saturatedShare > context.thresholds.saturatedShare
            return (isOff || isFlat) && abs(bias.mean) > 2 * layer.output.spread
                && abs(bias.mean) > bias.standardDeviation
        }
        guard !bad.isEmpty else { return [] }
        return [
            Finding(
                .lowBiases,
                "the biases of \(named(bad.map(\.name.asLayer))) keep units where their slope is 0, for every sample",
                layers: bad.map(\.name),
                evidence: bad.prefix(3).map {
                    "\($0.name.asLayer): biases of \(short($0.bias!.mean)), a signal of \(short($0.output.spread))"
                },
                remedies: [.zeroBiases])
        ]
    }

    /// Behind a ReLU all inputs are positive, so that a unit with centred weights is off for all samples half of the time,
    /// and a layer of n with probability 2⁻ⁿ (Lu et al. 2019, section 3).
    private static let narrowLayers = Rule("layers too narrow") { context in
        guard context.hasSeen(.deadUnits, .zeroGradient, .vanishingSignal) else { return [] }
        let examination = context.examination
        let rectified = examination.layers.filter { layer in
            guard let activation = layer.activation, !layer.isNormalized else { return false }
            return ActivationKind(rawValue: examination.activations[activation].units.function)?.isRectifier ?? false
        }
        let alive = rectified.dropFirst().reduce(1.0) { $0 * (1 - pow(0.5, Double($1.units))) }
        guard 1 - alive > context.thresholds.bornDead, let least = rectified.map(\.units).min() else { return [] }
        let wide = 8 * Int((Double(rectified.count) / context.thresholds.depthOverWidth / 8).rounded(.up))
        return [
            Finding(
                .narrowLayers,
                "\(rectified.count) rectified layers, as narrow as \(least): some layer has all units off from the start "
                    + "with a probability of \(percent(1 - alive))",
                layers: rectified.filter { $0.units == least }.map(\.name),
                remedies: [.width(max(wide, 4 * least)), .leakyRectifier])
        ]
    }

    /// Each multiplies the gradient by its slope, at the most by the steepest.
    private static let saturatingActivations = Rule("saturating activations at depth") { context in
        // What they can keep at best says where training leads, so that ten times as much as vanishes counts now.
        guard
            context.hasSeen(.vanishingGradient, .vanishingSignal, .zeroGradient)
                || context.examination.gradientGrowth.map({ $0.trend < 10 * context.thresholds.vanishing }) ?? false
        else { return [] }
        let hidden = context.examination.hiddenActivations
        let best = hidden.reduce(1.0) { $0 * (ActivationKind(rawValue: $1.units.function)?.steepest ?? 1) }
        guard best < context.thresholds.vanishing, let first = hidden.first else { return [] }
        let function = first.units.function
        let slope = ActivationKind(rawValue: function)?.steepest ?? 1
        return [
            Finding(
                .saturatingActivations,
                "\(hidden.count) layers of \(function), one behind the other: each multiplies the gradient by "
                    + "\(short(slope)) at the most",
                layers: [context.examination.layers[0].name],
                evidence: [
                    "x\(short(best)) in all where every unit is at its steepest, whatever the first weights are"
                ],
                remedies: [.rectifierAndInitialization, .normalization, .shortcuts])
        ]
    }

    private static let smallWeights = Rule("first weights too small") { context in
        // Samples that are all the same leave no signal by which weights could be judged.
        guard context.hasSeen(.vanishingSignal, .vanishingGradient, .zeroGradient),
            context.examination.inputs.first.map({ !$0.isSame(in: context.examination) }) ?? true
        else { return [] }
        return scaleOfWeights(context, .smallWeights) { $0 < 1 / context.thresholds.gain }
    }

    private static let largeWeights = Rule("first weights too large") { context in
        guard context.hasSeen(.explodingSignal, .explodingGradient, .saturatedUnits, .highFirstLoss, .nonFinite) else {
            return []
        }
        return scaleOfWeights(context, .largeWeights) { $0 > context.thresholds.gain }
    }

    /// Layers whose weights have another gain than the function behind them asks for. A normalised layer may have any.
    private static func scaleOfWeights(
        _ context: RuleContext, _ illness: Illness, where isWrong: (Double) -> Bool
    ) -> [Finding] {
        let examination = context.examination
        let free = examination.layers.filter {
            !$0.isNormalized && $0.weightScale > 0 && $0.operation != "gathered" && $0.operation != "recurrent"
        }
        let ratios = free.map { $0.gain / examination.wantedGain(of: $0) }
        let bad = zip(free, ratios).filter { isWrong($0.1) }.sorted { abs(log($0.1)) > abs(log($1.1)) }
        // As much as half of the layers, or a single one that is far off, makes a signal of its own.
        let isExtreme = bad.first.map { abs(log($0.1)) > log(context.thresholds.extremeGain) } ?? false
        guard let worst = bad.first, 2 * bad.count >= max(free.count, examination.layers.count / 2) || isExtreme else {
            return []
        }
        return [
            Finding(
                illness,
                "the first weights of \(named(bad.map(\.0.name.asLayer))) are too \(worst.1 < 1 ? "small" : "large") for "
                    + "\(examination.layers.count) layers",
                layers: bad.map(\.0.name),
                evidence: [
                    "\(worst.0.name.asLayer) multiplies its input by \(short(worst.0.gain)); what follows asks for "
                        + short(examination.wantedGain(of: worst.0))
                ],
                remedies: [.initialize(for: examination), .normalization])
        ]
    }

    /// Normalisation keeps the signal, and lets the gradient grow from layer to layer (Yang et al. 2019).
    private static let depthWithoutShortcuts = Rule("depth without shortcuts") { context in
        let layers = context.examination.layers
        guard !context.examination.isResidual, context.unexplained(.explodingGradient) != nil,
            2 * layers.count(where: \.isNormalized) > layers.count
        else { return [] }
        return [
            Finding(
                .depthWithoutShortcuts,
                "\(layers.count) layers are normalised and have no shortcuts: the gradient grows with each on its way back",
                layers: [layers[0].name], remedies: [.shortcuts])
        ]
    }

    /// The sum of branches doubles its variance with each that is as large as itself, with the best of weights: only what
    /// grows though each layer keeps its signal is the sum's growth.
    private static let residualGrowth = Rule("branches that add up") { context in
        let examination = context.examination
        let free = examination.layers.filter { !$0.isNormalized && $0.operation != "gathered" }
        // Branches mostly have He's weights in layers without a function behind them, too.
        let ratios = free.map { $0.gain / max(2.0.squareRoot(), examination.wantedGain(of: $0)) }.sorted()
        guard examination.structure.normalizedSums == 0, examination.isResidual,
            context.hasSeen(.explodingSignal, .explodingGradient),
            let median = ratios.isEmpty ? nil : ratios[ratios.count / 2], median <= context.thresholds.gain
        else { return [] }
        return [
            Finding(
                .residualGrowth, "each branch adds to the sum as much as the sum is, and nothing normalises it",
                layers: examination.layers.last.map { [$0.name] } ?? [],
                remedies: [.zeroBranches, .normalization])
        ]
    }

    private static let smallBatch = Rule("a batch too small to normalise by") { context in
        let examination = context.examination
        guard examination.structure.normalizesOverBatch,
            (1..<context.thresholds.samplesToNormalize).contains(examination.sampleCount)
        else { return [] }
        return [
            Finding(
                .smallBatch,
                "the mean and variance of each unit are taken over \(examination.sampleCount) samples, and are mostly chance",
                remedies: [.largerBatch, .groupNormalization])
        ]
    }

    private static let excessiveDropout = Rule("too much dropout") { context in
        let dropped = context.examination.structure.droppedShares
        guard let most = dropped.first, most > context.thresholds.dropout else { return [] }
        return [
            Finding(
                .excessiveDropout,
                "dropout keeps \(percent(1 - most)) of the units: what it adds as noise is "
                    + "\(short((most / (1 - most)).squareRoot())) times the signal",
                remedies: [.lessDropout])
        ]
    }
}

extension LayerExamination {
    /// Units, or channels.
    var units: Int { operation == "recurrent" ? output.shape.last ?? 0 : weightShape.first ?? 0 }
}

extension Examination {
    /// Activation functions between layers with weights.
    var hiddenActivations: [ActivationExamination] {
        layers.dropLast().compactMap { $0.activation.map { activations[$0] } }
    }

    /// What weights must multiply independent inputs by for the function behind them to give out what came in.
    func wantedGain(of layer: LayerExamination) -> Double {
        let kind = layer.activation.flatMap { ActivationKind(rawValue: activations[$0].units.function) }
        return kind?.gain ?? 1
    }
}

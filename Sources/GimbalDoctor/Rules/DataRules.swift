import Foundation

extension Rule {
    /// What is wrong with inputs and targets.
    static let data = [
        nonFiniteInput, inputScale, leakedTarget, targetScale, constantTargets, orderedData, repeatedSamples,
        classImbalance,
    ]

    private static let nonFiniteInput = Rule("NaN or infinity in the data") { context in
        let targets = context.examination.targets.filter(\.signal.isNonFinite).map { target in
            let count = target.signal.nanCount + target.signal.infinityCount
            return Finding(
                .nonFiniteInput, "\(count) of \(target.signal.elementCount) targets are NaN or infinite",
                remedies: [.fillMissing])
        }
        return context.examination.inputs.filter(\.signal.isNonFinite).map { input in
            let count = input.signal.nanCount + input.signal.infinityCount
            return Finding(
                .nonFiniteInput,
                "\(count) of \(input.signal.elementCount) input values are NaN or infinite, in samples "
                    + listed(input.nonFiniteSamples),
                remedies: [.fillMissing])
        } + targets
    }

    /// What matters is what the first weights meet: a model may normalise its inputs itself.
    private static let inputScale = Rule("inputs of a wrong scale") { context in
        let (examination, thresholds) = (context.examination, context.thresholds)
        guard let layer = examination.layers.first, let signal = layer.input, !signal.isNonFinite, !signal.isZero
        else { return [] }
        // Of sparse inputs, such as counts of words, those that are not 0 tell the scale.
        let scale = signal.rootMeanSquare / (1 - signal.zeroShare).squareRoot()
        let ratio = examination.inputs.first.flatMap { $0.signal == signal ? $0.featureRatio : nil } ?? 1
        guard scale > thresholds.inputScale || scale < 1 / thresholds.inputScale / 2 || ratio > thresholds.featureRatio
        else { return [] }
        if let input = examination.inputs.first, ratio > thresholds.featureRatio, scale <= thresholds.inputScale,
            let name = input.leastVarying.flatMap({
                input.featureNames.indices.contains($0) ? input.featureNames[$0] : nil
            })
        {
            // Those of tables are standardised by what the whole of the training part is like.
            return [
                Finding(
                    .inputScale,
                    "\(name) varies x\(short(ratio)) less than another feature, though all of them are standardised: a few of its "
                        + "values, in other batches, are so large that the rest is next to nothing beside them",
                    layers: [layer.name], remedies: [.lookForOutliers(in: name)])
            ]
        }
        var evidence = [
            "inputs have mean \(short(signal.mean)) and deviation \(short(signal.standardDeviation)), between "
                + "\(short(signal.minimum ?? 0)) and \(short(signal.maximum ?? 0))"
        ]
        if ratio > thresholds.featureRatio {
            evidence.append("one feature varies x\(short(ratio)) as much as another")
        }
        return [
            Finding(
                .inputScale,
                scale > thresholds.inputScale
                    ? "the inputs are not scaled: \(layer.name.asLayer) gets values of about \(short(scale))"
                    : ratio <= thresholds.featureRatio
                        ? "the inputs are too small: \(layer.name.asLayer) gets values of about \(short(scale))"
                        : "the inputs are not standardised: their features differ x\(short(ratio)) in scale",
                layers: [layer.name], evidence: evidence, remedies: [.standardizeInputs])
        ]
    }

    private static let targetScale = Rule("targets of a wrong scale") { context in
        let examination = context.examination
        guard examination.output.loss.isRegression, let predictions = examination.output.predictions,
            let targets = examination.targets.first(where: { $0.signal.elementCount == predictions.elementCount })?
                .signal
        else { return [] }
        // What a new model gives out is about 1, or as large as its inputs make it.
        let reach = max(1, predictions.rootMeanSquare.isFinite ? predictions.rootMeanSquare : 1)
        if targets.standardDeviation > 0, targets.rootMeanSquare < context.thresholds.leastTarget {
            return [
                Finding(
                    .targetScale,
                    "the targets are not scaled: they are about \(short(targets.rootMeanSquare)), which is less than what a "
                        + "step of an optimizer changes",
                    remedies: [.standardizeTargets])
            ]
        }
        guard targets.rootMeanSquare > context.thresholds.targetScale * reach else { return [] }
        return [
            Finding(
                .targetScale,
                "the targets are not scaled: they are about \(short(targets.rootMeanSquare)), what the model gives out "
                    + short(predictions.rootMeanSquare),
                evidence: [
                    "targets have mean \(short(targets.mean)) and deviation \(short(targets.standardDeviation)); the loss, "
                        + "and with it each gradient, is \(short(examination.loss))"
                ],
                remedies: [.standardizeTargets])
        ]
    }

    private static let constantTargets = Rule("constant targets") { context in
        guard context.examination.sampleCount >= context.thresholds.samples,
            // As a generator is trained to have all its images taken for real, while the discriminator is held.
            context.examination.output.loss.isRegression || context.examination.parameters.allSatisfy(\.isTrainable)
        else { return [] }
        return context.examination.targets.filter { $0.signal.elementCount > 1 && $0.signal.standardDeviation == 0 }.map
        {
            Finding(
                .constantTargets,
                "all \($0.signal.elementCount) targets of the batch are \(short($0.signal.mean)): there is nothing to learn "
                    + "from it",
                remedies: [.mendTargets])
        }
    }
}

extension Rule {
    private static let leakedTarget = Rule("an input that gives the target away") { context in
        context.examination.inputs.compactMap { input in
            guard input.distinctSamples >= context.thresholds.samples else { return nil }
            return input.leakingFeature.map { feature in
                let name = input.featureNames.indices.contains(feature) ? input.featureNames[feature] : nil
                return Finding(
                    .leakedTarget,
                    "input feature \(name ?? "\(feature), counted from 0,") changes exactly with the target: it is made from it, or "
                        + "is it",
                    remedies: [.leaveOut(name)])
            }
        }
    }

    /// A batch of few of many classes, one behind the other, or batch after batch of one class. A batch of one class alone, of
    /// which no others are known, is told of as constant targets.
    private static let orderedData = Rule("data in order of class") { context in
        if let targets = context.examination.targets.first(where: { $0.surveyedCounts.count > 1 }),
            targets.surveyedKinds.count >= 4, targets.surveyedKinds.map(Double.init).median == 1,
            // As chance would have it, of samples in any order.
            case let share = Double(targets.surveyedCounts.values.max()!)
                / Double(targets.surveyedCounts.values.reduce(0, +)),
            pow(share, Double(context.examination.sampleCount)) < 0.01
        {
            return [
                Finding(
                    .orderedData,
                    "most of the first \(targets.surveyedKinds.count) batches hold one class each: what is learnt of one is "
                        + "forgotten at the next", remedies: [.shuffle])
            ]
        }
        guard let classes = context.examination.output.classCount, context.examination.sampleCount >= 4 * classes,
            let targets = context.examination.targets.first(where: { $0.isWhole && $0.isSorted }),
            targets.counts.count > 1, 3 * targets.counts.count <= classes
        else { return [] }
        return [
            Finding(
                .orderedData,
                "the batch has samples of \(targets.counts.count) of \(classes) classes, one class behind the other: what is "
                    + "learnt of one is forgotten at the next",
                remedies: [.shuffle])
        ]
    }

    private static let repeatedSamples = Rule("repeated samples") { context in
        if context.examination.distinctIndices == 1, context.examination.sampleCount >= context.thresholds.samples {
            return [
                Finding(
                    .repeatedSamples,
                    "all \(context.examination.sampleCount) samples of the batch are the same numbers, as where no word is known",
                    remedies: [.lookAtNumbers])
            ]
        }
        return context.examination.inputs.prefix(1).compactMap { input in
            let count = context.examination.sampleCount
            guard count >= context.thresholds.samples, input.signal.shape.first == count,
                input.signal.elementCount >= 8 * count && !input.isWhole || input.isSame(in: context.examination),
                Double(input.distinctSamples) < context.thresholds.distinctSamples * Double(count)
            else { return nil }
            guard !input.isSame(in: context.examination) else {
                return Finding(
                    .repeatedSamples,
                    input.signal.isZero
                        ? "all \(count) samples of the batch are 0 throughout: nothing tells them apart"
                        : "all \(count) samples of the batch are the same: nothing tells them apart",
                    remedies: [.lookAtInputs, .drawAll])
            }
            return Finding(
                .repeatedSamples,
                "the \(count) samples of the batch are only \(input.distinctSamples) different ones, again and again",
                remedies: [.drawAll])
        }
    }

    private static let classImbalance = Rule("unequal classes") { context in
        let examination = context.examination
        guard let targets = examination.targets.first(where: { !$0.counts.isEmpty }),
            case let counts = targets.surveyedCounts.isEmpty ? targets.counts : targets.surveyedCounts,
            counts.count > 1, let commonest = counts.max(by: { $0.value < $1.value })
        else { return [] }
        let count = counts.values.reduce(0, +)
        // Of classes that are weighed; where an output lets no gradient past itself, that is the cause.
        if examination.output.loss == .crossEntropy,
            let pull = examination.output.gradientShares.max(by: { $0.value < $1.value }),
            count >= context.thresholds.samples,
            pull.value > 1 - 0.1 * (1 - context.thresholds.commonestClass),
            case let own = Double(counts[pull.key] ?? 0) / Double(count), own < 0.5
        {
            return [
                Finding(
                    .classImbalance,
                    "class \(pull.key) has \(percent(pull.value)) of the gradient, though only \(percent(own)) of the targets are "
                        + "of it: the others count for nothing", remedies: [.weighClasses])
            ]
        }
        let share = Double(commonest.value) / Double(count)
        // What chance may have made of a smaller share, in fourteen of fifteen batches.
        let least = share - 1.5 * (share * (1 - share) / Double(count)).squareRoot()
        let pull = examination.output.gradientShares[commonest.key] ?? share
        guard count >= 4 * context.thresholds.samples, least > context.thresholds.commonestClass,
            pull > context.thresholds.commonestClass
        else { return [] }
        return [
            Finding(
                .classImbalance,
                "\(percent(share)) of the targets are class \(commonest.key): who always says so is nearly always right",
                evidence: ["all others together have \(percent(1 - pull)) of the gradient"],
                remedies: [.weighClasses])
        ]
    }
}

extension InputExamination {
    /// Features that vary, and by what; what a constant is rounded by is no deviation.
    private var varying: [(feature: Int, deviation: Double)] {
        zip(featureDeviations, featureMeans).enumerated().compactMap { index, pair in
            pair.0 > 1e-5 * abs(pair.1) && pair.0 > 0 && pair.0.isFinite ? (index, pair.0) : nil
        }
    }

    /// The largest deviation of a feature over the least of those that vary.
    var featureRatio: Double? {
        let deviations = varying.map(\.deviation)
        guard let least = deviations.min(), let largest = deviations.max() else { return nil }
        return largest / least
    }

    /// Whether all of several samples are the same.
    func isSame(in examination: Examination) -> Bool { distinctSamples == 1 && examination.sampleCount > 1 }

    /// The feature that varies least, but varies.
    var leastVarying: Int? { varying.min { $0.deviation < $1.deviation }?.feature }
}

/// As people list numbers: 1, 2 and 3.
private func listed(_ numbers: [Int]) -> String {
    let words = numbers.map(String.init)
    return words.count < 2 ? words.joined() : words.dropLast().joined(separator: ", ") + " and " + words.last!
}

extension Rule {
    /// What is wrong with inputs and targets.
    static let data = [nonFiniteInput, inputScale, targetScale, constantTargets]

    private static let nonFiniteInput = Rule("NaN or infinity in the input") { context in
        context.examination.inputs.filter(\.signal.isNonFinite).map { input in
            let count = input.signal.nanCount + input.signal.infinityCount
            return Finding(
                .nonFiniteInput,
                "\(count) of \(input.signal.elementCount) input values are NaN or infinite, in samples "
                    + listed(input.nonFiniteSamples),
                remedies: [.fillMissing])
        }
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
                scale < 1
                    ? "the inputs are too small: \(layer.name) gets values of about \(short(scale))"
                    : scale > thresholds.inputScale
                        ? "the inputs are not scaled: \(layer.name) gets values of about \(short(scale))"
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
        guard context.examination.sampleCount >= context.thresholds.samples else { return [] }
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

extension InputExamination {
    /// The largest deviation of a feature over the least of those that vary.
    var featureRatio: Double? {
        let varying = featureDeviations.filter { $0 > 0 && $0.isFinite }
        guard let least = varying.min(), let largest = varying.max() else { return nil }
        return largest / least
    }
}

/// As people list numbers: 1, 2 and 3.
private func listed(_ numbers: [Int]) -> String {
    let words = numbers.map(String.init)
    return words.count < 2 ? words.joined() : words.dropLast().joined(separator: ", ") + " and " + words.last!
}

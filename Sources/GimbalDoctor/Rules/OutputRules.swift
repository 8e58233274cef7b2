import Foundation

extension Examination {
    /// Whether some parameter's gradient is NaN or infinite.
    var hasNonFiniteGradient: Bool { parameters.contains { !($0.gradient?.rootMeanSquare.isFinite ?? true) } }
}

extension Rule {
    /// What does not fit between the last layer, the loss and the targets.
    static let output = [
        softmaxOfOne, softmaxOverBatch, doubleSoftmax, unsafeLogarithm, rectifiedOutput, boundedOutput, unfittingLoss,
        undefinedOperation, negativeLoss,
    ]

    private static let softmaxOfOne = Rule("softmax over one unit") { context in
        guard let layer = context.examination.structure.softmaxOfOne else { return [] }
        let output = context.examination.output
        let isOutput = output.function == "softmax" && output.predictions?.minimum == 1
        return [
            Finding(
                .softmaxOfOne,
                isOutput
                    ? "the softmax is over a single unit, so that it gives out 1 for every sample"
                    : "the softmax\(layer.isEmpty ? "" : " in \(layer.asLayer)") is over an axis of one element, so that it gives out 1 "
                        + "whatever comes in",
                layers: isOutput || layer.isEmpty ? [] : [layer],
                evidence: ["all that it gives out is 1, and no gradient passes"],
                remedies: [isOutput ? .sigmoidForOne : .softmaxOverMany])
        ]
    }

    /// A softmax has mean 1 / classes over its own axis, whatever goes in.
    private static let softmaxOverBatch = Rule("softmax over the batch") { context in
        let output = context.examination.output
        guard let mean = output.meanProbability, let predictions = output.predictions, predictions.shape.count == 2,
            predictions.shape[0] != predictions.shape[1], predictions.shape[0] > 1,
            abs(mean * Double(predictions.shape[0]) - 1) < 1e-3
        else { return [] }
        return [
            Finding(
                .softmaxOverBatch,
                "the softmax is over the \(predictions.shape[0]) samples of the batch, not over the \(predictions.shape[1]) "
                    + "classes",
                evidence: ["the predictions have mean 1 / \(predictions.shape[0])"], remedies: [.softmaxOverClasses])
        ]
    }

    private static let doubleSoftmax = Rule("softmax twice") { context in
        let output = context.examination.output
        guard
            output.loss == .crossEntropy && output.function == "softmax"
                || output.loss == .binaryCrossEntropyWithLogits && output.function == "sigmoid"
        else { return [] }
        return [
            Finding(
                .doubleSoftmax,
                "the \(output.loss.title) takes logits and applies the \(output.function!) itself; the model has applied it "
                    + "already",
                evidence: output.classCount.map { count in
                    // The largest logit is 1, the others 0.
                    ["the loss cannot fall under \(short(log(M_E + Double(count) - 1) - 1))"]
                } ?? [],
                remedies: [.logits])
        ]
    }

    private static let unsafeLogarithm = Rule("a logarithm of what may be 0") { context in
        let output = context.examination.output
        if let operation = context.examination.structure.undefinedOperation, operation.isInfinite {
            return [
                Finding(
                    .unsafeLogarithm,
                    "the loss takes the logarithm of 0: what it is taken of has got too small for a number",
                    layers: operation.layer.isEmpty ? [] : [operation.layer], remedies: [.logSumExp])
            ]
        }
        guard output.loss == .logarithm, let function = output.function, ["softmax", "sigmoid"].contains(function)
        else {
            return []
        }
        return [
            Finding(
                .unsafeLogarithm,
                "the loss takes the logarithm of what the \(function) gives out, which rounds to 0 for a sample that is "
                    + "far from its class",
                remedies: [.lossOfLogits])
        ]
    }

    private static let undefinedOperation = Rule("an operation where it is not defined") { context in
        guard let operation = context.examination.structure.undefinedOperation,
            context.unexplained(.nonFinite) != nil
                || context.examination.loss.isFinite && context.examination.hasNonFiniteGradient
        else { return [] }
        let place = operation.layer.isEmpty ? "" : " in \(operation.layer.asLayer)"
        return [
            Finding(
                .undefinedOperation,
                operation.isBackward
                    ? "the gradient of \(operation.name)\(place) is not finite, though what arrives at it is"
                    : "\(operation.name)\(place) gives out NaN, though what goes into it is none",
                layers: operation.layer.isEmpty ? [] : [operation.layer], remedies: [.keepFromEdge])
        ]
    }

    /// None of these losses is ever below 0.
    private static let negativeLoss = Rule("steps up the gradient") { context in
        let examination = context.examination
        guard examination.output.isTurnedRound, examination.output.loss != .other, examination.output.loss != .logarithm
        else { return [] }
        return [
            Finding(
                .ascent,
                "the loss is a \(examination.output.loss.title) turned round: it is \(short(examination.loss)), and gets less "
                    + "the more is wrong",
                remedies: [.turnRound])
        ]
    }

    private static let rectifiedOutput = Rule("rectified output") { context in
        let examination = context.examination
        let output = examination.output
        guard let function = output.function, ActivationKind(rawValue: function)?.isRectifier ?? false else {
            return []
        }
        let negative = examination.targets.contains { ($0.signal.minimum ?? 0) < 0 }
        guard !output.loss.isRegression || negative, output.loss != .other else { return [] }
        return [
            Finding(
                .rectifiedOutput,
                output.loss.isRegression
                    ? "the outputs go through a ReLU, and some targets are negative"
                    : "the outputs go through a ReLU before the \(output.loss.title)",
                evidence: ["\(percent(output.predictions?.zeroShare ?? 0)) of the outputs are 0, and get no gradient"],
                remedies: [.plainOutput])
        ]
    }

    private static let boundedOutput = Rule("outputs that cannot reach the targets") { context in
        let examination = context.examination
        guard let function = examination.output.function, let range = ActivationKind(rawValue: function)?.range,
            examination.output.loss.isRegression, let predictions = examination.output.predictions,
            let targets = examination.targets.first(where: { $0.signal.elementCount == predictions.elementCount })?
                .signal,
            let least = targets.minimum, let largest = targets.maximum,
            least < range.lowerBound - 1e-6 || largest > range.upperBound + 1e-6
        else { return [] }
        return [
            Finding(
                .boundedOutput,
                "a \(function) gives out \(short(range.lowerBound))...\(short(range.upperBound)), the targets lie in "
                    + "\(short(least))...\(short(largest))",
                remedies: [.plainOutput, .standardizeTargets])
        ]
    }

    private static let unfittingLoss = Rule("a loss that does not fit") { context in
        let examination = context.examination
        let output = examination.output
        let targets = examination.targets.first { $0.signal.elementCount == output.predictions?.elementCount }
        let isOneHot = examination.sampleCount >= context.thresholds.samples && (targets?.isOneHot ?? false)
        let width = output.predictions?.shape.last ?? 0
        if output.isBroadcast, let predictions = output.predictions,
            let target = examination.targets.first(where: {
                $0.signal.elementCount == predictions.elementCount && $0.signal.shape != predictions.shape
            })
        {
            return [
                Finding(
                    .unfittingLoss,
                    "predictions of \(predictions.shape) and targets of \(target.signal.shape) are blown up to "
                        + "all pairs: each prediction is compared with every target",
                    remedies: [.oneShape])
            ]
        }
        if output.loss == .crossEntropy, let classes = output.classCount, let predictions = output.predictions,
            // One class for each row.
            let target = examination.targets.first(where: {
                $0.counts.keys.contains(classes) && $0.signal.elementCount * classes == predictions.elementCount
            })
        {
            return [
                Finding(
                    .unfittingLoss,
                    "there are \(classes) classes, from 0 to \(classes - 1), and \(target.counts[classes] ?? 0) targets are "
                        + "\(classes)",
                    remedies: [.classesFromZero])
            ]
        }
        let finding: (String, Remedy)? =
            switch (output.loss, output.function) {
            case (.crossEntropy, _)
            where targets?.isBinary ?? false && !(targets?.isOneHot ?? true) && targets?.signal.shape.count == 2
                && width > 1:
                (
                    "the cross-entropy takes shares that add up to 1 for each sample, and some samples have several labels of 1",
                    .binaryCrossEntropy
                )
            case (.other, "softmax"?) where examination.loss < 0 && examination.loss >= -1:
                (
                    "the loss takes the logarithms of probabilities, and gets probabilities: minus those of the right classes "
                        + "are \(short(examination.loss))", .crossEntropy
                )
            case (.crossEntropy, "sigmoid"?):
                ("the cross-entropy of \(width) classes is taken of sigmoids, which lie in 0...1", .logits)
            case (.squaredError, "softmax"?), (.absoluteError, "softmax"?):
                (
                    "a \(output.loss.title) of softmax outputs has next to no gradient where they are wrong",
                    .crossEntropy
                )
            case (.binaryCrossEntropy, "softmax"?) where width > 2,
                (.binaryCrossEntropy, _) where width > 2 && isOneHot,
                (.binaryCrossEntropyWithLogits, _) where width > 2 && isOneHot:
                (
                    "each of \(width) classes is judged for itself, where each sample belongs to one: nine tenths of the "
                        + "loss come from classes that a sample is not of", .crossEntropy
                )
            case (.absoluteError, "sigmoid"?) where targets?.isBinary ?? false:
                (
                    "a mean absolute error of targets 0 and 1 is least at their median, the commoner of both",
                    .binaryCrossEntropy
                )
            case (.binaryCrossEntropy, let function)
            where function != "sigmoid" && function != "softmax"
                && isOutside(output.predictions):
                ("the binary cross-entropy takes probabilities, and the model gives out other numbers", .sigmoidOutput)
            case (.binaryCrossEntropy, _) where isOutside(targets?.signal),
                (.binaryCrossEntropyWithLogits, _) where isOutside(targets?.signal):
                ("the binary cross-entropy takes targets in 0...1, not numbers of any size", .squaredError)
            default: nil
            }
        return finding.map { [Finding(.unfittingLoss, $0.0, remedies: [$0.1])] } ?? []
    }

    /// Whether values lie outside of 0...1.
    private static func isOutside(_ signal: SignalStatistics?) -> Bool {
        guard let signal, let least = signal.minimum, let largest = signal.maximum else { return false }
        return least < -1e-6 || largest > 1 + 1e-6
    }
}

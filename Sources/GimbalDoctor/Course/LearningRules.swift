extension CourseRule {
    /// What is learnt, where steps are as they should be.
    static let learning = [modesDiffer, unrelatedTargets, overfitting, nothingLearnt]

    private static let modesDiffer = CourseRule("training and evaluation differ") { context in
        let course = context.course
        // Running statistics need some steps to follow the weights, and lag behind those of a deep net as long as it is
        // trained at its full rate; then the two come nearer to each other with time.
        let newest = course.epochs.compactMap(\.modes).suffix(3)
        guard newest.count == 3, course.step >= 100, let first = course.firstLoss else { return [] }
        let differ = newest.allSatisfy { modes in
            guard modes.training.isFinite else { return false }
            // As bad as before training, or twice as bad as in it.
            let isUntrained = modes.evaluation > first - 0.1 * abs(first)
            return !modes.evaluation.isFinite
                || (isUntrained || modes.evaluation > 2 * modes.training)
                    && modes.evaluation - modes.training > context.thresholds.modeShare * abs(first)
        }
        guard differ, let modes = newest.last, let earliest = newest.first,
            !(modes.evaluation - modes.training < 0.5 * (earliest.evaluation - earliest.training))
        else { return [] }
        return [
            Finding(
                .modesDiffer,
                "the model computes something else in evaluation: the same batch has a loss of \(short(modes.training)) in "
                    + "training and \(short(modes.evaluation)) in evaluation", step: course.step,
                remedies: [.mendRunningStatistics, .layerNormalization])
        ]
    }

    private static let unrelatedTargets = CourseRule("targets unrelated to inputs") { context in
        let course = context.course
        // Recurrent nets stay on a plateau for thousands of steps before they find what is far apart in time.
        guard context.found.isEmpty, course.plan.isOnlyLoss, course.epochs.count >= 3,
            course.blocks.count * Course.blockLength >= 500,
            let slope = course.blocks.suffix(50).compactMap(\.median).slope,
            let first = course.firstLoss, let recent = course.recentLoss, let best = course.bestLoss,
            recent > 0.97 * first, best > 0.94 * first, slope > -2e-4 * abs(first),
            !(course.looks.last?.rows(.activation).contains { $0.function == "recurrent" } ?? true),
            let ratio = course.latest(.update).compactMap(\.updateRatio).median, ratio > context.thresholds.slowUpdate
        else { return [] }
        return [
            Finding(
                .unrelatedTargets,
                "after \(course.step) steps the loss is \(short(recent)), \(short(first)) at first: the model finds nothing in "
                    + "the inputs that the targets depend on", step: course.step,
                evidence: [
                    "steps change parameters by \(short(ratio)) of themselves, so that it is not for want of moving"
                ],
                remedies: [.lookAtPairs])
        ]
    }

    private static let overfitting = CourseRule("overfitting") { context in
        let epochs = context.course.epochs.filter { $0.validationLoss?.isFinite ?? false }
        guard epochs.count >= 7, let best = epochs.min(by: { $0.validationLoss! < $1.validationLoss! }),
            let last = epochs.last, last.number >= best.number + context.thresholds.overfittingEpochs,
            let slope = epochs.suffix(context.thresholds.overfittingEpochs).map({ $0.validationLoss! }).slope,
            slope > 0,
            let trained = last.trainLoss, let trainThen = best.trainLoss,
            // Validation data is computed as in evaluation: where that is what differs, the training data suffers, too.
            case let trainNow = max(trained, last.modes?.evaluation ?? trained),
            // A loss that has found its bottom wavers, and the validation loss with it.
            trainNow < trainThen - context.thresholds.overfitting * abs(trainThen),
            let falling = epochs.suffix(context.thresholds.overfittingEpochs).compactMap(\.trainLoss).slope,
            falling < 0,
            trainNow < last.validationLoss!
        else { return [] }
        let (least, now) = (best.validationLoss!, last.validationLoss!)
        let recent = epochs.suffix(context.thresholds.overfittingEpochs).map { $0.validationLoss! }.median!
        // Near 0, a tenth is next to nothing; of few samples, one or two make as much.
        let chance = context.course.plan.validationSamples.map {
            context.thresholds.guessedSamples / Double(max($0, 1))
        }
        let margin = max(
            context.thresholds.overfitting * abs(least),
            max(0.02, chance ?? 0) * abs(context.course.firstLoss ?? 0))
        guard recent > least + margin else { return [] }
        return [
            Finding(
                .overfitting,
                "since epoch \(best.number) the validation loss has risen from \(short(least)) to \(short(now)), while that "
                    + "of the training data has fallen from \(short(trainThen)) to \(short(trainNow))",
                step: context.course.step, remedies: [.earlyStopping, .augmentation, .weightDecay, .dropout])
        ]
    }

    /// The last word of a run of which no rule has said why it led nowhere.
    private static let nothingLearnt = CourseRule("a run that ends where it began") { context in
        let course = context.course
        guard context.found.isEmpty, course.plan.isOnlyLoss, let steps = course.plan.steps, course.step >= steps,
            course.blocks.count >= 5, let first = course.firstLoss, first > 0, let best = course.bestLoss,
            best > (1 - context.thresholds.learntShare) * first,
            // A loss may have its bottom high up, as with smoothed labels.
            let early = course.looks.first?.norm(of: .gradient), let late = course.looks.last?.norm(of: .gradient),
            late > 0.3 * early
        else { return [] }
        let gradients = course.latest(.gradient).filter { $0.updateRatio == nil && $0.norm > 0 }
        var evidence: [String] = []
        if let early = gradients.first, let late = gradients.last, early.norm < 1e-3 * late.norm {
            evidence.append(
                "the gradient of \(early.name) has a norm of \(short(early.norm)), that of \(late.name) of \(short(late.norm))"
            )
        }
        if let ratio = course.latest(.update).compactMap(\.updateRatio).median {
            evidence.append("steps change parameters by \(short(ratio)) of themselves; a thousandth is usual")
        }
        return [
            Finding(
                .unexplained,
                "the run is over, and the loss is \(short(course.recentLoss ?? .nan)), \(short(first)) at first: nothing was learnt",
                step: course.step, evidence: evidence, remedies: [.fewerObstacles])
        ]
    }
}

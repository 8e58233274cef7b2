extension CourseRule {
    /// A schedule, or a momentum, that has another idea of the run's length. Both are known before the first step.
    static let schedule = [scheduleOutOfStep, scheduleTooSteep, momentumOutOfStep]

    private static let scheduleOutOfStep = CourseRule("a schedule out of step") { context in
        let factors = context.course.plan.rateFactors
        guard let steps = context.course.plan.steps, factors.count >= 10, let peak = factors.max(), peak > 0 else {
            return []
        }
        let spent = factors.count { $0 < context.thresholds.spentRate * peak }
        let trailing = factors.reversed().prefix { $0 < context.thresholds.spentRate * peak }.count
        let summary: String
        if Double(trailing) > context.thresholds.spentShare * Double(factors.count) {
            let step = steps * (factors.count - trailing) / factors.count
            summary =
                "the schedule has brought the learning rate to nothing after step \(step) of \(steps): "
                + "\(percent(Double(spent) / Double(factors.count))) of the run change nothing"
        } else if zip(factors, factors.dropFirst()).allSatisfy({ $0 < $1 }) {
            summary =
                "the learning rate is still rising when the run ends after \(steps) steps: the warmup is longer than it"
        } else {
            return []
        }
        return [
            Finding(
                .scheduleOutOfStep, summary, step: context.course.step,
                evidence: ["schedules count optimizer steps, not epochs"], remedies: [.fitSchedule])
        ]
    }

    private static let scheduleTooSteep = CourseRule("a schedule that raises the rate too far") { context in
        let factors = context.course.plan.rateFactors
        guard let peak = factors.max(), peak > context.thresholds.raisedRate else { return [] }
        return [
            Finding(
                .learningRateTooHigh, "the schedule multiplies the learning rate by \(short(peak)) at its highest",
                step: context.course.step,
                evidence: ["those that go up and down raise it tenfold"], remedies: [.fitSchedule])
        ]
    }

    /// A velocity is a mean over the last 1 / (1 - momentum) steps.
    private static let momentumOutOfStep = CourseRule("a momentum out of step") { context in
        let plan = context.course.plan
        guard let steps = plan.steps, plan.momentum < 1, plan.momentum > context.thresholds.momentum,
            4 / (1 - plan.momentum) > Double(steps)
        else { return [] }
        return [
            Finding(
                .momentumTooHigh,
                "a momentum of \(short(plan.momentum)) carries each step on for \(short(1 / (1 - plan.momentum))) others, and the "
                    + "run has \(steps): it ends before they come to rest", step: context.course.step,
                remedies: [.lessMomentum])
        ]
    }

    /// Steps that are too short to get anywhere.
    static let updates = [leftOut, clippingTooTight, epsilonTooLarge, penaltyTooStrong, learningRateTooLow]

    /// As by a loss scale, or where gradients that are not finite are to be skipped.
    private static let leftOut = CourseRule("steps that are all left out") { context in
        let newest = context.course.looks.suffix(3)
        guard newest.count == 3,
            newest.allSatisfy({ look in
                let updates = look.rows(.update)
                return look.step >= 20 && !updates.isEmpty && updates.allSatisfy { $0.norm == 0 }
                    && look.rows(.gradient).contains { $0.nonFiniteCount > 0 }
            }), let worst = newest.last?.rows(.gradient).first(where: { $0.nonFiniteCount > 0 })
        else { return [] }
        return [
            Finding(
                .undefinedOperation, "every step is left out, as its gradients are not finite", layers: [worst.name],
                step: context.course.step,
                evidence: ["\(worst.nonFiniteCount) elements of the gradient of \(worst.name) are NaN or infinite"],
                remedies: [.keepFromEdge])
        ]
    }

    private static let clippingTooTight = CourseRule("clipping too tight") { context in
        let course = context.course
        // Adam and its kin divide by the size of gradients, clipped or not.
        guard let limit = course.plan.clipNorm, course.plan.epsilon == nil, course.isStandingStill(context.thresholds)
        else { return [] }
        // Where the host seldom waits for the device, few are known.
        let norms = course.steps.suffix(Course.keptSteps).compactMap(\.gradientNorm)
        guard norms.count >= 5, let usual = norms.median, limit < context.thresholds.clippedShare * usual else {
            return []
        }
        return [.clippingTooTight(limit, of: usual, step: course.step, .loosenClipping(to: usual))]
    }

    private static let epsilonTooLarge = CourseRule("epsilon too large") { context in
        let course = context.course
        guard let epsilon = course.plan.epsilon, epsilon > 1e-7, course.isStandingStill(context.thresholds) else {
            return []
        }
        let sizes = course.latest(.gradient).map(\.rootMeanSquare)
        guard let usual = sizes.median, usual > 0, usual < 0.1 * epsilon else { return [] }
        return [
            Finding(
                .epsilonTooLarge,
                "an epsilon of \(short(epsilon)) swallows the gradients, half of which are smaller than \(short(usual))",
                step: course.step, remedies: [.smallEpsilon])
        ]
    }

    private static let penaltyTooStrong = CourseRule("a penalty that outweighs the data") { context in
        let course = context.course
        guard course.plan.weightDecay > 0, course.looks.count >= 4, course.blocks.count >= 5,
            let recent = course.recentLoss, let first = course.firstLoss, recent > 0.3 * first
        else { return [] }
        func ratio(_ look: HealthLook) -> Double? {
            let weights = look.norms(.parameter)
            return look.rows(.gradient).compactMap { row -> Double? in
                guard let weight = weights[row.name], weight > 0, row.norm > 0 else { return nil }
                return course.plan.weightDecay * weight / row.norm
            }.median
        }
        let newest = course.looks.suffix(3).compactMap(ratio)
        // Where data and penalty are in balance, and the loss has come down, all is well.
        let losses = course.blocks.suffix(5).compactMap(\.median)
        guard newest.count == 3, let least = newest.min(), least > context.thresholds.penaltyShare,
            let slope = losses.slope, slope > -0.02 * abs(first), course.shrinks
        else { return [] }
        return [
            Finding(
                .penaltyTooStrong,
                "the penalty on the weights pulls \(short(least)) times as hard as the data, and the loss stays at "
                    + "\(short(recent))", step: course.step,
                remedies: [.lessDecay(course.plan.weightDecay, share: least)])
        ]
    }

    private static let learningRateTooLow = CourseRule("learning rate too low") { context in
        let course = context.course
        guard !context.isExplained(.noProgress), let steps = course.plan.steps,
            course.isStandingStill(context.thresholds), let first = course.firstLoss,
            let slope = course.blocks.suffix(50).compactMap(\.median).slope,
            let ratio = course.latest(.update).compactMap(\.updateRatio).median,
            // What rounds to nothing need not be waited for.
            course.blocks.count >= 5 || ratio < 1e-7,
            let step = course.steps.last, let earlier = course.steps.suffix(100).first,
            // A rate that rises is warming up; one that has fallen has done its work.
            step.learningRate >= 0.5 * course.peakRate, step.learningRate <= 1.01 * earlier.learningRate
        else { return [] }
        // What the run would come to, were it to go on like this.
        let gain = max(0, -slope) * Double(steps) / Double(Course.blockLength)
        let peak = course.plan.rateFactors.max() ?? 1
        let now = course.plan.rateFactor(at: step.number) ?? 1
        guard gain < 0.1 * abs(first), now >= 0.5 * peak else { return [] }
        return [
            Finding(
                .learningRateTooLow,
                "the learning rate of \(short(step.learningRate)) is too low: at this pace the whole run brings the loss down "
                    + "by \(percent(gain / max(abs(first), 1e-30)))", step: course.step,
                evidence: ["a step changes parameters by \(short(ratio)) of themselves; a thousandth is usual"],
                remedies: [.raiseRate])
        ]
    }
}

extension Finding {
    /// Gradients of norm `norm` of which clipping leaves `limit`.
    static func clippingTooTight(_ limit: Double, of norm: Double, step: Int = 0, _ remedy: Remedy) -> Finding {
        Finding(
            .clippingTooTight,
            "gradients are clipped to a norm of \(short(limit)), and have one of \(short(norm)): each step is "
                + "\(short(norm / limit)) times shorter than the learning rate says",
            step: step, remedies: [remedy])
    }
}

extension Course {
    /// Whether steps change next to nothing of the parameters, and the loss is far from its end.
    func isStandingStill(_ thresholds: Thresholds) -> Bool {
        guard looks.count >= 4, blocks.count >= 2, let recentLoss, let firstLoss, recentLoss > 0.5 * firstLoss else {
            return false
        }
        // Where gradients are a small part of what they were, the loss is at its bottom, however high that is.
        guard looks.last!.norm(of: .gradient) >= 0.1 * looks[0].norm(of: .gradient) else { return false }
        return looks.suffix(3).allSatisfy { look in
            let ratios = look.rows(.update).compactMap(\.updateRatio)
            return !ratios.isEmpty && ratios.median! < thresholds.slowUpdate
        }
    }

    /// Whether half of the weights are smaller by a third than at the first look.
    fileprivate var shrinks: Bool {
        guard let first = looks.first, let last = looks.last else { return false }
        let before = first.norms(.parameter)
        let shares = last.rows(.parameter).compactMap { row in
            before[row.name].flatMap { $0 > 0 ? row.norm / $0 : nil }
        }
        return shares.median.map { $0 < 0.7 } ?? false
    }
}

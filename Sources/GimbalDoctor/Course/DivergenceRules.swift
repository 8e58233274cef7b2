extension CourseRule {
    /// Steps that lead away from where the loss is low.
    static let divergence = [
        unclearedGradients, ascent, risingLoss, endlessFall, unitsThatDie, poisonedBatch,
    ]

    private static let unclearedGradients = CourseRule("gradients that are never cleared") { context in
        let course = context.course
        let newest = course.looks.suffix(2)
        guard newest.count == 2, let look = newest.last, let old = look.oldGradientNorm,
            newest.allSatisfy({ $0.oldGradientNorm != nil })
        else { return [] }
        return [
            Finding(
                .unclearedGradients,
                "each step adds its gradients to those of all steps before it, so that steps get longer and longer",
                step: course.step,
                evidence: [
                    "before step \(look.step) the parameters held gradients of a norm of \(short(old)); after its "
                        + "backward pass it was \(short(look.norm(of: .gradient)))"
                ], remedies: [.clearGradients])
        ]
    }

    private static let ascent = CourseRule("steps up the gradient") { context in
        let newest = context.course.looks.suffix(3)
        guard !context.course.plan.goesBack else { return [] }
        // Momentum may carry a step uphill now and then, but not time after time, and not to a higher loss. Where gradients
        // are nothing but noise, steps made of earlier ones go any way, but not straight up.
        let course = context.course
        let cosines = newest.map { $0.descent ?? 0 }
        guard newest.count == 3, let least = cosines.min(), least > context.thresholds.ascent,
            course.plan.momentum < context.thresholds.momentum, let first = course.firstLoss
        else { return [] }
        let isRising = course.blocks.suffix(2).allSatisfy {
            $0.isAbove(first, by: context.thresholds.ascentRise, deviations: context.thresholds.ascentDeviations)
        }
        guard least > context.thresholds.straightAscent && course.isInTrouble || course.blocks.count > 1 && isRising
        else { return [] }
        return [
            Finding(
                .ascent, "each step goes up the gradient, so that the loss rises", step: context.course.step,
                evidence: [
                    "the cosine between step and gradient is \(short(newest.last?.descent ?? 0)), where it should be "
                        + "negative"
                ], remedies: [.descend])
        ]
    }

    private static let risingLoss = CourseRule("a loss that rises") { context in
        let course = context.course
        guard course.plan.isOnlyLoss, !context.isExplained(.divergingLoss), let first = course.firstLoss,
            let newest = course.blocks.last, let best = course.bestLoss
        else { return [] }
        let unit = max(abs(first), 1e-30)
        // Small batches waver, and the first of them may have been an easy one.
        let isAbove = { (block: Course.Block) in
            block.isAbove(first, by: context.thresholds.risenLoss, deviations: 2.5)
        }
        // What was learnt may be lost without the loss ever being above that of the first steps.
        let isLost = { (block: Course.Block) in
            best < first - 0.5 * unit && block.median.map { $0 > first - 0.1 * unit } ?? true
        }
        let spikes = course.spikes.filter { $0.number > course.step - 200 }
        let evidence: String
        var isShock = false
        // One that carries steps on for long makes the loss swing up and down before it grows.
        let needed = course.plan.momentum >= context.thresholds.momentum ? 1 : 2
        if course.blocks.suffix(needed).count == needed, course.blocks.suffix(needed).allSatisfy(isAbove) {
            evidence =
                newest.median.map {
                    "the loss is \(short($0)), where it was \(short(first)) at first and \(short(best)) at its best"
                } ?? "no loss of the last \(Course.blockLength) steps is finite"
        } else if let shock = context.shock {
            isShock = true
            evidence = "the first steps threw the loss from \(short(course.startLoss ?? first)) up to \(short(shock))"
        } else if course.blocks.suffix(2).allSatisfy(isLost) {
            evidence =
                "the loss is \(newest.median.map(short) ?? "not finite") again, as it was at first, after a best of "
                + "\(short(best))"
        } else if let ratio = context.longUpdates, course.isInTrouble {
            evidence =
                "the loss is \(newest.median.map(short) ?? "not finite"), where it was \(short(first)) at first, and each step "
                + "changes the weights by \(percent(ratio)) of themselves"
        } else if spikes.count >= context.thresholds.spikes, course.isInTrouble {
            evidence = "\(spikes.count) of the last 200 steps had a loss more than three times as high as those before"
        } else {
            return []
        }
        return [context.tooLong(evidence, sign: .divergingLoss, isShock: isShock)]
    }

    /// As of a log-likelihood that is minimised, or of a density that gets as narrow as the numbers allow.
    private static let endlessFall = CourseRule("a loss that falls without end") { context in
        let course = context.course
        guard course.plan.isOnlyLoss, let first = course.firstLoss, let recent = course.recentLoss, recent < 0,
            -recent > context.thresholds.endlessFall * max(abs(first), 1),
            let early = course.looks.first?.norm(of: .gradient), let late = course.looks.last?.norm(of: .gradient),
            late > 0.01 * context.thresholds.endlessFall * early
        else { return [] }
        return [
            Finding(
                .unfittingLoss,
                "the loss falls without end, from \(short(first)) to \(short(recent)), and the faster the lower it is",
                step: course.step,
                evidence: ["the norm of all gradients was \(short(early)), and is \(short(late))"],
                remedies: [.turnRound, .boundLoss])
        ]
    }

    private static let unitsThatDie = CourseRule("units that die or saturate") { context in
        let course = context.course
        guard course.plan.isOnlyLoss, course.isInTrouble, course.looks.count >= 2, let first = course.looks.first
        else { return [] }
        func share(_ row: HealthRow) -> Double { row.deadShare ?? row.saturatedShare ?? 0 }
        let earliest = Dictionary(first.rows(.activation).map { ($0.name, share($0)) }) { first, _ in first }
        let newest = course.looks.suffix(2).map { $0.rows(.activation) }
        let lost = newest[1].filter { row in
            let before = newest[0].first { $0.name == row.name }.map(share) ?? 0
            return min(share(row), before) >= context.thresholds.deadShare
                && (earliest[row.name] ?? 1) < context.thresholds.diedShare
        }
        guard let worst = lost.max(by: { share($0) < share($1) }) else { return [] }
        let isDead = worst.deadShare != nil
        let sign: Sign = isDead ? .deadUnits : .saturatedUnits
        guard !context.isExplained(sign) else { return [] }
        return [
            context.tooLong(
                "\(percent(share(worst))) of the units of \(worst.name.asLayer) are \(isDead ? "off for every sample" : "saturated"), "
                    + "\(percent(earliest[worst.name] ?? 0)) were at first", sign: sign, layers: lost.map(\.name))
        ]
    }

    private static let poisonedBatch = CourseRule("a poisoned batch") { context in
        let course = context.course
        // One hard batch is no illness: the loss is back soon after it.
        guard course.plan.isOnlyLoss, !context.isExplained(.divergingLoss), let spike = course.spikes.last else {
            return []
        }
        let before = course.steps.filter { (spike.number - 64..<spike.number).contains($0.number) }.map(\.loss)
        guard let usual = before.median else { return [] }
        // No batch of the same data is a thousand times as hard as the others.
        if let first = course.firstLoss, spike.loss > context.thresholds.spoiltBatch * usual,
            spike.loss > 0.1 * context.thresholds.spoiltBatch * abs(first)
        {
            return [
                Finding(
                    .poisonedBatch,
                    "the batch of step \(spike.number) had a loss of \(short(spike.loss)), \(short(spike.loss / usual)) times "
                        + "as much as those before it", step: course.step,
                    remedies: [.lookAtBatch, .clipping, .recover])
            ]
        }
        guard course.step >= spike.number + 2 * Course.blockLength else { return [] }
        let after = course.steps.filter { $0.number > spike.number + Course.blockLength }.suffix(Course.blockLength)
        guard let now = after.map(\.loss).median else { return [] }
        let spread = before.spread(about: usual)
        let limit = usual + max(4 * spread, 0.25 * abs(usual), 0.05 * abs(course.firstLoss ?? 0))
        let since = course.blocks.filter { $0.step >= spike.number + 2 * Course.blockLength }
        guard !since.isEmpty, since.allSatisfy({ ($0.median ?? .infinity) > limit }), spike.loss > 2 * now else {
            return context.slowed(by: spike)
        }
        return [
            Finding(
                .poisonedBatch,
                "the batch of step \(spike.number) had a loss of \(short(spike.loss)), and the run has not recovered from it",
                step: course.step,
                evidence: [
                    "the loss was \(short(usual)) before it, and is \(short(now)) \(course.step - spike.number) steps "
                        + "after it"
                ], remedies: [.lookAtBatch, .clipping, .recover])
        ]
    }
}

extension Doctor {
    /// Why a run has failed with a number that is NaN or infinite.
    ///
    /// Where steps have thrown the weights about before, these are the cause, and the number what they led to; else it is
    /// what the operation was given.
    /// - Parameters:
    ///   - origin: where the number came up.
    ///   - step: whose loss was not finite.
    ///   - course: the run until then.
    public func finding(of origin: NonFiniteOrigin, step: Int, in course: Course) -> Finding {
        let context = CourseContext(course: course, found: [], thresholds: thresholds)
        let ratios = course.looks.filter { $0.step > step - 200 }.map {
            $0.rows(.update).compactMap(\.updateRatio).median ?? 0
        }
        let losses = course.steps.filter { $0.number < step }.suffix(10).map(\.loss)
        let usual = abs(course.bestLoss ?? course.firstLoss ?? course.steps.first?.loss ?? .infinity)
        let isRising = losses.suffix(2).contains { !($0 < 10 * max(usual, 1e-30)) }
        guard [.forward, .backward].contains(origin.place), (ratios.max() ?? 0) > thresholds.wildUpdate || isRising
        else {
            return origin.finding(step: step)
        }
        var finding = context.tooLong("\(origin)", sign: .nonFinite, layers: origin.layer.isEmpty ? [] : [origin.layer])
        finding.step = step
        return finding
    }
}

extension Course.Block {
    /// Whether the median is above `loss` by `share` of it, and by as many deviations of the block; true where none is finite.
    fileprivate func isAbove(_ loss: Double, by share: Double, deviations: Double) -> Bool {
        median.map { $0 > loss + max(share * max(abs(loss), 1e-30), deviations * spread) } ?? true
    }
}

extension CourseContext {
    /// What steps change of the weights, where it is far too much, look after look; the least of them.
    fileprivate var longUpdates: Double? {
        // Weights that begin near 0 are changed by much of themselves in the first steps.
        let newest = course.looks.suffix(3).filter { $0.step >= 20 }
            .compactMap { $0.rows(.update).compactMap(\.updateRatio).median }
        guard newest.count == 3, course.blocks.count >= 2, let least = newest.min(), least > thresholds.longUpdate
        else {
            return nil
        }
        return least
    }

    /// The loss that the first steps of all led to, where it was far above the one they began with. What later ones waver by
    /// is noise of the batches.
    fileprivate var shock: Double? {
        guard let first = course.startLoss, course.blocks.count > 1, course.blocks[0].step <= Course.blockLength,
            let reached = course.blocks[0].median,
            let noise = course.blocks.dropFirst().map(\.spread).min()
        else { return nil }
        return reached > first + max(thresholds.shock * max(abs(first), 1e-30), 5 * noise) ? reached : nil
    }

    /// A batch after which an adaptive optimizer takes next to no steps, as its second moments are full of it.
    fileprivate func slowed(by spike: Course.Step) -> [Finding] {
        guard course.plan.epsilon != nil, let last = course.looks.last, last.step > spike.number,
            let before = course.looks.last(where: { $0.step < spike.number && $0.step > 20 }),
            let now = last.rows(.update).compactMap(\.updateRatio).median,
            let usual = before.rows(.update).compactMap(\.updateRatio).median,
            let rate = course.steps.last?.learningRate,
            let rateBefore = course.steps.last(where: { $0.number < spike.number })?.learningRate,
            now < 0.1 * usual, rate > 0.5 * rateBefore,
            // A net that has learnt what there is has small gradients, and steps that are small with them.
            now / last.norm(of: .gradient) < 0.1 * usual / before.norm(of: .gradient)
        else { return [] }
        return [
            Finding(
                .poisonedBatch,
                "the batch of step \(spike.number) had a loss of \(short(spike.loss)), and hardly anything has moved since",
                step: course.step,
                evidence: [
                    "a step changed weights by \(short(usual)) of themselves before it, and by \(short(now)) now: the "
                        + "optimizer's second moments still hold it"
                ], remedies: [.lookAtBatch, .clipping, .recover])
        ]
    }

    /// Whether the norm of all gradients was ten times as large as usual at some time, as where they explode over time steps,
    /// or nobody knows.
    private var gradientsJump: Bool {
        let norms = course.steps.compactMap(\.gradientNorm) + course.looks.map { $0.norm(of: .gradient) }
        guard norms.count >= 3, norms.allSatisfy(\.isFinite), let usual = norms.median else { return true }
        return norms.contains { $0 > 10 * usual }
    }

    /// Steps that are too long, by whatever makes them so.
    /// - Parameter isShock: whether they were so at the start alone, which a warmup mends.
    fileprivate func tooLong(_ evidence: String, sign: Sign, layers: [String] = [], isShock: Bool = false) -> Finding {
        let plan = course.plan
        let rate = course.steps.last?.learningRate ?? 0
        let recurrent = course.looks.last?.rows(.activation).filter { $0.function == "recurrent" }.map(\.name) ?? []
        let ratios = course.looks.flatMap { $0.rows(.update) }.compactMap(\.updateRatio)
        var shown = [evidence]
        if let largest = ratios.max(), largest > 0.1 {
            shown.append("a step changed a parameter by \(percent(largest)) of itself")
        }
        let signs = [SeenSign(sign, layers: layers, evidence: evidence)]
        if plan.momentum >= thresholds.momentum {
            return Finding(
                .momentumTooHigh,
                "a momentum of \(short(plan.momentum)) makes steps \(short(1 / (1 - min(plan.momentum, 0.9999)))) times as "
                    + "long as the learning rate says", layers: layers, step: course.step,
                evidence: Array(shown.dropFirst()), signs: signs,
                remedies: [.lessMomentum, .lowerRate(by: 10, from: course.baseRate)])
        }
        if !recurrent.isEmpty, plan.clipNorm == nil, gradientsJump {
            return Finding(
                .unstableRecurrence, "gradients of \(recurrent[0].asLayer) explode over time, and nothing limits them",
                layers: recurrent, step: course.step, evidence: Array(shown.dropFirst()), signs: signs,
                remedies: [.clipping, .lowerRate(by: 10, from: course.baseRate), .orthogonalRecurrence])
        }
        return Finding(
            .learningRateTooHigh, "the learning rate of \(short(rate)) is too high for this model and loss",
            layers: layers, step: course.step, evidence: Array(shown.dropFirst()), signs: signs,
            remedies: [.lowerRate(by: 10, from: course.baseRate)]
                + (isShock ? [.warmup(of: plan.steps.map(Double.init))] : [])
                + (plan.clipNorm == nil ? [.clipping] : []))
    }
}

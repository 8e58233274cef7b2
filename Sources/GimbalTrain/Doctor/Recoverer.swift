/// Goes back with a run that fails: to find out where a NaN came from, and, where the settings allow it, to go on otherwise.
///
/// It keeps the newest states of the run in memory, some of which the host has not yet seen to be good. All that it decides
/// follows from losses and settings alone, so that the same run recovers in the same way.
final class Recoverer<Batch> {
    private unowned let trainer: Trainer<Batch>
    /// The newest last.
    private var points: [RecoveryPoint] = []
    /// Steps that have failed for themselves, and not only what they led to.
    private var spoilt: Set<Int> = []
    /// Blocks, looks and spikes that were judged.
    private var judged = [0, 0, 0]

    /// Steps between two states. A copy costs as much as a few steps of an optimizer, so that a hundred let it cost little;
    /// and no more than two hundred are lost.
    static var interval: Int { 100 }
    /// States that are kept: the newest may hold what has not shown itself yet, and a slow divergence may have begun before
    /// the one before it.
    private var kept: Int { trainer.settings.recoveries == nil ? 2 : 3 }

    init(_ trainer: Trainer<Batch>) { self.trainer = trainer }

    /// Forgets the states of another course of the run.
    func forget() { (points, spoilt, judged) = ([], [], [0, 0, 0]) }

    /// Keeps the state before the first step and then every hundredth, where there is room for it.
    func beginStep() throws {
        let step = trainer.progress.step
        guard !isReplaying, points.isEmpty || step % Self.interval == 0, points.last?.progress.step != step,
            isAffordable
        else { return }
        if points.count >= kept { points.removeFirst() }
        // Without room there is no way back, but a way on.
        if let point = try? RecoveryPoint(of: trainer) { points.append(point) }
    }

    /// Whether the states take no more than a twentieth of the device's memory, unless they were asked for.
    private var isAffordable: Bool {
        guard trainer.settings.recoveries == nil else { return true }
        guard trainer.doctor != nil, trainer.ranks == nil else { return false }
        let weights = trainer.model.parameters.reduce(0) { $0 + $1.elementCount * $1.value.dtype.byteCount }
        return weights * 3 * kept <= trainer.device.description.memoryBytes / 20
    }

    // MARK: A failure

    /// What is wrong with the run now that the host has read its losses.
    /// - Throws: `Failure` where it is to go back.
    func judge() throws {
        // After the last recovery a run goes on as it would have gone without: what is finite ends none.
        guard trainer.progress.recoveries.count < trainer.settings.recoveries ?? 0, !isReplaying, !points.isEmpty
        else { return }
        guard let failure = try trainer.agreed(judgeCourse) else { return }
        if failure.isOneBatch { spoilt.insert(failure.step) }
        throw failure
    }

    private func judgeCourse() -> Failure? {
        guard let watch = trainer.watch else { return nil }
        let course = watch.courses[0]
        let now = [course.blocks.count, course.looks.count, course.spikes.count]
        guard now != judged else { return nil }
        judged = now
        if course.plan.isOnlyLoss, let spike = course.spikes.last(where: { $0.number > course.step - 100 }),
            !trainer.progress.leavesOut(spike.number),
            spoilt.insert(spike.number).inserted, course.isFarAbove(spike)
        {
            return Failure(
                step: spike.number, reason: "a loss of \(decimal(spike.loss)) in one batch", isOneBatch: true)
        }
        guard let finding = watch.doctor.look(at: course).first(where: { $0.illness.isDivergence }) else { return nil }
        if finding.illness == .poisonedBatch {
            // Where such batches come again and again, as from data with outliers, another rate mends nothing.
            guard let spike = course.spikes.last, !trainer.progress.leavesOut(spike.number),
                spoilt.insert(spike.number).inserted
            else { return nil }
            return Failure(step: spike.number, reason: finding.summary, isOneBatch: true)
        }
        return Failure(
            step: course.step, reason: finding.signs.first?.evidence ?? finding.summary, isOneBatch: false,
            isInTime: finding.illness == .unstableRecurrence)
    }

    /// A run that must go back.
    private struct Failure: Error, Codable {
        var step: Int
        var reason: String
        /// Whether one batch is to blame, as far as is known.
        var isOneBatch: Bool
        /// Whether gradients explode over time steps.
        var isInTime = false
    }

    /// Goes back to where the run was well, so that it can go on otherwise; where that is not allowed or does not help, says
    /// what is known of the cause.
    /// - Throws: `error`, with the cause of a NaN.
    func recover(from error: any Error) throws {
        guard !isReplaying else { throw error }
        var failure: Failure
        var cause = error
        var isInTime = false
        switch error {
        case let found as Failure: failure = found
        case GimbalError.nonFinite(let quantity, let value, let place):
            guard let phase = trainer.pending.firstIndex(where: { $0.steps.contains { !$0.loss.isFinite } }),
                var step = trainer.pending[phase].steps.first(where: { !$0.loss.isFinite })?.step
            else { throw error }
            var origin = try knownOrigin(step: step, phase: phase)
            // The gradients of the step before had it first.
            if origin?.place == .parameter, step > 1,
                let earlier = try knownOrigin(step: step - 1, phase: phase)
            {
                (origin, step) = (earlier, step - 1)
            }
            var isDivergence = false
            if let origin {
                if let watch = trainer.watch {
                    let finding = watch.doctor.finding(of: origin, step: step, in: watch.courses[phase])
                    try watch.raise(finding)
                    (isDivergence, isInTime) = (finding.illness.isDivergence, finding.illness == .unstableRecurrence)
                }
                try trainer.tellFindings()
                cause = GimbalError.nonFinite(
                    quantity: quantity, value: value, place: "\(place). At step \(step), \(origin)")
            }
            let isNew = spoilt.insert(step).inserted
            failure = Failure(
                step: step, reason: origin.map { "\($0)" } ?? "the loss is \(value.isNaN ? "nan" : "\(value)")",
                isOneBatch: isNew && !isDivergence && !isDiverging(before: step), isInTime: isInTime)
        default: throw error
        }
        failure = try trainer.agreed { failure }
        guard trainer.progress.recoveries.count < trainer.settings.recoveries ?? 0 else {
            throw cause
        }
        guard let recovery = try goBack(from: failure) else { throw cause }
        for callback in trainer.callbacks { try callback.didRecover(recovery) }
    }

    /// Whether losses rose before they became NaN.
    private func isDiverging(before step: Int) -> Bool {
        guard let course = trainer.watch?.courses[0] else { return false }
        let losses = course.steps.filter { $0.number < step }.suffix(5).map(\.loss)
        guard let usual = course.blocks.last?.median ?? course.firstLoss, losses.count == 5 else { return false }
        return losses.suffix(3).allSatisfy { !($0 < 3 * abs(usual)) }
    }

    /// - Returns: nil where there is no state to go back to.
    private func goBack(from failure: Failure) throws -> Recovery? {
        let earlier = trainer.progress.recoveries
        // One batch is left out; what fails again soon after is no single batch's fault.
        let again = earlier.contains { abs($0.step - failure.step) < 2 * Self.interval }
        let measure: Recovery.Measure
        let leftOut = earlier.count(where: \.measure.isLeavingOut)
        if failure.isOneBatch, !again || leftOut == earlier.count, leftOut < 3 {
            measure = .leavesOut(steps: [failure.step])
        } else if failure.step > 2 * Self.interval || failure.isInTime, trainer.progress.recoveredClipNorm == nil,
            trainer.phases[0].clipping.isEmpty
        {
            // What went well for long needs no other rate, but a guard.
            measure = .clips(norm: 1)
        } else {
            let isFirst = !earlier.contains(where: \.measure.isLoweringRate)
            measure = .lowersRate(factor: isFirst && failure.step > 2 * Self.interval ? 0.3 : 0.1)
        }
        // A divergence has begun before it was seen.
        let latest = failure.isOneBatch ? failure.step - 1 : failure.step - Self.interval
        guard let index = points.lastIndex(where: { $0.progress.step <= latest }) ?? points.indices.first else {
            return nil
        }
        let point = points[index]
        guard point.progress.step < failure.step else { return nil }
        points.removeSubrange((index + 1)...)
        try point.restore(trainer)
        let recovery = Recovery(
            step: failure.step, backTo: point.progress.step, measure: measure, reason: failure.reason)
        trainer.progress.recoveries.append(recovery)
        try trainer.rewindLogs(to: point.progress.step)
        return recovery
    }

    // MARK: The origin of a NaN

    /// As `origin(step:phase:)`; nil where it fails, but for a rank for which others would wait.
    private func knownOrigin(step: Int, phase: Int) throws -> NonFiniteOrigin? {
        guard trainer.ranks == nil else { return try origin(step: step, phase: phase) }
        return try? origin(step: step, phase: phase)
    }

    /// Repeats the steps up to the one whose loss is not finite, and looks into that one. The run is afterwards where it was
    /// before that step. Of several ranks, all are to call it.
    private func origin(step: Int, phase: Int) throws -> NonFiniteOrigin? {
        guard let point = points.last(where: { $0.progress.step < step }) else { return nil }
        let (history, maxSteps) = (trainer.progress.history, trainer.maxSteps)
        try point.restore(trainer)
        (isReplaying, trainer.maxSteps) = (true, step - 1)
        defer { (isReplaying, trainer.maxSteps) = (false, maxSteps) }
        return try trainer.withoutWatching {
            while trainer.progress.step < step - 1 {
                _ = try trainer.runEpoch { false }
                if trainer.progress.batch == 0 { finishEpoch(history) }
            }
            return try trainer.originOfNonFinite(phase: phase)
        }
    }

    /// What of the end of an epoch later steps depend on.
    private func finishEpoch(_ history: [EpochResult]) {
        trainer.progress.losses = [:]
        guard let plateau = trainer.settings.plateau, trainer.evaluation != nil,
            let result = history.first(where: { $0.epoch == trainer.progress.epoch })
        else { return }
        trainer.progress.plateau = trainer.progress.plateau ?? plateau
        trainer.progress.plateau?.update(result.validation[trainer.settings.monitor] ?? .nan)
    }

    /// Whether steps are being repeated, of which nobody is told.
    private(set) var isReplaying = false
}

extension Illness {
    /// Whether going back with other settings helps.
    fileprivate var isDivergence: Bool {
        switch self {
        case .learningRateTooHigh, .momentumTooHigh, .unstableRecurrence, .poisonedBatch, .ascent: true
        default: false
        }
    }
}

extension Course {
    /// Whether a loss is ten times that of its neighbours, and three times as high as any before: a batch that is left out
    /// should be more than hard. Losses of small batches have long tails, the more so the better the model is.
    fileprivate func isFarAbove(_ spike: Step) -> Bool {
        let before = steps.filter { $0.number < spike.number }.map(\.loss)
        guard let usual = before.suffix(64).median, let highest = before.filter(\.isFinite).max() else { return false }
        return spike.loss > 10 * usual && spike.loss > 3 * max(highest, firstLoss ?? highest)
    }
}

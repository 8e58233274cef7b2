extension Trainer {
    /// Has the doctor follow the run, which it may have examined first.
    func beginWatching() throws {
        // It follows the first rank, whose losses and gradients are those of all.
        guard let doctor else { return watch = nil }
        guard ranks?.isFirst ?? true else {
            // An optimizer whose moments are divided takes its steps on all ranks together.
            if examinesFirst, progress.step == 0 { _ = try examineModel(by: doctor) }
            return watch = nil
        }
        guard watch == nil else { return }
        let watch = RunWatch(
            doctor, phases, interval: healthInterval,
            plans: zip(phases, schedules).map { plan($0, $1) })
        watch.takes = takes
        self.watch = watch
        if let folder { try watch.open(folder, resumingAt: progress.step > 0 ? progress.step : nil) }
        if progress.step > 0 { watch.takeUp(progress.history, trainLoss: trainLoss) }
        if examinesFirst, progress.step == 0 {
            for finding in try examine(by: doctor).findings { try watch.raise(finding) }
            try tellFindings()
        }
    }

    /// What is known of a phase of the run before it begins.
    func plan(_ phase: Phase<Batch>, _ schedule: Schedule) -> Course.Plan {
        Course.Plan(
            phase, schedule: schedule, steps: totalSteps, isOnlyLoss: phases.count == 1,
            validationSamples: validationSamples)
    }

    /// Gives callbacks what was found since they were last told.
    func tellFindings() throws {
        for finding in watch?.takeNew() ?? [] {
            for callback in callbacks { try callback.didFind(finding) }
        }
    }
}

extension Trainer {
    /// Has the doctor follow the run, which it may have examined first. Where the first rank has one, all ranks watch: each sees
    /// its own rows, and what they see together is the same on all.
    func beginWatching() throws {
        guard let interval = try agreed({ self.doctor.map { _ in healthInterval } }) else { return watch = nil }
        guard watch == nil else { return }
        let doctor = self.doctor ?? Doctor()
        let watch = RunWatch(
            doctor, phases, interval: interval, plans: zip(phases, schedules).map { plan($0, $1) },
            exchange: ranks?.queue)
        watch.takes = takes
        self.watch = watch
        if let folder { try watch.open(folder, resumingAt: progress.step > 0 ? progress.step : nil) }
        if progress.step > 0 { watch.takeUp(progress.history, trainLoss: trainLoss) }
        if try agreed({ examinesFirst }), progress.step == 0 {
            // An optimizer whose moments are divided takes its steps on all ranks together.
            let isFirst = ranks?.isFirst ?? true
            let diagnosis: Diagnosis
            do {
                diagnosis = try isFirst ? examine(by: doctor) : examineModel(by: doctor)
            } catch {
                // It takes about as much memory as a step.
                throw advised(error)
            }
            for finding in try agreed({ diagnosis.findings }) { try watch.raise(finding) }
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

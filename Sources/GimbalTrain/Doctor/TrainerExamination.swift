extension Trainer {
    /// Looks at the model before it is trained: one pass over the first batch, and the first steps on it, by the first phase's
    /// loss, optimizer, schedule and clipping. Everything is afterwards what it was.
    /// - Parameter doctor: who looks.
    /// - Throws: what data, loss and device report; `GimbalError.invalidSetting` where there is no batch.
    public func examine(by doctor: Doctor = Doctor()) throws -> Diagnosis {
        let phase = phases[0]
        return try withDevice(device) {
            try withGenerator(generator) {
                guard let batch = try data.iterator(epoch: 0, from: 0, on: device).next() else {
                    throw GimbalError.invalidSetting(name: "data", reason: "\(dataDescription): no samples to look at")
                }
                let update = WeightUpdate(phase, precision: settings.precision, device: device)
                let schedule = phase.schedule(RunLength(steps: totalSteps, stepsPerEpoch: stepsPerEpoch))
                return doctor.diagnose(
                    try Examination(
                        of: model, on: batch.batch, optimizer: phase.optimizer,
                        plannedSteps: totalSteps.map { schedule.stepsAtFirstRate($0) }
                    ) { batch in
                        try withPrecision(settings.precision) { try phase.loss(batch).meanLoss }
                    } train: { number, loss in
                        phase.optimizer.learningRate = baseRate * schedule.factor(at: number)
                        try (update.scaler?.scaled(loss) ?? loss).backward()
                        var step = TrainingStep(
                            epoch: 1, number: number + 1, phase: phase.name, optimizer: phase.optimizer,
                            lossScale: update.scaler?.scale)
                        try update.apply(&step, [])
                    })
            }
        }
    }
}

extension Schedule {
    /// Steps at the rate of the first twenty that would move weights as far as `steps` steps of this schedule.
    fileprivate func stepsAtFirstRate(_ steps: Int) -> Double {
        let first = (0..<min(20, max(1, steps))).map { factor(at: $0) }
        let rate = first.reduce(0, +) / Double(first.count)
        guard rate > 0 else { return .infinity }
        // A thousand of them tell the mean.
        let stride = max(1, steps / 1000)
        let all = Swift.stride(from: 0, to: steps, by: stride).map { factor(at: $0) }
        return all.reduce(0, +) / Double(max(1, all.count)) * Double(steps) / rate
    }
}

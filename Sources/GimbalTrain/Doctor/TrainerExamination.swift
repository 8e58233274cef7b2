extension Trainer {
    /// Looks at the model before it is trained: one pass over a batch, the first that has several classes, where there are
    /// any, and the first steps on it, by the first phase's loss, optimizer, schedule and clipping; and whether it is judged
    /// by what it is trained on (`Doctor.examine(train:validation:)`). Everything is afterwards what it was.
    /// - Parameter doctor: who looks.
    /// - Throws: what data, loss and device report; `GimbalError.invalidSetting` where there is no batch.
    public func examine(by doctor: Doctor = Doctor()) throws -> Diagnosis {
        var diagnosis = try examineModel(by: doctor)
        if let train = data.examples, let validation = validationExamples {
            diagnosis.findings += try doctor.examine(train: train, validation: validation)
        }
        return diagnosis
    }

    /// As `examine(by:)`, without a look at the data.
    func examineModel(by doctor: Doctor) throws -> Diagnosis {
        let phase = phases[0]
        return try withDevice(device) {
            try withGenerator(generator) {
                guard let (batch, classes) = try survey() else {
                    throw GimbalError.invalidSetting(name: "data", reason: "\(dataDescription): no samples to look at")
                }
                let update = WeightUpdate(phase, precision: settings.precision, device: device)
                let schedule = phase.schedule(RunLength(steps: totalSteps, stepsPerEpoch: stepsPerEpoch))
                var examination = try Examination(
                    of: model, on: batch, optimizer: phase.optimizer, penalty: phase.penalty,
                    clipNorm: phase.clipNorm,
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
                }
                if let place = examination.targets.firstIndex(where: \.isWhole) {
                    examination.targets[place].surveyedCounts = classes.counts
                    examination.targets[place].surveyedKinds = classes.kinds
                }
                if examination.inputs.count == 1 { examination.inputs[0].featureNames = featureNames }
                var diagnosis = doctor.diagnose(examination)
                // What is known of the run before its first step, such as its schedule.
                let planned = doctor.look(at: Course(plan: plan(phase, schedule)), known: diagnosis.findings)
                // What keeps the rate at nothing is why steps are short.
                if planned.contains(where: { $0.illness.explains.contains(.noProgress) }) {
                    diagnosis.findings.removeAll { $0.illness == .learningRateTooLow }
                }
                diagnosis.findings += planned
                diagnosis.findings = diagnosis.findings.map { $0.offering(takes) }
                return diagnosis
            }
        }
    }

    /// The first batch, or the next of several classes where it has but one, and what classes the first few hold: a batch of
    /// a few samples may hold none of a rare class.
    /// - Returns: nil where there is no batch; no counts for data without classes.
    private func survey() throws -> (Batch, classes: (counts: [Int: Int], kinds: [Int]))? {
        let batches = try data.iterator(epoch: 0, from: 0, on: device)
        guard var chosen = try batches.next()?.batch else { return nil }
        func classes(_ batch: Batch) -> [Int32] {
            if case .classes(let classes)? = (batch as? GimbalTrain.Batch)?.hostTargets { classes } else { [] }
        }
        var counts: [Int: Int] = [:]
        for number in classes(chosen) { counts[Int(number), default: 0] += 1 }
        guard !counts.isEmpty else { return (chosen, ([:], [])) }
        var isOfOneClass = counts.count == 1
        var kinds = [counts.count]
        // Two thousand samples tell of a class that is one in a hundred.
        while kinds.count < 16, counts.values.reduce(0, +) < 2048, let next = try batches.next()?.batch {
            let classes = classes(next)
            kinds.append(Set(classes).count)
            if isOfOneClass, kinds.last! > 1 { (chosen, isOfOneClass) = (next, false) }
            for number in classes { counts[Int(number), default: 0] += 1 }
        }
        return (chosen, (counts, kinds))
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

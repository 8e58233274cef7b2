/// Lets a doctor follow a run: looks at its steps, keeps its course, and says what is found.
final class RunWatch<Batch> {
    let doctor: Doctor
    private let phases: [Phase<Batch>]
    private let monitors: [HealthMonitor]
    /// Of the ranks that watch the same run.
    private let exchange: (any GradientExchange)?
    /// How each phase has gone.
    private(set) var courses: [Course]
    /// What was found, in this order.
    private(set) var findings: [Finding] = []
    /// What is new since `takeNew` was called.
    private var new: [Finding] = []
    private var log: HealthLog?
    /// Which remedies are offered.
    var takes: (Remedy) -> Bool = { _ in true }
    /// What the rules have seen of each course.
    private var seen: [Seen]

    private struct Seen: Equatable {
        var (blocks, looks, epochs) = (0, 0, 0)
    }

    /// - Parameters:
    ///   - interval: steps between two looks.
    ///   - plans: what is known of each phase.
    ///   - exchange: of ranks that each compute rows of their own, and see those of all; nil for one alone.
    init(
        _ doctor: Doctor, _ phases: [Phase<Batch>], interval: Int, plans: [Course.Plan],
        exchange: (any GradientExchange)? = nil
    ) {
        self.doctor = doctor
        self.phases = phases
        self.exchange = exchange
        monitors = phases.map { HealthMonitor(interval: interval, stride: $0.interval) }
        courses = plans.map { Course(plan: $0) }
        seen = phases.map { _ in Seen() }
    }

    /// Writes what is seen to a run's folder, and takes up what was found before.
    /// - Throws: `GimbalError.fileSystem`.
    func open(_ folder: RunFolder, resumingAt step: Int?) throws {
        let log = try HealthLog(folder: folder.path, resumingAt: step)
        findings = log.earlier
        self.log = log
    }

    /// Takes up what is known of a run that is gone on with: how its first phase began, and its epochs.
    func takeUp(_ history: [EpochResult], trainLoss: Double?) {
        courses[0].takeUp(
            history.map {
                Course.Epoch(
                    number: $0.epoch, step: $0.step, trainLoss: $0.trainLoss, validationLoss: $0.validation["loss"])
            }, firstLoss: trainLoss)
    }

    /// Takes back what came after step `step`; findings stay.
    /// - Throws: `GimbalError.fileSystem`.
    func rewind(to step: Int) throws {
        for phase in courses.indices {
            courses[phase].rewind(to: step)
            monitors[phase].forget()
            seen[phase] = Seen(
                blocks: courses[phase].blocks.count, looks: courses[phase].looks.count,
                epochs: courses[phase].epochs.count)
        }
        try log?.rewind(to: step)
    }

    // MARK: A step

    /// Runs `body`, which computes the loss of a batch and its gradients.
    func watching(_ step: Int, phase: Int, _ body: () throws -> Void) rethrows {
        try monitors[phase].watching(step: step, body)
    }

    /// Tells that what the backward pass of a phase has given is multiplied by `factor`.
    func gradientsAreScaled(by factor: Double, phase: Int) { monitors[phase].gradientsAreScaled(by: factor) }

    /// What is told of the update of a phase.
    func seam(phase: Int) -> any TrainingCallback { UpdateSeam(monitors[phase]) }

    private final class UpdateSeam: TrainingCallback {
        private let monitor: HealthMonitor

        init(_ monitor: HealthMonitor) { self.monitor = monitor }

        func willClip(_ step: TrainingStep) { monitor.willUpdate(step.parameters) }
        func didUpdate(_ step: TrainingStep) { monitor.didUpdate() }
    }

    // MARK: What the host knows

    /// Takes in losses that the host has read, and looks. To be called where the host has waited for the device.
    /// - Parameter gradientNorm: of the newest step, where it was computed.
    /// - Throws: the first failure of the device; `GimbalError.fileSystem`, `GimbalError.exchange`.
    func add(_ losses: [(step: Int, loss: Double)], phase: Int, gradientNorm: Double?) throws {
        let rate = phases[phase].optimizer.learningRate
        for (index, (step, loss)) in losses.enumerated() {
            courses[phase].add(
                Course.Step(
                    number: step, loss: loss, learningRate: rate,
                    gradientNorm: index == losses.count - 1 ? gradientNorm : nil))
        }
        for var look in try monitors[phase].takeLooks(over: exchange) {
            if phases.count > 1 {
                for row in look.rows.indices { look.rows[row].name = "\(phases[phase].name): \(look.rows[row].name)" }
            }
            courses[phase].add(look)
            try log?.add(look)
        }
        try judge(phase)
    }

    /// Takes in the end of an epoch.
    /// - Throws: `GimbalError.fileSystem`.
    func add(_ epoch: Course.Epoch, phase: Int = 0) throws {
        courses[phase].add(epoch)
        try judge(phase)
    }

    private func judge(_ phase: Int) throws {
        let course = courses[phase]
        let now = Seen(blocks: course.blocks.count, looks: course.looks.count, epochs: course.epochs.count)
        guard now != seen[phase] else { return }
        seen[phase] = now
        for finding in doctor.look(at: course, known: findings) { try raise(finding) }
    }

    /// Notes a finding, unless its illness was found before.
    /// - Throws: `GimbalError.fileSystem`.
    func raise(_ finding: Finding) throws {
        guard !findings.contains(where: { $0.illness == finding.illness }) else { return }
        let finding = finding.offering(takes)
        findings.append(finding)
        new.append(finding)
        try log?.add(finding)
    }

    /// What was found since this was last asked.
    func takeNew() -> [Finding] {
        defer { new = [] }
        return new
    }
}

extension Course.Plan {
    /// What a phase says of itself.
    /// - Parameters:
    ///   - schedule: of the rate.
    ///   - steps: of the whole run; nil where that is not known.
    ///   - validationSamples: nil where that is not known.
    init<Batch>(
        _ phase: Phase<Batch>, schedule: Schedule, steps: Int?, isOnlyLoss: Bool, validationSamples: Int?
    ) {
        self.init(phase.optimizer, steps: steps)
        (self.isOnlyLoss, self.validationSamples) = (isOnlyLoss, validationSamples)
        if let steps, steps > 0 {
            let count = min(steps, 1000)
            rateFactors = (0..<count).map { schedule.factor(at: $0 * steps / count) }
        }
        clipNorm = phase.clipNorm
        weightDecay += phase.penalty?.l2 ?? 0
    }
}

extension Phase {
    /// The limit on the Euclidean norm of all gradients; nil for none.
    var clipNorm: Double? {
        clipping.compactMap { if case .globalNorm(let limit, 2) = $0 { limit } else { nil } }.min()
    }
}

extension Finding {
    /// Without the remedies that would change nothing, unless none would be left.
    func offering(_ takes: (Remedy) -> Bool) -> Finding {
        let useful = remedies.filter(takes)
        guard !useful.isEmpty else { return self }
        var finding = self
        finding.remedies = useful
        return finding
    }
}

import GimbalTrain

/// A net as a user has it, sick or healthy, and what the doctor should say of it.
public struct ClinicCase: Sendable {
    /// When the illness can be seen.
    public enum Moment: String, Sendable {
        /// From one batch, before the first step.
        case beforeTraining = "before training"
        /// After some steps only.
        case duringTraining = "during training"
    }

    /// A short name, such as `S1`.
    public let name: String
    /// The net, and what is wrong with it.
    public let title: String
    /// The causes that count as right; empty for a healthy net.
    public let illnesses: Set<Illness>
    /// Where it lies, for an illness of single layers: the finding has to name one of these first.
    public let layers: Set<String>
    /// When it can be seen.
    public let moment: Moment
    /// The step in which it begins to act, where that is one under way.
    public let beginsAt: Int
    /// Steps for which it is trained, where that is to show it.
    public let trainingSteps: Int
    let make: @Sendable () throws -> any Patient

    init(
        _ name: String, _ title: String, _ illnesses: Set<Illness>, layers: Set<String> = [],
        _ moment: Moment = .beforeTraining, beginsAt: Int = 1, steps: Int = 300,
        make: @escaping @Sendable () throws -> any Patient
    ) {
        (self.name, self.title, self.illnesses, self.layers) = (name, title, illnesses, layers)
        (self.moment, self.beginsAt, trainingSteps, self.make) = (moment, beginsAt, steps, make)
    }

    /// Whether there is nothing to be found.
    public var isHealthy: Bool { illnesses.isEmpty }

    /// The net with the weights and data of `seed`, used by `body` on the current device.
    /// - Throws: `MissingData` where its data is not on this machine; what `body` throws.
    public func withPatient<Result>(seed: UInt64, _ body: (any Patient) throws -> Result) throws -> Result {
        try withGenerator(RandomGenerator(seed: seed)) { try body(try make()) }
    }
}

/// What can be examined, and trained.
public protocol Patient {
    /// What `doctor` says of it before it is trained.
    func diagnose(by doctor: Doctor) throws -> Diagnosis
    /// What `doctor` finds while it is trained, for `steps` steps at the most.
    func train(for steps: Int, by doctor: Doctor) throws -> [Finding]
}

/// A batch of a clinic's program: what goes in, and what should come out.
public struct ClinicBatch {
    /// What goes into the model.
    public var x: Tensor
    /// What the loss aims at.
    public var y: Tensor
    /// What nothing looks at.
    public var unused: Tensor?

    package init(x: Tensor, y: Tensor) { (self.x, self.y) = (x, y) }
}

/// A model with a loss and an optimizer of its own.
public struct Program: Patient {
    /// What is trained.
    public let model: Module
    /// What it is trained by.
    public let optimizer: any Optimizer
    /// The batch of a step, from 0.
    public let batch: (Int) -> ClinicBatch
    /// The loss of a batch.
    public let loss: (ClinicBatch) throws -> Tensor
    /// Steps of its training.
    public let steps: Int
    /// What the rate is multiplied by.
    var schedule = Schedule.constant
    /// Whether gradients are forgotten before each step.
    var clearsGradients = true
    /// The limit on the norm of all gradients.
    var clipNorm: Double?

    init(
        _ model: Module, _ optimizer: any Optimizer, on batch: @escaping (Int) -> ClinicBatch, steps: Int = 1000,
        loss: @escaping (ClinicBatch) throws -> Tensor
    ) {
        (self.model, self.optimizer, self.batch, self.loss, self.steps) = (model, optimizer, batch, loss, steps)
    }

    public func diagnose(by doctor: Doctor) throws -> Diagnosis {
        try doctor.examine(model, on: batch(0), optimizer: optimizer, steps: steps, loss: loss)
    }

    /// As a user's own loop does it.
    public func train(for steps: Int, by doctor: Doctor) throws -> [Finding] {
        let monitor = HealthMonitor()
        let total = max(steps, self.steps)
        var plan = Course.Plan(optimizer, steps: total)
        plan.clipNorm = clipNorm
        plan.rateFactors = (0..<min(total, 1000)).map { schedule.factor(at: $0 * total / min(total, 1000)) }
        var course = Course(plan: plan)
        var found: [Finding] = []
        let rate = optimizer.learningRate
        for step in 1...steps {
            optimizer.learningRate = rate * schedule.factor(at: step - 1)
            if clearsGradients { optimizer.zeroGradients() }
            let batch = batch(step - 1)
            let value = try monitor.watching(step: step) {
                let loss = try self.loss(batch)
                try loss.backward()
                return try loss.doubles()[0]
            }
            monitor.willUpdate(optimizer.parameters)
            let norm = try clipGradientNorm(optimizer.parameters, maxNorm: clipNorm ?? .infinity).doubles()[0]
            guard value.isFinite, !norm.isNaN else {
                guard let origin = try NonFiniteOrigin.search(model, on: batch, loss: { try self.loss(batch) }) else {
                    return found
                }
                let finding = doctor.finding(of: origin, step: step, in: course)
                return found.contains { $0.illness == finding.illness } ? found : found + [finding]
            }
            try optimizer.step()
            monitor.didUpdate()
            course.add(Course.Step(number: step, loss: value, learningRate: optimizer.learningRate, gradientNorm: norm))
            let looks = try monitor.takeLooks()
            for look in looks { course.add(look) }
            if !looks.isEmpty || step % Course.blockLength == 0 { found += doctor.look(at: course, known: found) }
        }
        return found
    }
}

/// A run of a trainer, over epochs and with validation data.
public struct Run: Patient {
    let trainer: Trainer<Batch>

    public func diagnose(by doctor: Doctor) throws -> Diagnosis { try trainer.examine(by: doctor) }

    public func train(for steps: Int, by doctor: Doctor) throws -> [Finding] {
        (trainer.doctor, trainer.maxSteps) = (doctor, steps)
        do { try trainer.run() } catch GimbalError.nonFinite {}
        return trainer.findings
    }
}

/// A run of a classifier over epochs.
/// - Parameters:
///   - validation: what it is validated by; a fifth of `train`, which is then trained on the rest, unless given.
func run(
    _ model: any TensorLayer, _ optimizer: MakeOptimizer, on train: Dataset, validation: Dataset? = nil,
    batchSize: Int = 64, shuffles: Bool = true, change: (inout TrainerSettings) -> Void = { _ in }
) -> Run {
    let fifth = validation == nil ? train.count / 5 : 0
    var settings = TrainerSettings { ($0.epochs, $0.weights) = (1000, .last) }
    change(&settings)
    return Run(
        trainer: Trainer(
            model, optimizer: optimizer(model.parameters),
            data: DataLoader(
                train.subset(Array(fifth..<train.count)), batchSize: batchSize, shuffles: shuffles, seed: 3),
            validation: DataLoader(validation ?? train.prefix(fifth), batchSize: 128, shuffles: false),
            settings: settings
        ) { crossEntropy(model($0.inputs), $0.targets) })
}

/// A run that the command's flags can spell, so that the doctor can change it.
public struct RecipePatient: Patient {
    /// The run.
    public let recipe: Recipe
    /// The same with the cure that is known, whose figures a cure is measured against; nil for a healthy run.
    public var twin: (() throws -> RecipePatient)?
    /// What it is trained on.
    public let train: Dataset
    /// What it is judged by.
    public let validation: Dataset

    public func diagnose(by doctor: Doctor) throws -> Diagnosis {
        try recipe.makeRun(train: train, validation: validation).trainer.examine(by: doctor)
    }

    public func train(for steps: Int, by doctor: Doctor) throws -> [Finding] {
        try Run(trainer: try recipe.makeRun(train: train, validation: validation).trainer).train(for: steps, by: doctor)
    }
}

/// Data that is not on this machine.
public struct MissingData: Error, CustomStringConvertible {
    /// Where it was looked for.
    public let path: String
    public var description: String { "skipped: \(path) is not there" }
}

extension [ClinicCase] {
    /// A sick net, and the same with its cure.
    static func pair(
        _ name: String, _ title: String, _ illnesses: Set<Illness>, layers: Set<String> = [],
        _ moment: ClinicCase.Moment = .beforeTraining, beginsAt: Int = 1, steps: Int = 300,
        cure: String, sick: @escaping @Sendable () throws -> any Patient,
        healthy: @escaping @Sendable () throws -> any Patient
    ) -> [ClinicCase] {
        [
            ClinicCase(name, title, illnesses, layers: layers, moment, beginsAt: beginsAt, steps: steps, make: sick),
            ClinicCase(name + " cured", title + ", cured: " + cure, [], moment, steps: steps, make: healthy),
        ]
    }

    /// Pairs one after the other.
    static func pairs(_ pairs: [ClinicCase]...) -> [ClinicCase] { pairs.flatMap { $0 } }
}

extension ClinicCase {
    /// A healthy net.
    static func healthy(
        _ name: String, _ title: String, _ moment: ClinicCase.Moment = .beforeTraining, steps: Int = 300,
        make: @escaping @Sendable () throws -> any Patient
    ) -> ClinicCase {
        ClinicCase(name, title, [], moment, steps: steps, make: make)
    }
}

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
    let make: @Sendable () throws -> any Patient

    init(
        _ name: String, _ title: String, _ illnesses: Set<Illness>, layers: Set<String> = [],
        _ moment: Moment = .beforeTraining, make: @escaping @Sendable () throws -> any Patient
    ) {
        (self.name, self.title, self.illnesses, self.layers) = (name, title, illnesses, layers)
        (self.moment, self.make) = (moment, make)
    }

    /// Whether there is nothing to be found.
    public var isHealthy: Bool { illnesses.isEmpty }

    /// The net with the weights and data of `seed`, used by `body` on the current device.
    /// - Throws: `MissingData` where its data is not on this machine; what `body` throws.
    public func withPatient<Result>(seed: UInt64, _ body: (any Patient) throws -> Result) throws -> Result {
        try withGenerator(RandomGenerator(seed: seed)) { try body(try make()) }
    }
}

/// What can be examined.
public protocol Patient {
    /// What `doctor` says of it before it is trained.
    func diagnose(by doctor: Doctor) throws -> Diagnosis
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

    init(
        _ model: Module, _ optimizer: any Optimizer, on batch: @escaping (Int) -> ClinicBatch, steps: Int = 1000,
        loss: @escaping (ClinicBatch) throws -> Tensor
    ) {
        (self.model, self.optimizer, self.batch, self.loss, self.steps) = (model, optimizer, batch, loss, steps)
    }

    public func diagnose(by doctor: Doctor) throws -> Diagnosis {
        try doctor.examine(model, on: batch(0), optimizer: optimizer, steps: steps, loss: loss)
    }
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
        _ moment: ClinicCase.Moment = .beforeTraining,
        cure: String, sick: @escaping @Sendable () throws -> any Patient,
        healthy: @escaping @Sendable () throws -> any Patient
    ) -> [ClinicCase] {
        [
            ClinicCase(name, title, illnesses, layers: layers, moment, make: sick),
            ClinicCase(name + " cured", title + ", cured: " + cure, [], moment, make: healthy),
        ]
    }

    /// Pairs one after the other.
    static func pairs(_ pairs: [ClinicCase]...) -> [ClinicCase] { pairs.flatMap { $0 } }
}

extension ClinicCase {
    /// A healthy net.
    static func healthy(
        _ name: String, _ title: String, make: @escaping @Sendable () throws -> any Patient
    ) -> ClinicCase {
        ClinicCase(name, title, [], make: make)
    }
}

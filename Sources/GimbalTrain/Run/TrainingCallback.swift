/// Takes part in a run: watches it, or changes gradients between backward pass and update.
///
/// In each step, and in it for each phase, the calls come in this order: for each batch `willForward`, `didForward`;
/// then `didBackward`, `willClip`, `willUpdate`, `didUpdate`. An error that any of them throws ends the run. What a
/// callback leaves out does nothing.
///
/// ```swift
/// final class LargestGradient {}
///
/// extension LargestGradient: TrainingCallback {
///     func willClip(_ step: TrainingStep) throws {
///         print(step.number, step.phase, try gradientNorm(step.parameters, p: .infinity).item())
///     }
/// }
/// ```
/// To read a value waits for the device, which a run does not do otherwise.
///
/// A method whose name or parameters are not those of the protocol is never called. The compiler finds most of them, by
/// "nearly matches defaulted requirement", where the conformance is an extension that holds nothing else, as above; it is
/// silent of methods in the class itself.
public protocol TrainingCallback: AnyObject {
    /// Called before the loss of a batch is computed.
    func willForward(_ step: TrainingStep) throws
    /// Called when the loss of a batch is computed, before the backward pass through it.
    func didForward(_ step: TrainingStep, loss: Tensor) throws
    /// Called when all backward passes of the phase are done. Gradients are the mean over all samples of the step, times
    /// `step.lossScale`. Here processes exchange theirs.
    func didBackward(_ step: TrainingStep) throws
    /// Called when gradients are those of the loss, penalty and noise included, before they are limited.
    func willClip(_ step: TrainingStep) throws
    /// Called when gradients are what the optimizer will take.
    func willUpdate(_ step: TrainingStep) throws
    /// Called when the optimizer has changed the weights.
    func didUpdate(_ step: TrainingStep) throws
    /// Called after each reported step: see `Trainer.reportInterval`.
    func didReport(_ report: StepReport) throws
    /// Called when the trainer's doctor has found out why the run goes wrong, once for each cause.
    func didFind(_ finding: Finding) throws
    /// Called when the run has gone back to where it was well: what came after `recovery.backTo` will come anew.
    func didRecover(_ recovery: Recovery) throws
    /// Called at the end of each epoch, after it was evaluated and before the checkpoint is saved.
    func didFinishEpoch(_ result: EpochResult) throws
    /// Called when a checkpoint is saved.
    func didSave(_ path: String) throws
    /// Called when a run is interrupted, in this process or another of its ranks, after the step under way and before all is
    /// saved.
    func willLeave() throws
}

extension TrainingCallback {
    /// Does nothing.
    public func willForward(_ step: TrainingStep) throws {}
    /// Does nothing.
    public func didForward(_ step: TrainingStep, loss: Tensor) throws {}
    /// Does nothing.
    public func didBackward(_ step: TrainingStep) throws {}
    /// Does nothing.
    public func willClip(_ step: TrainingStep) throws {}
    /// Does nothing.
    public func willUpdate(_ step: TrainingStep) throws {}
    /// Does nothing.
    public func didUpdate(_ step: TrainingStep) throws {}
    /// Does nothing.
    public func didReport(_ report: StepReport) throws {}
    /// Does nothing.
    public func didFind(_ finding: Finding) throws {}
    /// Does nothing.
    public func didRecover(_ recovery: Recovery) throws {}
    /// Does nothing.
    public func didFinishEpoch(_ result: EpochResult) throws {}
    /// Does nothing.
    public func didSave(_ path: String) throws {}
    /// Does nothing.
    public func willLeave() throws {}
}

/// Where in a run a callback is called.
public struct TrainingStep {
    /// The epoch under way, counted from 1.
    public var epoch: Int
    /// The step under way, counted from 1.
    public var number: Int
    /// The phase under way.
    public var phase: String
    /// The optimizer of the phase, at the rate of this step.
    public var optimizer: any Optimizer
    /// What gradients are multiplied by in `didBackward`, on the device; nil for 1, as in all precisions but float16.
    public var lossScale: Tensor?
    /// The norm of all gradients before they were limited, on the device, where that was computed; nil before.
    public var gradientNorm: Tensor?

    /// The parameters of the phase.
    public var parameters: [Parameter] { optimizer.parameters }
}

/// What is known after an optimizer step that is reported.
public struct StepReport: Sendable {
    /// The epoch under way, counted from 1.
    public var epoch: Int
    /// Epochs in the whole run.
    public var epochs: Int
    /// Optimizer steps since the start of the run.
    public var step: Int
    /// Optimizer steps in the whole run; nil where the data does not tell.
    public var steps: Int?
    /// The rate that the first phase took the step with.
    public var learningRate: Double
    /// Mean loss of the first phase over the samples since the last report; NaN where none was finite.
    public var loss: Double
    /// The same for each phase, by name.
    public var losses: [String: Double]
    /// Norm of all gradients of the first phase before they were clipped; nil unless clipping computes it.
    public var gradientNorm: Double?
    /// Samples trained with per second since training began or was resumed, evaluation and saving left out.
    public var samplesPerSecond: Double
    /// Estimate of the time to the end of training; nil where there is none yet.
    public var secondsLeft: Double?

    /// The report of a step, as `Trainer` makes it.
    public init(
        epoch: Int, epochs: Int, step: Int, steps: Int?, learningRate: Double, loss: Double,
        losses: [String: Double] = [:], gradientNorm: Double?, samplesPerSecond: Double, secondsLeft: Double?
    ) {
        self.epoch = epoch
        self.epochs = epochs
        self.step = step
        self.steps = steps
        self.learningRate = learningRate
        self.loss = loss
        self.losses = losses
        self.gradientNorm = gradientNorm
        self.samplesPerSecond = samplesPerSecond
        self.secondsLeft = secondsLeft
    }
}

/// Prints a line at the end of each epoch.
///
/// ```swift
/// trainer.callbacks.append(ConsoleLog())  // epoch 1  trainLoss 0.6931  validationLoss 0.6412
/// ```
public final class ConsoleLog: TrainingCallback {
    /// A log to standard output.
    public init() {}

    public func didFinishEpoch(_ result: EpochResult) { print(result) }
}

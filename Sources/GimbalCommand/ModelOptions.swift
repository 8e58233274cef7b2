import ArgumentParser
import GimbalTrain

/// What to train. Every option may be left out: a new run then takes the default, a resumed one what it began with.
struct ModelOptions: ParsableArguments {
    @Option(help: "The model. (default: mlp)")
    var model: ModelSettings.Kind?
    @Option(help: "Units in each hidden layer. (default: 512)")
    var hidden: Int?
    @Option(help: "Number of hidden layers. (default: 1)")
    var layers: Int?
    @Option(help: "What follows each hidden layer. (default: relu)")
    var activation: ModelSettings.Activation?
    @Option(
        name: .customLong("init"),
        help: "How weights begin; default is each layer's own, as in PyTorch. (default: default)")
    var initialization: ModelSettings.Initialization?
    @Option(help: "Standard deviation of --init normal, half width of --init uniform. (default: 0.01)")
    var initScale: Double?
    @Option(help: "Normalisation between a hidden layer and its activation. (default: batch)")
    var norm: ModelSettings.Normalization?
    @Flag(inversion: .prefixedNo, help: "Add the input of each hidden layer after the first to its output.")
    var residual: Bool?
    @Option(help: "Probability of dropping a hidden unit. (default: 0)")
    var dropout: Double?

    /// The settings for data of these sizes, or those of the run to be resumed.
    func settings(for dataset: Dataset, resuming saved: ModelSettings?) throws -> ModelSettings {
        var result = saved ?? ModelSettings(for: dataset)
        let isNew = saved == nil
        try take(model, "--model", into: &result.kind, isNew)
        try take(hidden, "--hidden", into: &result.hidden, isNew)
        try take(layers, "--layers", into: &result.layers, isNew)
        try take(activation, "--activation", into: &result.activation, isNew)
        try take(initialization, "--init", into: &result.initialization, isNew)
        try take(initScale, "--init-scale", into: &result.initializationScale, isNew)
        try take(norm, "--norm", into: &result.normalization, isNew)
        try take(residual, "--residual", into: &result.isResidual, isNew)
        try take(dropout, "--dropout", into: &result.dropout, isNew)
        try result.validate()
        return result
    }
}

/// How to train it.
struct TrainingOptions: ParsableArguments {
    @Option(help: "The optimizer. (default: sgd)")
    var optimizer: TrainingSettings.OptimizerKind?
    @Option(name: .customLong("lr"), help: "Learning rate. (default: 0.01)")
    var learningRate: Double?
    @Option(help: "Momentum of sgd. (default: 0)")
    var momentum: Double?
    @Flag(inversion: .prefixedNo, help: "Nesterov's variant of momentum.")
    var nesterov: Bool?
    @Option(help: "L2 penalty; decoupled with adamw. (default: 0)")
    var weightDecay: Double?
    @Option(help: "How the learning rate changes. (default: constant)")
    var schedule: TrainingSettings.ScheduleKind?
    @Option(help: "Optimizer steps of linear warmup before the schedule. (default: 0)")
    var warmup: Int?
    @Option(help: "Epochs between two reductions by --schedule step. (default: 10)")
    var stepEpochs: Int?
    @Option(help: "What --schedule step multiplies by. (default: 0.1)")
    var stepFactor: Double?
    @Option(help: "Global norm that gradients are clipped to; 0 does not clip. (default: 1.0)")
    var clipNorm: Double?
    @Option(help: "Order of that norm, or inf. (default: 2)")
    var clipOrder: Double?
    @Option(help: "Limit on each element of the gradient; 0 does not clip. (default: 0)")
    var clipValue: Double?
    @Option(help: "Samples in a batch. (default: 64)")
    var batchSize: Int?
    @Option(help: "Batches whose gradients are added up for one step. (default: 1)")
    var accumulate: Int?
    @Option(help: "Times to go through the data; may be raised when resuming. (default: 5)")
    var epochs: Int?
    @Option(help: "Of the weights, the order of the samples and dropout. (default: 0)")
    var seed: UInt64?

    /// The settings of a new run, or those of the run to be resumed.
    func settings(resuming saved: TrainingSettings?) throws -> TrainingSettings {
        var result = saved ?? TrainingSettings()
        let isNew = saved == nil
        if isNew { result.clipNorm = 1 }
        try take(optimizer, "--optimizer", into: &result.optimizer, isNew)
        try take(learningRate, "--lr", into: &result.learningRate, isNew)
        try take(momentum, "--momentum", into: &result.momentum, isNew)
        try take(nesterov, "--nesterov", into: &result.isNesterov, isNew)
        try take(weightDecay, "--weight-decay", into: &result.weightDecay, isNew)
        try take(schedule, "--schedule", into: &result.schedule, isNew)
        try take(warmup, "--warmup", into: &result.warmup, isNew)
        try take(stepEpochs, "--step-epochs", into: &result.stepEpochs, isNew)
        try take(stepFactor, "--step-factor", into: &result.stepFactor, isNew)
        try take(clipNorm.map { $0 == 0 ? nil : $0 }, "--clip-norm", into: &result.clipNorm, isNew)
        try take(clipOrder, "--clip-order", into: &result.clipOrder, isNew)
        try take(clipValue.map { $0 == 0 ? nil : $0 }, "--clip-value", into: &result.clipValue, isNew)
        try take(batchSize, "--batch-size", into: &result.batchSize, isNew)
        try take(accumulate, "--accumulate", into: &result.accumulation, isNew)
        try take(epochs, "--epochs", into: &result.epochs, true)
        try take(seed, "--seed", into: &result.seed, isNew)
        try result.validate()
        return result
    }
}

/// Sets `setting` to what was given. In a resumed run it must be what the run began with.
private func take<Value: Equatable>(
    _ given: Value?, _ name: String, into setting: inout Value, _ isNew: Bool
) throws {
    guard let given else { return }
    guard isNew || given == setting else {
        throw GimbalError.invalidSetting(
            name: name, reason: "the run began with \(setting), which --resume cannot change; leave the option out")
    }
    setting = given
}

extension ModelSettings.Kind: ExpressibleByArgument {}
extension ModelSettings.Activation: ExpressibleByArgument {}
extension ModelSettings.Initialization: ExpressibleByArgument {}
extension ModelSettings.Normalization: ExpressibleByArgument {}
extension TrainingSettings.OptimizerKind: ExpressibleByArgument {}
extension TrainingSettings.ScheduleKind: ExpressibleByArgument {}

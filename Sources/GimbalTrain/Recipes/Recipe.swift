import Foundation
import GimbalNN

/// What the flags of `gimbal train` spell: a model of a known kind, and how it is trained. It makes a `Trainer`.
///
/// ```swift
/// let digits = Dataset.digits().split(trainFraction: 0.8)
/// let recipe = Recipe(model: ModelSettings(kind: .lstm, for: digits.train), training: TrainingSettings(for: .lstm))
/// let run = try recipe.makeRun(train: digits.train, validation: digits.test)
/// try run.trainer.run()
/// print(try run.evaluate(on: digits.test))
/// ```
/// A run with a folder keeps its recipe in its `RunRecord`.
public struct Recipe: Codable, Sendable, Equatable {
    /// What the model is built from.
    public var model: ModelSettings
    /// How it is trained.
    public var training: TrainingSettings
    /// What it is trained on. A recipe without one takes it from the data that a run is made with.
    public var data: DataRecord

    /// - Parameters:
    ///   - model: what the model is built from.
    ///   - training: how it is trained.
    ///   - data: what is known of the data, such as `DataParts.record`; unless given, it is taken as it is.
    public init(model: ModelSettings, training: TrainingSettings, data: DataRecord = DataRecord()) {
        self.model = model
        self.training = training
        self.data = data
    }

    /// Checks what may have come from a file.
    /// - Throws: `GimbalError.invalidSetting`.
    public func validate() throws {
        try model.validate()
        try training.validate()
        try data.validate()
    }

    /// Builds the model with its first weights, and its trainer.
    /// - Parameters:
    ///   - train: what the model is trained on.
    ///   - validation: what is measured after each epoch; nil, or an empty data set, measures nothing.
    ///   - device: where the model is to be.
    ///   - folder: where checkpoints and `metrics.csv` are written.
    ///   - earlier: when the run began and was gone on with before, where it is gone on with.
    ///   - command: the command line that the record says this start was made by; that of the process unless given.
    ///   - loadsPretrained: whether the weights that the recipe begins with are read; a run whose checkpoint is restored
    ///     afterwards has no need of them.
    ///   - exchange: with the ranks that the optimizer's moments are divided among; nil keeps them whole.
    ///   - ranks: how many share out each batch, and normalise it by their own rows where it is: each then has two at least, but
    ///     of an epoch's last batch.
    /// - Throws: `GimbalError.invalidSetting` for settings that do not go together or do not fit the data,
    ///   `GimbalError.outOfMemory` for a model larger than the device, and what reading pretrained weights throws.
    public func makeRun(
        train: any SupervisedData, validation: (any SupervisedData)? = nil, device: Device = .current,
        folder: RunFolder? = nil, continuing earlier: [RunRecord.Start] = [],
        command: [String] = CommandLine.arguments, loadsPretrained: Bool = true,
        shardedOver exchange: (any GradientExchange)? = nil, ranks: Int = 1
    ) throws -> RecipeRun {
        var recipe = self
        if data.name.isEmpty { recipe.data = DataRecord(train, validation: validation) }
        if let weights = training.classWeights, weights.isBalanced, weights.weights.isEmpty {
            recipe.training.classWeights = weights.filled(counts: try train.classCounts(), names: train.classNames)
        }
        let record = RunRecord(recipe, starts: earlier + [RunRecord.Start(on: device, command: command)])
        return try RecipeRun(
            record, train: train, validation: (validation?.count ?? 0) > 0 ? validation : nil, device: device,
            folder: folder, loadsPretrained: loadsPretrained, shardedOver: exchange, ranks: ranks)
    }

    /// Loss and scores of a model of this recipe on data, as a run measures them: `loss` is what is trained with.
    /// - Parameters:
    ///   - layer: a model that this recipe makes, with weights.
    ///   - dataset: standardised as the training data was.
    ///   - batchSize: samples that are tested at once; nil for as many as in training.
    ///   - precision: what products are computed in; nil for what training uses.
    ///   - exchange: that of ranks which measure together, as `Evaluation` has it; nil where one measures alone.
    ///
    /// Where there is no memory for so many, and neither is on a second try, half as many are tested at once, and so on: the
    /// last bits of the mean loss may be others then.
    /// - Throws: what the device and the exchange report.
    public func evaluate(
        _ layer: any TensorLayer, on dataset: any SupervisedData, batchSize: Int? = nil, precision: Precision? = nil,
        exchange: (any GradientExchange)? = nil
    ) throws -> Evaluation {
        let device = layer.parameters.first?.device ?? .current
        let weights = try training.classWeights?.values(for: dataset.classNames)
        let weight = weights.map { Tensor($0.map(Float.init), device: device) }
        var (size, isSecond) = (batchSize ?? model.evaluationBatchSize, false)
        while true {
            do {
                return try withPrecision(precision ?? training.precision) {
                    try Evaluation(
                        of: layer, on: dataset, sampleShape: model.sampleShape, batchSize: size,
                        device: device, standardization: data.targetStandardization, classWeights: weights,
                        exchange: exchange
                    ) { training.loss(of: $0, $1, task: model.task, weight: weight) }
                }
            } catch GimbalError.outOfMemory where exchange == nil && (!isSecond || min(size, dataset.count) > 1) {
                if isSecond { size = (min(size, dataset.count) + 1) / 2 }
                isSecond = true
            }
        }
    }

    /// As `evaluate(_:on:batchSize:precision:exchange:)`, and of pairs of texts also BLEU of what the model writes, which
    /// every rank writes for itself.
    public func test(
        _ layer: any TensorLayer, on dataset: any SupervisedData, batchSize: Int? = nil, precision: Precision? = nil,
        exchange: (any GradientExchange)? = nil
    ) throws -> Evaluation {
        var evaluation = try evaluate(
            layer, on: dataset, batchSize: batchSize, precision: precision, exchange: exchange)
        if let pairs = dataset as? PairPart, pairs.count > 0, let model = layer as? any SequenceToSequenceModel,
            var scores = evaluation.text
        {
            scores.bleu = try withPrecision(precision ?? training.precision) {
                try PairWriter(model, data.requiredText().makeTokenizer()).bleu(on: pairs)
            }
            evaluation.scores = .tokens(scores)
        }
        return evaluation
    }

    /// Makes sure that the recipe can be used on this data.
    fileprivate func requireFit(_ train: any SupervisedData, _ device: Device, ranks: Int) throws {
        try training.validate()
        try model.validate()
        try training.validate(for: model)
        try checkSetting(
            data.series == nil || training.augmentation.isEmpty, "augmentation", "is for images, not for a series")
        try checkSetting(train.count > 0, "data", "\(train.name) has no samples to train on")
        try model.requireFit(train, "the model", name: "data")
        try checkSetting(
            !model.needsSeveralSamples || min(train.count, training.batchSize) >= 2 * ranks,
            model.normalization == .batch ? "normalization" : "kind",
            "\(model.normalization == .batch ? "batch" : model.kind.rawValue) needs batches of at least two samples"
                + (ranks > 1 ? " for each of \(ranks) ranks, or statistics over all of them" : "")
                + (train.count > 1 ? "" : "; \(train.name) has one to train on"))
        // Weights and gradients.
        try model.requireMemory(on: device, bytesPerWeight: 8)
    }
}

/// A run of a recipe: the model and its trainer.
public struct RecipeRun {
    /// What the run keeps of itself.
    public let record: RunRecord
    /// The model that is trained.
    public let model: any TensorLayer
    /// What trains it.
    public let trainer: Trainer<Batch>
    /// What became of every tensor of the weights that training began with; nil where it began with weights that were
    /// drawn, or goes on from a checkpoint.
    public let pretraining: LoadReport?
    /// Names of tensors of which some rows, those of tokens or classes that the weights know, are as they were trained.
    public let partlyPretrained: [String]
    /// What is doubtful about the weights that training began with, in sentences.
    public let pretrainingNotes: [String]
    private let sample: Dataset

    /// The recipe, with what the data added to it.
    public var recipe: Recipe { record.recipe }

    fileprivate init(
        _ record: RunRecord, train: any SupervisedData, validation: (any SupervisedData)?, device: Device,
        folder: RunFolder?, loadsPretrained: Bool, shardedOver exchange: (any GradientExchange)?, ranks: Int
    ) throws {
        let recipe = record.recipe
        try recipe.requireFit(train, device, ranks: ranks)
        let (settings, training) = (recipe.model, recipe.training)
        self.record = record
        let first = try train.examples(limit: settings.initialization == .lsuv ? 256 : 1)
        sample = first.prefix(1)
        let generator = RandomGenerator(seed: training.seed)
        let model = withGenerator(generator) { settings.makeModel(device: device) }
        self.model = model
        if settings.initialization == .lsuv {
            let batch = first.batch(on: device)
            try withGenerator(generator) { _ = try model.initializeLSUV(settings.shaped(batch.inputs)) }
        }
        let loading =
            loadsPretrained
            ? try training.fineTuning?.load(into: model, head: settings.headPath(in: model), for: recipe.data) : nil
        pretraining = loading?.report
        (partlyPretrained, pretrainingNotes) = (loading?.partial ?? [], loading?.notes ?? [])
        try training.fineTuning?.freeze(model)
        try training.layerDecays?.requireFit(model)
        // Batch statistics need two samples: a last batch of one is left out. How many batches there are does not depend on the
        // number of ranks, so that a run can go on on another.
        let batches = try train.trainingBatches(
            of: training.batchSize, leastSize: settings.needsSeveralSamples ? 2 : 1, seed: training.seed,
            augmentation: training.makeAugmentation(for: train))
        let weights = try training.classWeights?.values(for: train.classNames)
        let weight = weights.map { Tensor($0.map(Float.init), device: device) }
        let phase = Phase<Batch>(
            "model", training.makeOptimizer(model.parameters, shardedOver: exchange), schedule: training.makeSchedule,
            clipping: training.clipping, nonFinite: training.nonFinite,
            penalty: training.l1 > 0 ? WeightPenalty(l1: training.l1) : nil,
            noise: training.gradientNoise > 0 ? GradientNoise(eta: training.gradientNoise) : nil,
            constraint: training.maxWeightNorm.map { .maxNorm($0) }
        ) { batch in
            let loss = training.loss(
                of: model(settings.shaped(batch.inputs)), batch.targets, task: settings.task, weight: weight)
            guard let targets = batch.hostTargets else { return loss }
            switch targets {
            case .classes(let classes): return weights.map { WeightedLoss(loss, weight: $0.sum(over: classes)) } ?? loss
            // The mean is over tokens, of which some batches have more than others.
            case .tokens: return WeightedLoss(loss, count: targets.judgedCount)
            case .values: return loss
            }
        }
        trainer = Trainer(
            model, phases: [phase], data: batches, settings: training.course, generator: generator, folder: folder)
        trainer.dataDescription = "\(train.name) with \(train.isCountExact ? "" : "about ")\(train.count) samples"
        trainer.attachments = [RunRecord.fileName: try record.json()]
        trainer.shownSettings = RunSettings.list(of: recipe)
        // What the recipe cannot take, or has already, is no advice; that inputs are standardised is up to the data.
        trainer.takes = { $0.change.map { $0 == .standardization || recipe.applying($0) != nil } ?? true }
        trainer.featureNames = recipe.data.table?.schema.featureNames ?? []
        if let validation {
            (trainer.validationSamples, trainer.validationExamples) = (validation.count, validation)
            trainer.evaluation = { [weak trainer] in
                try recipe.evaluate(model, on: validation, exchange: trainer?.exchange).figures
            }
        }
    }

    /// Loss and scores on data with the weights that the model holds now: after a run, the chosen ones. Where the trainer has
    /// an exchange, all ranks have to call this, and measure together.
    /// - Parameter dataset: standardised as the training data was.
    /// - Throws: what the device and the exchange report.
    public func evaluate(on dataset: any SupervisedData) throws -> Evaluation {
        try recipe.evaluate(model, on: dataset, exchange: trainer.exchange)
    }

    /// As `evaluate(on:)`, and of pairs of texts also BLEU of what the model writes.
    public func test(on dataset: any SupervisedData) throws -> Evaluation {
        try recipe.test(model, on: dataset, exchange: trainer.exchange)
    }

    /// The model's tree with the shapes that it gives out for one sample of the training data.
    public var summary: String {
        let sample = sample.batch([0]).to(model.parameters.first?.device ?? .current)
        return withPrecision(recipe.training.precision) { model.summary(of: recipe.model.shaped(sample.inputs)) }
    }
}

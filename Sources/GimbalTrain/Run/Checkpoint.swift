import Foundation

/// What a run must know, beside weights and moments, to go on as if never stopped.
public struct CheckpointManifest: Codable, Sendable, Equatable {
    /// Version of the layout of the checkpoint's files; this version of Gimbal reads 2.
    public var formatVersion = 2
    /// What the model is built from.
    public var model: ModelSettings
    /// How it is trained.
    public var training: TrainingSettings
    /// The data the model was trained on, as the command line names it.
    public var data: String
    /// Names of the classes, where the data has them.
    public var classNames: [String]
    /// What was done to the data before training; nil for data that was taken as it is.
    public var standardization: Standardization?
    /// How the rows of a table become numbers, and which are held back; nil for other data.
    public var table: TableRecord?
    /// How far the run has come.
    public var progress: TrainingProgress
    /// Where the run's stream of random numbers stands.
    public var random: RandomState
    /// Steps taken by each parameter, by name, for the optimizer's bias corrections; set by `Checkpoint.save`.
    public var optimizerSteps: [String: Int] = [:]

    /// A manifest of this version, to be given to `Checkpoint.save`.
    public init(
        model: ModelSettings, training: TrainingSettings, data: String, classNames: [String],
        standardization: Standardization? = nil, table: TableRecord? = nil, progress: TrainingProgress,
        random: RandomState
    ) {
        self.model = model
        self.training = training
        self.data = data
        self.classNames = classNames
        self.standardization = standardization
        self.table = table
        self.progress = progress
        self.random = random
    }
}

extension CheckpointManifest {
    /// JSON has no infinities; the order of a norm and the loss on test data may be one.
    static var encoder: JSONEncoder {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys]
        encoder.nonConformingFloatEncodingStrategy = .convertToString(
            positiveInfinity: "inf", negativeInfinity: "-inf", nan: "nan")
        return encoder
    }

    static var decoder: JSONDecoder {
        let decoder = JSONDecoder()
        decoder.nonConformingFloatDecodingStrategy = .convertFromString(
            positiveInfinity: "inf", negativeInfinity: "-inf", nan: "nan")
        return decoder
    }
}

/// How far a run has come.
public struct TrainingProgress: Codable, Sendable, Equatable {
    /// Epochs finished.
    public var epoch = 0
    /// Batches of the current epoch that have been used.
    public var batch = 0
    /// Optimizer steps since the start.
    public var step = 0
    /// Sum of the losses of the current epoch's samples; those that were not finite are left out where they are
    /// tolerated.
    public var lossSum = 0.0
    /// Number of samples in `lossSum`.
    public var lossCount = 0
    /// Results of each epoch finished, in order.
    public var history: [EpochResult] = []
    /// What the schedule `plateau` has seen; nil for other schedules.
    public var plateau: ReduceOnPlateau?
    /// What early stopping has seen; nil without it.
    public var stopping: EarlyStopping.State?
    /// Whether early stopping has ended the run.
    public var hasStopped = false
    /// How often the moving average of the weights was updated; nil where none is kept.
    public var averageUpdates: Int?
    /// Steps that the loss scale left out and that were taken off the optimizer's counts; nil for none.
    public var discountedSteps: Int?

    /// The progress of a run that has not begun.
    public init() {}
}

/// Losses and scores of a finished epoch.
public struct EpochResult: Codable, Sendable, Equatable {
    /// The number of the epoch, counted from 1.
    public var epoch: Int
    /// Mean loss over the samples of the epoch as they were met, while the weights changed.
    public var trainLoss: Double
    /// Mean loss over the test data after the epoch.
    public var testLoss: Double
    /// Share of the test data whose class was told rightly; nil for a regression.
    public var testAccuracy: Double?
    /// R² on the test data: see `RegressionScores.determination`; nil for a classifier.
    public var testR2: Double?

    /// The result of epoch `epoch`, counted from 1, with accuracy or R² taken from `scores`.
    public init(epoch: Int, trainLoss: Double, testLoss: Double, _ scores: Evaluation.Scores) {
        self.epoch = epoch
        self.trainLoss = trainLoss
        self.testLoss = testLoss
        switch scores {
        case .classes(let confusion): testAccuracy = confusion.accuracy
        case .values(let scores): testR2 = scores.determination
        }
    }
}

/// A saved state of a run: a folder with `model.safetensors`, `optimizer.safetensors`, `manifest.json` and, where a run
/// keeps averages, norms or its best weights, `extras.safetensors`.
///
/// A checkpoint is written beside its place, synced to disk and renamed, so that it is there whole or not at all.
public struct Checkpoint {
    /// The checkpoint's folder.
    public let path: String
    /// What was read from `manifest.json`.
    public let manifest: CheckpointManifest

    /// Opens a checkpoint and reads its manifest; `restore(model:optimizer:)` reads the tensors.
    /// - Throws: `GimbalError.fileSystem` for a folder that is not there, `GimbalError.invalidFile` for one that is no
    ///   checkpoint.
    public init(path: String) throws {
        self.path = path
        let file = path + "/manifest.json"
        guard FileManager.default.fileExists(atPath: path) else {
            throw GimbalError.fileSystem(operation: "open", path: path, reason: "no such checkpoint")
        }
        guard let data = FileManager.default.contents(atPath: file) else {
            throw GimbalError.invalidFile(path: path, reason: "is not a checkpoint: it has no readable manifest.json")
        }
        do {
            manifest = try CheckpointManifest.decoder.decode(CheckpointManifest.self, from: data)
            try manifest.model.validate()
            try manifest.training.validate()
            try manifest.table?.validate()
        } catch {
            throw GimbalError.invalidFile(
                path: file, reason: "is not a manifest of a checkpoint: \(summary(of: error))")
        }
        guard manifest.formatVersion == 2 else {
            throw GimbalError.invalidFile(
                path: file, reason: "has format version \(manifest.formatVersion); this version of Gimbal reads 2")
        }
    }

    /// Loads weights, and moments where `optimizer` is given.
    /// - Throws: `GimbalError.weightMismatch` where they are another model's or optimizer's, `GimbalError.invalidFile`,
    ///   `GimbalError.fileSystem`.
    public func restore(model: Module, optimizer: (any Optimizer)? = nil) throws {
        try model.load(from: path + "/model.safetensors")
        guard let optimizer else { return }
        let file = try SafeTensors(path: path + "/optimizer.safetensors")
        let device = optimizer.parameters.first?.device ?? .current
        let model = Tensor.zeros([], device: device)
        let tensors = try file.entries.map { (name: $0.name, value: try file.tensor($0, like: model)) }
        do {
            try optimizer.restore(OptimizerState(tensors: tensors, steps: manifest.optimizerSteps))
        } catch GimbalError.weightMismatch(_, let missing, let unexpected, let misshaped) {
            throw GimbalError.weightMismatch(
                path: file.path, missing: missing, unexpected: unexpected, misshaped: misshaped)
        }
    }

    /// The tensors saved beside model and optimizer; none where there were none.
    func extras(device: Device) throws -> [(name: String, value: Tensor)] {
        let path = path + "/extras.safetensors"
        guard FileManager.default.fileExists(atPath: path) else { return [] }
        let file = try SafeTensors(path: path)
        let model = Tensor.zeros([], device: device)
        return try file.entries.map { ($0.name, try file.tensor($0, like: model)) }
    }

    /// Writes a checkpoint to `path`, in place of one that is there; `extras` are tensors to be saved beside those of
    /// model and optimizer, with distinct names.
    /// - Throws: `GimbalError.fileSystem`, such as for a full disk; what was saved before is then untouched.
    public static func save(
        _ manifest: CheckpointManifest, model: Module, optimizer: any Optimizer,
        extras: [(name: String, value: Tensor)] = [], to path: String
    ) throws {
        var manifest = manifest
        let state = optimizer.state
        manifest.optimizerSteps = state.steps
        let text = String(decoding: try CheckpointManifest.encoder.encode(manifest), as: UTF8.self)
        try AtomicFile.writeFolder(at: path) { folder in
            try model.save(to: folder + "/model.safetensors")
            try SafeTensors.write(
                state.tensors.map { SafeTensors.Item(name: $0.name, $0.value) }, to: folder + "/optimizer.safetensors")
            if !extras.isEmpty {
                try SafeTensors.write(
                    extras.map { SafeTensors.Item(name: $0.name, $0.value) }, to: folder + "/extras.safetensors")
            }
            try AtomicFile.write(text + "\n", to: folder + "/manifest.json")
        }
    }
}

/// What is wrong with a JSON text, in a few words.
private func summary(of error: any Error) -> String {
    switch error {
    case DecodingError.keyNotFound(let key, _): "'\(key.stringValue)' is missing"
    case DecodingError.typeMismatch(_, let context), DecodingError.valueNotFound(_, let context):
        "'\(context.codingPath.map(\.stringValue).joined(separator: "."))' has another type"
    case DecodingError.dataCorrupted(let context): context.debugDescription
    default: "\(error)"
    }
}

import Gimbal
import GimbalNN

/// A run of a recipe as it was saved: what it is, and its model with the weights that it ends with.
///
/// ```swift
/// let run = try SavedRun("runs/churn")
/// let (test, _) = try DataSource(run.record.recipe.data)!.evaluationData(of: run.record.recipe.data)
/// print(try run.record.recipe.evaluate(run.model, on: test))
/// ```
public struct SavedRun {
    /// The checkpoint that was read.
    public let checkpoint: Checkpoint
    /// What the run is.
    public let record: RunRecord
    /// The model, in the state of the checkpoint.
    public let model: any TensorLayer

    /// Reads the newest checkpoint of a run, which may be going on.
    /// - Parameters:
    ///   - path: the folder of a run, or a checkpoint.
    ///   - weights: which of the run's weights; nil for those that it chose.
    ///   - device: where the model is to be.
    /// - Throws: `GimbalError.fileSystem`, `GimbalError.invalidFile`, also for a run that no recipe has made;
    ///   `GimbalError.invalidSetting` for weights that the run has not kept.
    public init(_ path: String, weights: WeightChoice? = nil, device: Device = .current) throws {
        self = try RunFolder.withNewestCheckpoint(at: path) { newest in
            let checkpoint = try Checkpoint(path: newest)
            let record = try RunRecord(of: checkpoint)
            try record.recipe.model.requireMemory(on: device, bytesPerWeight: 4)
            let model = record.recipe.model.makeModel(device: device)
            try checkpoint.restore(model: model, weights: weights)
            return SavedRun(checkpoint: checkpoint, record: record, model: model)
        }
    }

    private init(checkpoint: Checkpoint, record: RunRecord, model: any TensorLayer) {
        self.checkpoint = checkpoint
        self.record = record
        self.model = model
    }
}

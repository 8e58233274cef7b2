/// The whole state of a run in memory, to go back to.
struct RecoveryPoint {
    let progress: TrainingProgress
    private let random: RandomState
    private let model: StateDictionary
    private let optimizers: [OptimizerState]
    private let extras: [[(name: String, value: Tensor)]]
    private let average: OptimizerState?

    /// Copies the state of `trainer`, on its device. Does not wait.
    /// - Throws: `GimbalError.outOfMemory`.
    init<Batch>(of trainer: Trainer<Batch>) throws {
        progress = trainer.progress
        random = trainer.generator.state
        model = trainer.model.stateDictionary()
        optimizers = trainer.phases.map { copy($0.optimizer.state) }
        extras = trainer.updates.map { $0.tensors.map { ($0.name, $0.value.copy()) } }
        average = trainer.weights.average.map { copy($0.state) }
    }

    /// Makes `trainer` what it was, but for recoveries that it has had since.
    /// - Throws: the first failure of the device.
    func restore<Batch>(_ trainer: Trainer<Batch>) throws {
        try trainer.model.load(model)
        // A NaN that gradients were scaled by has come between those of an arena too, where nothing overwrites it.
        for arena in trainer.phases.flatMap(\.optimizer.parameters).compactMap(\.arena) {
            arena.gradients.written(anew: true) { arena.gradients.storage.backend.fill(arena.gradients, with: 0) }
        }
        for (phase, state) in zip(trainer.phases, optimizers) { try phase.optimizer.restore(state) }
        for (update, tensors) in zip(trainer.updates, extras) { try update.restore(tensors) }
        if let average { try trainer.weights.average?.restore(average) }
        let recoveries = trainer.progress.recoveries
        trainer.progress = progress
        trainer.progress.recoveries = recoveries
        // What was once measured remains so.
        trainer.progress.best = trainer.weights.best
        trainer.stopping?.state = progress.stopping ?? EarlyStopping.State()
        trainer.generator.state = random
        trainer.pending = trainer.phases.map { _ in PendingLosses() }
    }
}

private func copy(_ state: OptimizerState) -> OptimizerState {
    OptimizerState(tensors: state.tensors.map { ($0.name, $0.value.detached().copy()) }, steps: state.steps)
}

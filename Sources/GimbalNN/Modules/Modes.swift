/// How a model computes: dropout, batch normalisation and others differ.
public enum ModuleMode: String, Sendable, CaseIterable {
    /// Dropout drops, batch normalisation uses its batch and counts it.
    case training
    /// Nothing is drawn at random, and running estimates stand for the statistics of the batch.
    case evaluation
}

extension Module {
    /// Switches this module and all inside to `mode`.
    public func setMode(_ mode: ModuleMode) {
        for module in modules { module.isTraining = mode == .training }
    }

    /// Runs `body` in evaluation mode, and then gives every module of the tree the mode it had before, whether or not
    /// `body` throws.
    ///
    /// ```swift
    /// let logits = model.evaluating { withoutGradients { model(x) } }
    /// ```
    public func evaluating<Result>(_ body: () throws -> Result) rethrows -> Result {
        let modules = modules
        let before = modules.map(\.isTraining)
        defer {
            for (module, wasTraining) in zip(modules, before) { module.isTraining = wasTraining }
        }
        for module in modules { module.isTraining = false }
        return try body()
    }
}

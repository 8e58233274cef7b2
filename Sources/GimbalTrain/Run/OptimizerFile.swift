extension Optimizer {
    /// Writes what the optimizer has gathered, moments and counts of steps, and its learning rate to a safetensors file,
    /// wholly or not at all. A `Trainer` with a folder saves this by itself.
    ///
    /// ```swift
    /// try model.save(to: "model.safetensors")
    /// try optimizer.save(to: "optimizer.safetensors")
    /// ```
    /// - Throws: `GimbalError.fileSystem`; the old file is then untouched.
    public func save(to path: String) throws {
        let state = state
        var metadata = Dictionary(
            uniqueKeysWithValues: state.steps.map { (OptimizerFile.steps + $0.key, "\($0.value)") })
        metadata[OptimizerFile.learningRate] = "\(learningRate)"
        try SafeTensors.write(
            state.tensors.map { SafeTensors.Item(name: $0.name, $0.value) }, metadata: metadata, to: path)
    }

    /// Takes up what `save(to:)` wrote, learning rate included. The other settings are the optimizer's own.
    /// - Throws: `GimbalError.weightMismatch` where it belongs to other parameters or another kind of optimizer;
    ///   `GimbalError.invalidFile` where it is no such file. The optimizer is then unchanged.
    public func load(from path: String) throws {
        let file = try SafeTensors(path: path)
        guard let rate = file.metadata[OptimizerFile.learningRate].flatMap(Double.init) else {
            throw GimbalError.invalidFile(
                path: path, reason: "tells no learning rate: it was not saved by an optimizer")
        }
        var steps: [String: Int] = [:]
        for (name, text) in file.metadata where name.hasPrefix(OptimizerFile.steps) {
            guard let count = Int(text), count >= 0 else {
                throw GimbalError.invalidFile(path: path, reason: "'\(text)' is no number of steps")
            }
            steps[String(name.dropFirst(OptimizerFile.steps.count))] = count
        }
        let like = Tensor.zeros([], device: parameters.first?.device ?? .current)
        let tensors = try file.entries.map { (name: $0.name, value: try file.tensor($0, like: like)) }
        try restore(OptimizerState(tensors: tensors, steps: steps), readFrom: path)
        learningRate = rate
    }

    /// Takes up a state; what is wrong with it is told of the file that it was read from.
    func restore(_ state: OptimizerState, readFrom path: String) throws {
        do {
            try restore(state)
        } catch GimbalError.weightMismatch(_, let missing, let unexpected, let misshaped) {
            throw GimbalError.weightMismatch(
                path: path, missing: missing, unexpected: unexpected, misshaped: misshaped)
        }
    }
}

/// Names in the table of texts of an optimizer's file.
private enum OptimizerFile {
    static let learningRate = "learning rate"
    /// Before the name of a parameter.
    static let steps = "steps of "
}

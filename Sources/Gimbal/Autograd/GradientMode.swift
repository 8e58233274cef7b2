/// Whether operations on the current task are recorded.
package enum GradientMode {
    @TaskLocal package static var isRecording = true
    /// Inside the second run of a `checkpointed` block. Whatever a first run has counted must not be counted again.
    @TaskLocal package static var isRecomputing = false
}

/// Runs `body` without recording: for evaluation, and for changing parameters by hand.
public func withoutGradients<Result>(_ body: () throws -> Result) rethrows -> Result {
    try GradientMode.$isRecording.withValue(false, operation: body)
}

/// Runs `body` without keeping what it computes inside, and runs it a second time when its gradient is needed: memory is
/// traded for time (Chen et al. 2016, "Training deep nets with sublinear memory cost").
///
/// Random numbers repeat, so that dropout drops the same elements both times, and batch statistics are counted once.
/// - Parameters:
///   - input: handed to `body`; its gradient flows on. Anything else that `body` captures must be a parameter or need no
///     gradient.
///   - body: a function of its argument and of parameters only.
public func checkpointed(_ input: Tensor, _ body: @escaping (Tensor) -> Tensor) -> Tensor {
    let tape = RandomTape()
    let output = RandomTape.$current.withValue(tape) { withoutGradients { body(input.detached()) } }
    guard GradientMode.isRecording else { return output }
    let scope = PrecisionScope.current
    // Recorded even when the input needs no gradient: the parameters inside may.
    let saved = input.detached()
    let node = Node(operation: "checkpointed", output: output.view, inputs: [input.node]) { outputGradient, inputs in
        tape.rewind()
        let leaf = inputs.isNeeded(0) ? saved.requiringGradient() : saved
        let again = GradientMode.$isRecording.withValue(true) {
            GradientMode.$isRecomputing.withValue(true) {
                PrecisionScope.$current.withValue(scope) { RandomTape.$current.withValue(tape) { body(leaf) } }
            }
        }
        guard again.node != nil else { return }
        outputGradient.view.storage.backend.reportingErrors { try again.backward(gradient: outputGradient) }
        if let gradient = leaf.gradient { inputs.add(0, gradient) }
    }
    return Tensor(output.view, node: node)
}

/// Runs `body` without keeping what it computes inside, and runs it a second time when its gradient is needed: memory is
/// traded for time (Chen et al. 2016, "Training deep nets with sublinear memory cost").
///
/// ```swift
/// let result = checkpointed(x) { ($0 * 2).tanh() }
/// ```
/// Random numbers repeat, so that dropout drops the same elements both times, and batch statistics are counted once.
/// - Parameters:
///   - input: handed to `body`; its gradient flows on. Anything else that `body` captures must be a parameter or need no
///     gradient.
///   - body: a function of its argument and of parameters only.
public func checkpointed(_ input: Tensor, _ body: @escaping (Tensor) -> Tensor) -> Tensor {
    checkpointed([input]) { [body($0[0])] }[0]
}

/// `checkpointed` for a function of two tensors.
///
/// ```swift
/// let result = checkpointed(x, y) { ($0 * $1).tanh() }
/// ```
public func checkpointed(_ first: Tensor, _ second: Tensor, _ body: @escaping (Tensor, Tensor) -> Tensor) -> Tensor {
    checkpointed([first, second]) { [body($0[0], $0[1])] }[0]
}

/// `checkpointed` for a function of three tensors.
///
/// ```swift
/// let result = checkpointed(x, x, y) { scaledDotProductAttention($0, $1, $2) }
/// ```
public func checkpointed(
    _ first: Tensor, _ second: Tensor, _ third: Tensor, _ body: @escaping (Tensor, Tensor, Tensor) -> Tensor
) -> Tensor {
    checkpointed([first, second, third]) { [body($0[0], $0[1], $0[2])] }[0]
}

/// `checkpointed` for a function of any number of tensors that gives any number.
///
/// ```swift
/// let results = checkpointed([x, y]) { inputs in
///     [inputs[0] + inputs[1], inputs[0] * inputs[1]]
/// }
/// ```
/// - Parameters:
///   - inputs: handed to `body`; their gradients flow on. Anything else that `body` captures must be a parameter or need
///     no gradient.
///   - body: a function of its argument and of parameters only, which gives as many tensors of the same shapes each time.
public func checkpointed(_ inputs: [Tensor], _ body: @escaping ([Tensor]) -> [Tensor]) -> [Tensor] {
    // Who watches a pass wants to see the operations inside, and their gradients.
    if OperationObserver.current?.isThorough ?? false { return body(inputs) }
    let tape = RandomTape()
    let outputs = RandomTape.$current.withValue(tape) { withoutGradients { body(inputs.map { $0.detached() }) } }
    guard GradientMode.isRecording else { return outputs }
    let (scope, share) = (PrecisionScope.current, BatchShare.current)
    let saved = inputs.map { $0.detached() }
    // Recorded even when no input needs a gradient: the parameters inside may.
    return Tensor.recorded("checkpointed", outputs, of: inputs, mayReachOthers: true) {
        outputGradients, inputs, _ in
        tape.rewind()
        let attached = saved.indices.map { inputs.recorded($0, saved[$0]) }
        let again = GradientMode.$isRecording.withValue(true) {
            GradientMode.$isRecomputing.withValue(true) {
                PrecisionScope.$current.withValue(scope) {
                    BatchShare.$current.withValue(share) { RandomTape.$current.withValue(tape) { body(attached) } }
                }
            }
        }
        for (output, gradient) in zip(again, outputGradients) {
            if let gradient { inputs.differentiate(output, gradient) }
        }
    }
}

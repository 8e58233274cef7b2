/// An operation with a gradient rule of your own, as PyTorch's `autograd.Function` is.
///
/// ```swift
/// let cube = CustomFunction("cube") { inputs, saved in
///     saved = [inputs[0]]
///     return [inputs[0] * inputs[0] * inputs[0]]
/// } gradient: { outputGradients, saved in
///     [outputGradients[0] * saved[0].square() * 3]
/// }
/// let result = cube(x)
/// ```
/// Nothing inside of `forward` is recorded; the rule stands for all of it. It is recorded itself where a gradient of the
/// gradient is wanted: if it consists of operations of tensors, it can be differentiated again. To give such a rule a rule
/// of its own, let it call another custom function.
///
/// Under `withPrecision`, the inputs come as they are, and each gradient is rounded to the type of its input.
///
/// A function that several tasks share must capture nothing that changes: only then may it be called sendable.
public struct CustomFunction: @unchecked Sendable {
    /// Computes the outputs. What the rule needs of inputs, outputs and intermediate results goes into `saved`.
    public typealias Forward = (_ inputs: [Tensor], _ saved: inout [Tensor]) -> [Tensor]
    /// Gives the gradient for each input, nil where it has none, from those that arrived at the outputs (zeros where
    /// none did) and what was saved.
    public typealias Gradient = (_ outputGradients: [Tensor], _ saved: [Tensor]) -> [Tensor?]

    private let name: StaticString
    private let forward: Forward
    private let gradient: Gradient

    /// - Parameters:
    ///   - name: what errors call it.
    ///   - forward: computes the outputs, which may be of any shapes and types.
    ///   - gradient: the rule; each gradient has the shape of its input.
    public init(_ name: StaticString, forward: @escaping Forward, gradient: @escaping Gradient) {
        self.name = name
        self.forward = forward
        self.gradient = gradient
    }

    /// Applies a function of one output.
    public func callAsFunction(_ inputs: Tensor...) -> Tensor {
        let outputs = self(inputs)
        require(outputs.count == 1, "\(name)", "gives \(outputs.count) tensors; call it with an array")
        return outputs[0]
    }

    /// Applies the function to `inputs`; gives all of its outputs.
    public func callAsFunction(_ inputs: [Tensor]) -> [Tensor] {
        let plain = inputs.map { $0.detached() }
        var kept: [Tensor] = []
        let outputs = withoutGradients { forward(plain, &kept) }
        guard GradientMode.isRecording, inputs.contains(where: { $0.node != nil }) else {
            let results = outputs.map { $0.detached() }
            OperationObserver.current?.see(
                ComputedOperation(name: name, inputs: inputs, outputs: results, details: .unstated))
            return results
        }
        let saved = kept.map { value in
            Saved(
                value: value.detached(), input: plain.firstIndex { $0.hasElements(of: value) },
                output: outputs.firstIndex { $0.hasElements(of: value) })
        }
        let (name, gradient) = (name, gradient)
        let shapes = inputs.map(\.shape)
        let results = outputs.map { ($0.shape, $0.dtype, $0.device) }
        return Tensor.recorded(name, outputs, of: inputs) { arrived, inputs, output in
            let outputGradients = zip(arrived, results).map { arrived, result in
                arrived ?? Tensor(repeating: 0, result.0, dtype: result.1, device: result.2)
            }
            let given = gradient(
                outputGradients,
                saved.map { saved in
                    if let index = saved.input { return inputs.input(index, saved.value) }
                    return saved.output.map { output($0, saved.value) } ?? inputs.saved(saved.value)
                })
            require(
                given.count == shapes.count, "\(name)", "\(given.count) gradients for \(shapes.count) inputs")
            for (index, shape) in shapes.enumerated() where inputs.isNeeded(index) {
                guard let gradient = given[index] else { continue }
                require(
                    gradient.shape == shape, "\(name)",
                    "a gradient of \(gradient.shape) for input \(index) of \(shape)")
                inputs.add(index, gradient)
            }
        }
    }

    /// A tensor that the rule reads, and which input or output it is, if any.
    private struct Saved {
        let value: Tensor
        let input: Int?
        let output: Int?
    }
}

extension Tensor {
    /// Differentiates this tensor with respect to every parameter and leaf it was computed from.
    ///
    /// Gradients are added to those already held, as for accumulation over several batches; call `zeroGradients()` to
    /// start anew. Saved intermediate values are released as the pass proceeds.
    ///
    /// ```swift
    /// let loss = crossEntropy(model(x), targets)
    /// try loss.backward()
    /// ```
    /// - Parameters:
    ///   - gradient: the gradient arriving at this tensor, of its shape. May be left out for a single element: then 1.
    ///   - createsGraph: records the pass, so that the gradients can be differentiated again; the graph is retained. A leaf
    ///     then holds its own graph through its gradient, until that is set to zero; where only some gradients are
    ///     wanted, `gradient(of:withRespectTo:)` leaves no such cycle.
    ///   - retainsGraph: keeps what was recorded, so that `backward` can be called again.
    /// - Throws: the first failure of the device since it was last waited for, such as `GimbalError.outOfMemory`; and what a
    ///   hook throws.
    public func backward(
        gradient: Tensor? = nil, createsGraph: Bool = false, retainsGraph: Bool = false
    ) throws {
        let pass = try beginPass("backward", createsGraph: createsGraph, retainsGraph: retainsGraph)
        try pass.run(from: self, arriving(gradient, "backward", createsGraph: createsGraph))
    }

    /// Forgets the gradient that this leaf has collected.
    public func zeroGradient() { if let node, node.isLeaf { node.gradient = nil } }

    fileprivate func beginPass(
        _ operation: String, createsGraph: Bool, retainsGraph: Bool, targets: [Node]? = nil
    ) throws -> BackwardPass {
        guard let node else {
            stop(
                operation,
                "nothing that this tensor was computed from needs a gradient: is all of it frozen, detached, or inside "
                    + "withoutGradients?")
        }
        try view.throwIfFailed()
        try backend.errors.throwIfSet()
        require(
            node.isLeaf || node.rule != nil, operation,
            "an earlier pass has released the graph; compute the tensor anew, or let the earlier pass keep it by "
                + "retainsGraph: true")
        return BackwardPass(
            createsGraph: createsGraph, retainsGraph: retainsGraph, errors: backend.errors, targets: targets)
    }

    /// What arrives at this tensor.
    fileprivate func arriving(_ gradient: Tensor?, _ operation: String, createsGraph: Bool) -> Tensor {
        if let gradient {
            require(gradient.shape == shape, operation, "a gradient of \(gradient.shape) for a tensor of \(shape)")
        } else {
            require(
                elementCount == 1, operation,
                "a tensor of \(shape) is more than one number; reduce it by sum() or mean(), or hand over the gradient "
                    + "that arrives at it")
        }
        let arriving = gradient ?? Tensor(repeating: 1, shape, dtype: dtype, device: device)
        guard createsGraph else { return arriving.detached() }
        // A node in any case: what loses it on the way cannot be differentiated again, and is stopped.
        return arriving.node == nil ? arriving.requiringGradient() : arriving
    }
}

/// What `gradient(of:withRespectTo:)` does about a tensor that the output does not depend on.
public enum UnusedInputs: Sendable {
    /// Stops the program, and says which.
    case refused
    /// Gives zeros.
    case zeros
}

/// The gradients of `output` with respect to `inputs`, leaving every `gradient` of leaves and parameters as it is.
///
/// ```swift
/// // The gradient penalty of Gulrajani et al. 2017: (‖∂D/∂x‖ - 1)².
/// let critic = Linear(2, 1)
/// let samples = Tensor([1, 2, 3, 4], [2, 2]).requiringGradient()
/// let slopes = try gradient(of: critic(samples).sum(), withRespectTo: [samples], createsGraph: true)[0]
/// let penalty = (slopes.square().sum([1]).squareRoot() - 1).square().mean()
/// try penalty.backward()
/// ```
/// - Parameters:
///   - output: one element, unless `gradient` is given.
///   - inputs: leaves, intermediate results or values of parameters (`parameter.value`) that `output` was computed from.
///   - arriving: the gradient arriving at `output`, of its shape; 1 unless given.
///   - createsGraph: records the pass, so that the gradients can be differentiated again; the graph is retained.
///   - retainsGraph: keeps what was recorded, so that `output` can be differentiated again.
///   - unused: what is done about inputs that `output` does not depend on.
/// - Returns: one gradient of the shape and type of each input.
/// - Throws: the first failure of the device since it was last waited for.
public func gradient(
    of output: Tensor, withRespectTo inputs: [Tensor], gradient arriving: Tensor? = nil, createsGraph: Bool = false,
    retainsGraph: Bool = false, unused: UnusedInputs = .refused
) throws -> [Tensor] {
    let operation = "gradient(of:withRespectTo:)"
    let nodes = inputs.enumerated().map { index, input in
        guard let node = input.node else {
            stop(
                operation, "input \(index) of \(input.shape) needs no gradient; call requiringGradient() before its use"
            )
        }
        return node
    }
    let pass = try output.beginPass(
        operation, createsGraph: createsGraph, retainsGraph: retainsGraph, targets: nodes)
    // Leaves collect afresh, outside the arenas, and take back what they held.
    let held = nodes.filter(\.isLeaf).map { ($0, $0.setAside()) }
    defer { for (node, collected) in held.reversed() { node.takeBack(collected) } }
    try pass.run(from: output, output.arriving(arriving, operation, createsGraph: createsGraph))
    return zip(inputs, nodes).enumerated().map { index, pair in
        let (input, node) = pair
        if let gradient = pass.gradient(of: node) { return gradient }
        require(
            unused == .zeros, operation,
            "the output does not depend on input \(index) of \(input.shape); pass unused: .zeros to get zeros for it")
        return Tensor(repeating: 0, input.shape, dtype: input.dtype, device: input.device)
    }
}

/// The gradient of `output` with respect to one tensor; see `gradient(of:withRespectTo:)` for several.
///
/// ```swift
/// let point = Tensor([1, 2, 3]).requiringGradient()
/// let slope = try gradient(of: point.square().sum(), withRespectTo: point)  // [2, 4, 6]
/// ```
public func gradient(
    of output: Tensor, withRespectTo input: Tensor, gradient arriving: Tensor? = nil, createsGraph: Bool = false,
    retainsGraph: Bool = false, unused: UnusedInputs = .refused
) throws -> Tensor {
    try gradient(
        of: output, withRespectTo: [input], gradient: arriving, createsGraph: createsGraph, retainsGraph: retainsGraph,
        unused: unused)[0]
}

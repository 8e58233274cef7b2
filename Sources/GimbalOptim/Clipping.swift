/// Scales all gradients down together where their common norm exceeds `maxNorm` (Pascanu et al. 2013, algorithm 1).
///
/// The norm is taken over all parameters as if they were one vector. Neither it nor the scale passes through the host.
/// A norm of NaN makes every gradient NaN, for the caller to see, but for elements that are 0; an infinite one makes them
/// 0, as in PyTorch, and NaN where they are infinite themselves.
/// - Parameters:
///   - parameters: those without a gradient are passed over.
///   - maxNorm: > 0.
///   - p: which norm; infinity for the largest absolute value.
/// - Returns: the norm before clipping, as a tensor of no axes; reading it waits for the device.
/// - Throws: the first failure of the device since it was last waited for.
@discardableResult
public func clipGradientNorm(_ parameters: [Parameter], maxNorm: Double, p: Double = 2) throws -> Tensor {
    require(maxNorm > 0, "clipGradientNorm", "maxNorm must be positive, not \(maxNorm)")
    let views = ParameterRun.withGradients(parameters).map(\.gradients)
    let norm = try norm(of: views, p: p)
    guard let backend = views.first?.storage.backend else { return norm }
    try views.change(reading: [norm.view]) { backend.clip(views, norm: norm.view, maxNorm: maxNorm) }
    try backend.errors.throwIfSet()
    return norm
}

/// The norm of all gradients together, as if they were one vector: how strongly the parameters are pulled.
/// - Parameters:
///   - parameters: those without a gradient are passed over.
///   - p: which norm; infinity for the largest absolute value.
/// - Returns: a tensor of no axes; reading it waits for the device.
/// - Throws: the first failure of the device since it was last waited for.
public func gradientNorm(_ parameters: [Parameter], p: Double = 2) throws -> Tensor {
    try norm(of: ParameterRun.withGradients(parameters).map(\.gradients), p: p)
}

private func norm(of gradients: [TensorView], p: Double) throws -> Tensor {
    require(p > 0, "gradient norm", "p must be positive, not \(p)")
    guard let backend = gradients.first?.storage.backend else { return Tensor(0) }
    let norm = Tensor(try backend.allocate([]))
    try norm.view.change(reading: gradients) { backend.norm(gradients, p: p, out: norm.view) }
    try backend.errors.throwIfSet()
    return norm
}

/// Limits every element of every gradient to ±`limit`, ≥ 0. NaN stays.
/// - Throws: the first failure of the device since it was last waited for.
public func clipGradientValue(_ parameters: [Parameter], limit: Double) throws {
    require(limit >= 0, "clipGradientValue", "the limit must not be negative, not \(limit)")
    for run in ParameterRun.withGradients(parameters) {
        let backend = run.gradients.storage.backend
        try run.gradients.change {
            backend.unary(.init(.clamp, a: -limit, b: limit), run.gradients, out: run.gradients)
        }
        try backend.errors.throwIfSet()
    }
}

/// Scales the gradient of each parameter down to a norm of at most `maxNorm` of its own.
/// - Parameters:
///   - parameters: those without a gradient are passed over.
///   - maxNorm: > 0.
///   - p: which norm; infinity for the largest absolute value.
/// - Throws: the first failure of the device since it was last waited for.
public func clipParameterNorms(_ parameters: [Parameter], maxNorm: Double, p: Double = 2) throws {
    require(maxNorm > 0 && p > 0, "clipParameterNorms", "maxNorm and p must be positive, not \(maxNorm) and \(p)")
    for run in ParameterRun.withGradients(parameters) {
        let segments = try Segments(run, units: .parameters)
        let norms = Tensor(try segments.norms(of: run.gradients, p: p))
        let factors = (maxNorm / (norms + 1e-6)).clamped(to: -.infinity...1)
        let backend = run.gradients.storage.backend
        try run.gradients.change(reading: [factors.view]) {
            backend.scaleSegments(run.gradients, segments: segments.view, by: factors.view)
        }
        try backend.errors.throwIfSet()
    }
}

/// Scales the gradient of each unit down to a norm of at most `clipping` times that of its weights (Brock et al. 2021,
/// equation 3).
///
/// A unit is the weights into one output: one first index of a parameter of two axes or more. Parameters of one axis,
/// such as biases, are one unit.
/// - Parameters:
///   - parameters: those without a gradient are passed over.
///   - clipping: > 0.
///   - epsilon: weights of a smaller norm count as having this one, so that units near 0 can grow.
/// - Throws: the first failure of the device since it was last waited for.
public func clipAdaptively(_ parameters: [Parameter], clipping: Double = 0.01, epsilon: Double = 1e-3) throws {
    require(
        clipping > 0 && epsilon > 0, "clipAdaptively",
        "clipping and epsilon must be positive, not \(clipping) and \(epsilon)")
    for run in ParameterRun.withGradients(parameters) {
        let segments = try Segments(run, units: .outputs)
        let limits = Tensor(try segments.norms(of: run.weights)).clamped(to: epsilon...(.infinity)) * clipping
        let norms = Tensor(try segments.norms(of: run.gradients)).clamped(to: 1e-6...(.infinity))
        let factors = (limits / norms).clamped(to: -.infinity...1)
        let backend = run.gradients.storage.backend
        try run.gradients.change(reading: [factors.view]) {
            backend.scaleSegments(run.gradients, segments: segments.view, by: factors.view)
        }
        try backend.errors.throwIfSet()
    }
}

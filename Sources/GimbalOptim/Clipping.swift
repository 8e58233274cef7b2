/// Scales all gradients down together where their common norm exceeds `maxNorm` (Pascanu et al. 2013, algorithm 1).
///
/// The norm is taken over all parameters as if they were one vector. Neither it nor the scale passes through the host.
/// A norm that is not finite makes the gradients so, for the caller to see.
/// - Parameters:
///   - maxNorm: > 0; infinity only measures.
///   - p: which norm; infinity for the largest absolute value.
/// - Returns: the norm before clipping, as a tensor of no axes; reading it waits for the device.
/// - Throws: the first failure of the device since it was last waited for.
@discardableResult
public func clipGradientNorm(_ parameters: [Parameter], maxNorm: Double, p: Double = 2) throws -> Tensor {
    require(maxNorm > 0 && p > 0, "clipGradientNorm", "maxNorm and p must be positive, not \(maxNorm) and \(p)")
    let runs = ParameterRun.withGradients(parameters)
    guard let backend = runs.first?.gradients.storage.backend else { return Tensor(0) }
    let views = runs.map(\.gradients)
    let norm = Tensor(try backend.allocate([]))
    backend.norm(views, p: p, out: norm.view)
    if maxNorm < .infinity { backend.clip(views, norm: norm.view, maxNorm: maxNorm) }
    try backend.errors.throwIfSet()
    return norm
}

/// Limits every element of every gradient to ±`limit`. NaN stays.
/// - Throws: the first failure of the device since it was last waited for.
public func clipGradientValue(_ parameters: [Parameter], limit: Double) throws {
    require(limit >= 0, "clipGradientValue", "the limit must not be negative, not \(limit)")
    for run in ParameterRun.withGradients(parameters) {
        let backend = run.gradients.storage.backend
        backend.unary(.init(.clamp, a: -limit, b: limit), run.gradients, out: run.gradients)
        try backend.errors.throwIfSet()
    }
}

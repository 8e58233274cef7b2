/// Divides all gradients held now by `batches`, so that those of several backward passes, which add up, become their
/// mean.
///
/// ```swift
/// for batch in loader.batches(epoch: 0, on: .current).prefix(4) {
///     try crossEntropy(model(batch.inputs), batch.targets).backward()
/// }
/// try averageGradients(model.parameters, over: 4)
/// try optimizer.step()
/// ```
/// Where batches differ in size, weigh each loss by its share of the samples instead.
/// - Throws: the first failure of the device since it was last waited for.
public func averageGradients(_ parameters: [Parameter], over batches: Int) throws {
    require(batches > 0, "averageGradients", "the number of batches must be positive, not \(batches)")
    guard batches > 1 else { return }
    try scaleGradients(parameters, by: 1 / Double(batches))
}

/// Multiplies all gradients held now by `factor`.
/// - Throws: the first failure of the device since it was last waited for.
public func scaleGradients(_ parameters: [Parameter], by factor: Double) throws {
    for run in ParameterRun.withGradients(parameters) {
        let backend = run.gradients.storage.backend
        try run.gradients.change { backend.unary(.init(.affine, a: factor), run.gradients, out: run.gradients) }
        try backend.errors.throwIfSet()
    }
}

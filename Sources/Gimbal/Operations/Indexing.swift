extension Tensor {
    /// Rows of this table: result[i..., ...] = self[indices[i...], ...]. An index out of range gives a row of NaN.
    ///
    /// The gradient adds each row to the one it came from, in order, so that it is the same in every run.
    /// - Parameter indices: int32, of any shape.
    public func gathered(_ indices: Tensor) -> Tensor {
        require(
            rank >= 1 && indices.dtype == .int32, "gathered",
            "needs rows and int32 indices, not \(shape) and \(indices.dtype)")
        let positions = indices.contiguous().reshaped([-1]).detached()
        let table = detached()
        let rows = Shape([positions.elementCount] + shape.sizes.dropFirst())
        let result = Tensor.operation(
            "gathered", [self], rows,
            forward: { backend, out in backend.gather(table.view, indices: positions.view, out: out) },
            gradient: { outputGradient, inputs in
                inputs.write(0) { destination, accumulates in
                    let backend = outputGradient.backend
                    if !accumulates { backend.fill(destination, with: 0) }
                    backend.scatterAdd(outputGradient.view, indices: positions.view, into: destination)
                }
            })
        return indices.rank == 1 ? result : result.reshaped(Shape(indices.shape.sizes + shape.sizes.dropFirst()))
    }
}

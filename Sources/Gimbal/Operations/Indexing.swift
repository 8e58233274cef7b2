extension Tensor {
    /// Rows of this table: result[i..., ...] = self[indices[i...], ...]. An index out of range gives a row of NaN.
    ///
    /// The gradient adds each row to the one it came from, in order, so that it is the same in every run.
    /// - Parameters:
    ///   - indices: int32, of any shape.
    ///   - padding: the number of a row that receives no gradient, if any.
    public func gathered(_ indices: Tensor, withoutGradientFor padding: Int? = nil) -> Tensor {
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
                    let receivers = padding.map { positions.replacing($0, by: -1) } ?? positions
                    backend.scatterAdd(outputGradient.view, indices: receivers.view, into: destination)
                }
            })
        return indices.rank == 1 ? result : result.reshaped(Shape(indices.shape.sizes + shape.sizes.dropFirst()))
    }
}

extension Tensor {
    /// These int32 numbers with one of them replaced.
    fileprivate func replacing(_ number: Int, by other: Int) -> Tensor {
        let number = Tensor(repeating: Double(number), [], dtype: .int32, device: device)
        return Tensor.select(
            equals(number), Tensor(repeating: Double(other), [], dtype: .int32, device: device), self)
    }
}

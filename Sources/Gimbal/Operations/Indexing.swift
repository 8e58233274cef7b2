extension Tensor {
    /// Rows of this table: result[i..., ...] = self[indices[i...], ...]. An index out of range, as any negative
    /// one is, gives a row of NaN; in a subscript, `table[indices]`, negative ones count from the end.
    ///
    /// The gradient adds each row to the one it came from, in order, so that it is the same in every run.
    /// - Parameters:
    ///   - indices: int32, of any shape.
    ///   - padding: the number of a row that receives no gradient, if any.
    public func gathered(_ indices: Tensor, withoutGradientFor padding: Int? = nil) -> Tensor {
        require(
            rank >= 1 && indices.dtype == .int32, "gathered",
            "needs rows and int32 indices, not \(shape) and \(indices.dtype); convert with cast(to: .int32)")
        let positions = indices.contiguous().reshaped([-1]).detached()
        let table = detached()
        let rows = Shape([positions.elementCount] + shape.sizes.dropFirst())
        let result = Tensor.operation(
            "gathered", [self], rows, operands: [positions], details: .rows(indices: positions),
            forward: { backend, out in backend.gather(table.view, indices: positions.view, out: out) },
            gradient: { outputGradient, inputs in
                let positions = inputs.saved(positions)
                if inputs.createsGraph {
                    let receivers = padding.map { positions.replacing($0, by: -1) } ?? positions
                    return inputs.add(0, outputGradient.addedUp(at: receivers, into: table.shape))
                }
                let receivers = padding.map { positions.replacing($0, by: -1) } ?? positions
                guard receivers.view.isComputed else { return }
                inputs.write(0) { destination, accumulates in
                    let backend = outputGradient.backend
                    if !accumulates { backend.fill(destination, with: 0) }
                    backend.scatterAdd(outputGradient.view, indices: receivers.view, into: destination)
                }
            })
        return indices.rank == 1 ? result : result.reshaped(Shape(indices.shape.sizes + shape.sizes.dropFirst()))
    }
}

extension Tensor {
    /// The sum of rows by their place in a table of `shape`, 0 where there is none: the gradient of `gathered`. Rows whose
    /// place is out of range are left out.
    private func addedUp(at positions: Tensor, into shape: Shape) -> Tensor {
        Tensor.operation(
            "addedUp", [self], shape, operands: [positions],
            forward: { backend, out in
                backend.fill(out, with: 0)
                backend.scatterAdd(view, indices: positions.view, into: out)
            },
            gradient: { outputGradient, inputs in
                let positions = inputs.saved(positions)
                let isInside = positions.isInside(shape[0])
                let column = Shape([positions.elementCount] + [Int](repeating: 1, count: shape.rank - 1))
                let rows = outputGradient.gathered(Tensor.select(isInside, positions, positions.scalar(0)))
                inputs.add(0, Tensor.select(isInside.reshaped(column), rows, rows.scalar(0)))
            })
    }

    /// These int32 numbers with one of them replaced.
    fileprivate func replacing(_ number: Int, by other: Int) -> Tensor {
        Tensor.select(self .== number, scalar(Double(other)), self)
    }
}

// Products of tensors under their short names; the work is done by `matrixMultiplied(by:)`.

/// The matrix product of the last two axes, also for vectors: [n] by [n] gives a number, [..., m, n] by [n] gives [..., m],
/// and [n] by [..., n, k] gives [..., k]. Other leading axes broadcast.
///
/// ```swift
/// let z = matmul(x, y) + 1
/// ```
public func matmul(_ x: Tensor, _ y: Tensor) -> Tensor {
    require(x.rank >= 1 && y.rank >= 1, "matmul", "\(x.shape) by \(y.shape): numbers are multiplied by *")
    let left = x.rank == 1 ? x.expandingAxis(0) : x
    let right = y.rank == 1 ? y.expandingAxis(1) : y
    var result = left.matrixMultiplied(by: right)
    if y.rank == 1 { result = result.squeezed(-1) }
    if x.rank == 1 { result = result.squeezed(y.rank == 1 ? -1 : -2) }
    return result
}

/// The products of each element of `x` with each of `y`, [m] and [n], as a matrix [m, n].
public func outer(_ x: Tensor, _ y: Tensor) -> Tensor {
    require(x.rank == 1 && y.rank == 1, "outer", "takes two vectors, not \(x.shape) and \(y.shape)")
    return x.expandingAxis(1) * y
}

/// The sum of the products of both vectors' elements, a tensor without axes.
public func dot(_ x: Tensor, _ y: Tensor) -> Tensor {
    require(x.rank == 1 && y.shape == x.shape, "dot", "takes two vectors of one size, not \(x.shape) and \(y.shape)")
    return matmul(x, y)
}

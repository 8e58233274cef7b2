extension Tensor {
    /// The matrix product of the last two axes: [..., m, k] by [..., k, n] gives [..., m, n]. Leading axes broadcast. Of whole
    /// numbers it is exact, and takes memory for all m · k · n products.
    public func matrixMultiplied(by other: Tensor) -> Tensor {
        require(
            rank >= 2 && other.rank >= 2 && shape[rank - 1] == other.shape[other.rank - 2], "matrixMultiplied",
            "\(shape) by \(other.shape): both need two axes or more, and the last of the first the size of the last "
                + "but one of the second")
        require(
            dtype.isFloatingPoint == other.dtype.isFloatingPoint, "matrixMultiplied",
            "\(dtype) and \(other.dtype); convert one with cast(to:)")
        guard let batch = batchShape.broadcast(with: other.batchShape) else {
            stop("matrixMultiplied", "the leading axes of \(shape) and \(other.shape) do not broadcast")
        }
        if !dtype.isFloatingPoint {
            // Backends multiply matrices in float32, which does not hold every whole number.
            let (x, y) = (cast(to: .int32).expandingAxis(-1), other.cast(to: .int32).expandingAxis(-3))
            return (x * y).sum([-2]).cast(to: commonType("matrixMultiplied", other))
        }
        let (x, y) = (productOperand(), other.productOperand())
        let result = Shape(batch.sizes + [shape[rank - 2], other.shape[other.rank - 1]])
        return Tensor.operation(
            "matrixMultiplied", [self, other], result, dtype: x.commonType("matrixMultiplied", y), operands: [x, y],
            details: .matrixProduct,
            forward: { backend, out in
                backend.matrixMultiply(x.view.batched(batch), y.view.batched(batch), out: out, .plain)
            },
            gradient: { outputGradient, inputs in
                inputs.addProduct(0, outputGradient, inputs.input(1, y).transposed())
                inputs.addProduct(1, inputs.input(0, x).transposed(), outputGradient)
            })
    }

    private var batchShape: Shape { Shape([Int](shape.sizes.dropLast(2))) }

    /// A fully connected layer: x Wᵀ + b over the last axis, as one product with the bias in its epilogue.
    /// - Parameters:
    ///   - weight: [outputs, inputs].
    ///   - bias: [outputs].
    /// - Returns: the shape of this tensor with its last axis replaced by outputs.
    public func linear(weight: Tensor, bias: Tensor? = nil) -> Tensor {
        require(weight.rank == 2, "linear", "needs a weight of [outputs, inputs], not \(weight.shape)")
        require(
            rank >= 1 && shape[rank - 1] == weight.shape[1], "linear",
            "an input of \(shape) does not fit a weight of \(weight.shape), which takes a last axis of "
                + "\(weight.shape[1])")
        require(
            dtype.isFloatingPoint == weight.dtype.isFloatingPoint, "linear",
            "an input of \(dtype) and a weight of \(weight.dtype); convert one with cast(to:)")
        if let bias {
            require(
                bias.shape == [weight.shape[0]], "linear", "a bias of \(bias.shape) for a weight of \(weight.shape)")
        }
        if rank != 2 {
            let rows = shape.sizes.dropLast().reduce(1, *)
            let flat = reshaped(Shape([rows, shape[rank - 1]])).linear(weight: weight, bias: bias)
            return flat.reshaped(Shape(shape.sizes.dropLast() + [weight.shape[0]]))
        }
        let (x, w) = (productOperand(), weight.productOperand())
        let hasBias = bias != nil
        return Tensor.operation(
            "linear", [self, weight] + (bias.map { [$0] } ?? []), [shape[0], weight.shape[0]],
            dtype: x.commonType("linear", w), operands: [x, w], details: .linear,
            forward: { backend, out in
                backend.matrixMultiply(x.view, w.view.transposed, out: out, Epilogue(bias: bias?.view))
            },
            gradient: { outputGradient, inputs in
                inputs.addProduct(0, outputGradient, inputs.input(1, w))
                guard hasBias, inputs.isNeeded(1), inputs.isNeeded(2), x.view.isComputed,
                    outputGradient.view.isComputed, !inputs.createsGraph
                else {
                    inputs.addProduct(1, outputGradient.transposed(), inputs.input(0, x))
                    if hasBias { inputs.add(2, outputGradient) }  // Summed over the rows it was repeated along.
                    return
                }
                inputs.requireUnchanged(x.view)
                inputs.write(1) { weightGradient, addsToWeight in
                    inputs.write(2) { biasGradient, addsToBias in
                        outputGradient.backend.linearWeightGradient(
                            x.view, outputGradient: outputGradient.view,
                            weightGradient: (weightGradient, addsToWeight), biasGradient: (biasGradient, addsToBias))
                    }
                }
            })
    }
}

extension TensorView {
    /// The view with its leading axes repeated to `batch`.
    fileprivate func batched(_ batch: Shape) -> TensorView {
        broadcast(to: Shape(batch.sizes + shape.sizes.suffix(2)))
    }
}

extension InputGradients {
    /// Adds the matrix product of `x` and `y` to the gradient of input `index`, in place where the shapes allow.
    fileprivate func addProduct(_ index: Int, _ x: @autoclosure () -> Tensor, _ y: @autoclosure () -> Tensor) {
        guard let node = nodes[index] else { return }
        let (x, y) = (x(), y())
        let fits =
            node.shape.rank == Swift.max(x.rank, y.rank) && x.rank == y.rank
            && x.shape.sizes.dropLast(2) == y.shape.sizes.dropLast(2)
            && node.shape.sizes.dropLast(2) == x.shape.sizes.dropLast(2)
        guard fits, x.view.isComputed, y.view.isComputed, !createsGraph else {
            return add(index, x.matrixMultiplied(by: y))
        }
        write(index) { destination, accumulates in
            x.backend.matrixMultiply(x.view, y.view, out: destination, Epilogue(accumulates: accumulates))
        }
    }
}

extension Tensor {
    /// Slides a kernel over one to three spatial axes (LeCun et al. 1989), without flipping it, as deep learning has it.
    ///
    /// This tensor is [batch, channels, axes...]; the result is [batch, outputs, axes...].
    /// - Parameters:
    ///   - weight: [outputs, channels / groups, kernel...].
    ///   - bias: [outputs]; nil for none.
    ///   - geometry: stride, padding, dilation and groups.
    public func convolved(weight: Tensor, bias: Tensor? = nil, _ geometry: ConvolutionGeometry) -> Tensor {
        requireConvolution("convolved", weight, bias, geometry)
        require(
            weight.shape[0] % geometry.groups == 0, "convolved",
            "\(weight.shape[0]) outputs cannot be divided into \(geometry.groups) groups")
        require(
            shape[1] == weight.shape[1] * geometry.groups, "convolved",
            "an input of \(shape) has \(shape[1]) channels, a weight of \(weight.shape) in \(geometry.groups) groups "
                + "takes \(weight.shape[1] * geometry.groups)")
        require(
            bias == nil || bias!.shape == [weight.shape[0]], "convolved",
            "a bias of \(bias?.shape ?? []) for a weight of \(weight.shape)")
        let spatial = geometry.outputSizes([Int](shape.sizes.dropFirst(2)))
        let (source, kernel) = (contiguous(), weight.contiguous())
        let (x, w) = (source.productOperand(), kernel.productOperand())
        let offset = bias?.contiguous()
        return Tensor.operation(
            "convolved", [source, kernel] + (offset.map { [$0] } ?? []), Shape([shape[0], weight.shape[0]] + spatial),
            dtype: x.commonType("convolved", w), operands: [x, w], details: .convolution(geometry),
            forward: { backend, out in
                backend.convolution(x.view, weight: w.view, bias: offset?.view, geometry, out: out)
            },
            gradient: { outputGradient, inputs in
                let arrived = outputGradient.contiguous()
                let (x, w) = (inputs.input(0, x), inputs.input(1, w))
                if inputs.createsGraph {
                    inputs.add(0, arrived.transposedConvolved(weight: w, geometry, inputSizes: x.shape))
                    inputs.add(1, x.convolutionWeightGradient(arrived, geometry))
                    return inputs.addBias(arrived)
                }
                guard arrived.view.isComputed, x.view.isComputed, w.view.isComputed else { return }
                inputs.write(0) { destination, accumulates in
                    arrived.backend.convolutionInputGradient(
                        arrived.view, weight: w.view, geometry, out: destination, accumulates: accumulates)
                }
                inputs.write(1) { destination, accumulates in
                    arrived.backend.convolutionWeightGradient(
                        x.view, outputGradient: arrived.view, geometry, out: destination, accumulates: accumulates)
                }
                inputs.addBias(arrived)
            })
    }

    /// The transposed convolution: the gradient that a convolution by `weight` gives its input, as an operation of its
    /// own (Zeiler et al. 2010). It enlarges where a convolution with the same stride shrinks.
    ///
    /// This tensor is [batch, channels, axes...]; the result is [batch, outputs, axes...].
    /// - Parameters:
    ///   - weight: [channels, outputs / groups, kernel...].
    ///   - bias: [outputs]; nil for none.
    ///   - geometry: stride, padding, dilation and groups of the convolution whose gradient this is.
    ///   - outputPadding: added to each size of the result, of the many that a convolution would shrink alike.
    public func transposedConvolved(
        weight: Tensor, bias: Tensor? = nil, _ geometry: ConvolutionGeometry, outputPadding: [Int]? = nil
    ) -> Tensor {
        requireConvolution("transposedConvolved", weight, bias, geometry)
        require(
            shape[1] == weight.shape[0] && shape[1] % geometry.groups == 0, "transposedConvolved",
            "an input of \(shape) does not fit a weight of \(weight.shape) in \(geometry.groups) groups")
        let outputs = weight.shape[1] * geometry.groups
        require(
            bias == nil || bias!.shape == [outputs], "transposedConvolved",
            "a bias of \(bias?.shape ?? []) for a weight of \(weight.shape) in \(geometry.groups) groups")
        let spatial = geometry.transposedOutputSizes(
            [Int](shape.sizes.dropFirst(2)), outputPadding: outputPadding ?? geometry.kernel.map { _ in 0 })
        let (source, kernel, original) = (contiguous(), weight.contiguous(), dtype)
        let (x, w) = (source.productOperand(), kernel.productOperand())
        let offset = bias?.contiguous()
        return Tensor.operation(
            "transposedConvolved", [source, kernel] + (offset.map { [$0] } ?? []),
            Shape([shape[0], outputs] + spatial),
            dtype: x.commonType("transposedConvolved", w), operands: [x, w],
            details: .transposedConvolution(geometry, outputPadding: outputPadding ?? geometry.kernel.map { _ in 0 }),
            forward: { backend, out in
                backend.convolutionInputGradient(x.view, weight: w.view, geometry, out: out, accumulates: false)
                guard let offset else { return }
                let column = Shape([1, outputs] + geometry.kernel.map { _ in 1 })
                let repeated = offset.view.reshaped(column).broadcast(to: out.shape)
                backend.binary(.init(.add), out, repeated, out: out)
            },
            gradient: { outputGradient, inputs in
                let arrived = outputGradient.contiguous()
                let (x, w) = (inputs.input(0, x), inputs.input(1, w))
                if inputs.createsGraph {
                    inputs.add(0, arrived.convolved(weight: w, geometry, outputSizes: x.shape))
                    inputs.add(1, arrived.convolutionWeightGradient(x, geometry))
                    return inputs.addBias(arrived)
                }
                guard arrived.view.isComputed, x.view.isComputed, w.view.isComputed else { return }
                if inputs.isNeeded(0) {
                    inputs.add(
                        0,
                        Tensor.make(x.shape, original, x.device, inputs: [arrived]) { backend, out in
                            backend.convolution(arrived.view, weight: w.view, bias: nil, geometry, out: out)
                        })
                }
                inputs.write(1) { destination, accumulates in
                    // What arrives takes the part of the input, and the input that of the gradient.
                    arrived.backend.convolutionWeightGradient(
                        arrived.view, outputGradient: x.view, geometry, out: destination, accumulates: accumulates)
                }
                inputs.addBias(arrived)
            })
    }

    private func requireConvolution(
        _ operation: String, _ weight: Tensor, _ bias: Tensor?, _ geometry: ConvolutionGeometry
    ) {
        require(
            rank == geometry.axes + 2, operation,
            "needs [batch, channels] and \(geometry.axes) more axes, not \(shape)")
        require(
            weight.rank == rank && [Int](weight.shape.sizes.dropFirst(2)) == geometry.kernel, operation,
            "a weight of \(weight.shape) does not fit a kernel of \(geometry.kernel)")
        require(
            [self, weight, bias].allSatisfy { $0?.dtype.isFloatingPoint ?? true }, operation,
            "needs real numbers, not \(dtype) and \(weight.dtype)")
    }
}

extension InputGradients {
    /// The gradient of a bias, if there is one: what arrives at its channel, summed.
    fileprivate func addBias(_ arrived: Tensor) {
        guard nodes.count > 2 else { return }
        if createsGraph { return add(2, arrived.sum(arrived.shape.indices.filter { $0 != 1 })) }
        write(2) { destination, accumulates in
            let column = Shape([1, arrived.shape[1], 1])
            let positions = arrived.shape.sizes.dropFirst(2).reduce(1, *)
            arrived.backend.reduce(
                .sum, arrived.view.reshaped([arrived.shape[0], arrived.shape[1], positions]),
                out: destination.reshaped(column), accumulates: accumulates)
        }
    }
}

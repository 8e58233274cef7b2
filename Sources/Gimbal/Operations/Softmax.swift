extension Tensor {
    /// exp(x) / Σ exp(x) along `axis`.
    public func softmax(axis: Int = -1) -> Tensor { along(axis) { $0.softmax(isLogarithmic: false) } }

    /// log(softmax(x)) along `axis`, without overflow.
    public func logSoftmax(axis: Int = -1) -> Tensor { along(axis) { $0.softmax(isLogarithmic: true) } }

    /// softmax(-x) along `axis`.
    public func softmin(axis: Int = -1) -> Tensor { (-self).softmax(axis: axis) }

    /// What `function`, which acts along the last axis, gives along another.
    private func along(_ axis: Int, _ function: (Tensor) -> Tensor) -> Tensor {
        guard rank > 0, resolve(axis, "softmax") != rank - 1 else { return function(self) }
        return function(transposed(axis, -1)).transposed(axis, -1)
    }

    private func softmax(isLogarithmic: Bool) -> Tensor {
        require(rank >= 1 && dtype.isFloatingPoint, "softmax", "cannot be taken of \(dtype) \(shape)")
        let classes = shape[rank - 1]
        let rows = Shape([shape.sizes.dropLast().reduce(1, *), classes])
        let x = contiguous()
        let original = dtype
        let result = Tensor.make(shape, fullType, device, inputs: [x], named: "softmax") { backend, out in
            backend.softmax(x.view.reshaped(rows), out: out.reshaped(rows), isLogarithmic: isLogarithmic)
        }
        return result.recorded(
            isLogarithmic ? "logSoftmax" : "softmax", [x], .softmax(isLogarithmic: isLogarithmic)
        ) { outputGradient, inputs in
            let result = inputs.output(result)
            if inputs.createsGraph {
                return inputs.add(0, outputGradient.throughSoftmax(result, isLogarithmic: isLogarithmic))
            }
            let arrived = outputGradient.contiguous()
            inputs.add(
                0,
                Tensor.make(result.shape, original, result.device, inputs: [arrived]) { backend, out in
                    backend.softmaxGradient(
                        result.view.reshaped(rows), outputGradient: arrived.view.reshaped(rows),
                        out: out.reshaped(rows), isLogarithmic: isLogarithmic)
                })
        }
    }

    /// The cross-entropy of each row, as in log Σⱼ exp xⱼ - x_target.
    ///
    /// This tensor holds logits, [rows, classes].
    /// - Parameters:
    ///   - targets: int32 [rows]; a class out of range gives NaN, unless it is the ignored one.
    ///   - ignoredIndex: a target whose rows give 0, whatever their logits are; nil for none.
    /// - Returns: [rows].
    public func crossEntropies(_ targets: Tensor, ignoredIndex: Int? = nil) -> Tensor {
        requireClasses(targets)
        let rows: Shape = [shape[0]]
        let logits = contiguous()
        let (x, classes) = (logits.detached(), targets.detached())
        var normalizers = Tensor.zeros([0], device: device)
        let losses = Tensor.make(rows, fullType, device, inputs: [logits, targets], named: "crossEntropy") {
            backend, out in
            guard let view = backend.allocateOrReport([shape[0], 2], backend.realType) else { return }
            backend.crossEntropy(
                x.view, targets: classes.view, ignoredIndex: ignoredIndex, losses: out, normalizers: view)
            normalizers = Tensor(view)
        }
        return losses.recorded("crossEntropy", [logits]) { [normalizers] outputGradient, inputs in
            let (x, classes) = (inputs.input(0, x), inputs.saved(classes))
            if inputs.createsGraph {
                return inputs.differentiate(
                    x.composedCrossEntropies(classes, ignoredIndex: ignoredIndex), outputGradient)
            }
            let operands = [x, classes, normalizers, outputGradient]
            inputs.add(
                0,
                Tensor.make(x.shape, x.dtype, x.device, inputs: operands) { backend, out in
                    backend.crossEntropyGradient(
                        x.view, targets: classes.view, ignoredIndex: ignoredIndex, normalizers: normalizers.view,
                        lossGradient: outputGradient.view, out: out)
                })
        }
    }

    /// The mean of `crossEntropies` over the rows whose target is not `ignoredIndex`; NaN over none.
    ///
    /// This tensor holds logits, [rows, classes].
    /// - Parameters:
    ///   - targets: int32 [rows]; a class out of range gives NaN, unless it is the ignored one.
    ///   - ignoredIndex: a target whose rows count for nothing, whatever their logits are; nil for none.
    /// - Returns: a tensor without axes.
    public func crossEntropyMean(_ targets: Tensor, ignoredIndex: Int? = nil) -> Tensor {
        requireClasses(targets)
        let logits = contiguous()
        let (x, classes) = (logits.detached(), targets.detached())
        var (normalizers, keptRows) = (Tensor.zeros([0], device: device), Tensor.zeros([0], device: device))
        let mean = Tensor.make([], fullType, device, inputs: [logits, targets], named: "crossEntropy") { backend, out in
            guard let forRows = backend.allocateOrReport([shape[0], 2], backend.realType),
                let count = backend.allocateOrReport([1], backend.realType)
            else { return }
            backend.crossEntropyMean(
                x.view, targets: classes.view, ignoredIndex: ignoredIndex, mean: out, keptRows: count,
                normalizers: forRows)
            (normalizers, keptRows) = (Tensor(forRows), Tensor(count))
        }
        return mean.recorded("crossEntropy", [logits]) { [normalizers, keptRows] outputGradient, inputs in
            let (x, classes) = (inputs.input(0, x), inputs.saved(classes))
            if inputs.createsGraph {
                let losses = x.composedCrossEntropies(classes, ignoredIndex: ignoredIndex)
                return inputs.differentiate(losses.sum() / keptRows.reshaped([]), outputGradient)
            }
            let operands = [x, classes, normalizers, keptRows, outputGradient]
            inputs.add(
                0,
                Tensor.make(x.shape, x.dtype, x.device, inputs: operands) { backend, out in
                    backend.crossEntropyMeanGradient(
                        x.view, targets: classes.view, ignoredIndex: ignoredIndex, keptRows: keptRows.view,
                        normalizers: normalizers.view, meanGradient: outputGradient.view, out: out)
                })
        }
    }

    /// Stops where these logits and `targets` do not fit.
    private func requireClasses(_ targets: Tensor) {
        require(
            rank == 2 && targets.shape == [shape[0]] && targets.dtype == .int32 && shape[1] > 0, "crossEntropy",
            "logits of \(shape) need int32 targets of [\(shape.first ?? 0)], not \(targets.dtype) \(targets.shape)")
    }
}

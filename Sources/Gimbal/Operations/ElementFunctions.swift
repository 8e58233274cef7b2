// A user's own elementwise operations: an `ElementFunction` is called with tensors as any operation is.

extension ElementFunction {
    /// The result of the function for tensors that broadcast to one shape, in one pass over memory.
    ///
    /// ```swift
    /// let swish = ElementFunction { x in x * x.sigmoid() }
    /// let y = swish(x)
    /// ```
    /// Its gradient is worked out from the formula, or as `withGradient` gave it, and takes one more pass. The result has the
    /// type that real inputs have in common.
    /// - Parameters:
    ///   - inputs: as many as the function takes. Whole numbers, such as masks, are computed with as real ones.
    ///   - numbers: as many as the function takes. They may change from call to call.
    public func callAsFunction(_ inputs: Tensor..., numbers: [Double] = []) -> Tensor {
        require(outputCount == 1, "ElementFunction", "\(outputCount) outputs; ask for them by outputs(of:)")
        return outputs(of: inputs, numbers: numbers)[0]
    }

    /// The results of a function of several outputs; see `callAsFunction`.
    public func outputs(of inputs: [Tensor], numbers: [Double] = []) -> [Tensor] {
        require(
            inputs.count == inputCount && numbers.count == numberCount && !inputs.isEmpty, "ElementFunction",
            "takes \(inputCount) tensors and \(numberCount) numbers, not \(inputs.count) and \(numbers.count)")
        // Each result that a gradient may arrive at is an operation of its own.
        if outputCount > 1, GradientMode.isRecording, inputs.contains(where: \.requiresGradient) {
            return (0..<outputCount).map { choosing([$0]).outputs(of: inputs, numbers: numbers)[0] }
        }
        let dtype = Self.commonType(inputs)
        let results = computed(inputs, numbers, [DType](repeating: dtype, count: outputCount))
        guard outputCount == 1 else {
            OperationObserver.current?.note(
                ComputedOperation(
                    name: "elementwise", inputs: inputs, outputs: results, details: .function(self, numbers: numbers)))
            return results
        }
        let kept = inputs.map { $0.detached() }
        return [
            results[0].recorded("elementwise", inputs, .function(self, numbers: numbers)) { outputGradient, gradients in
                let wanted = kept.indices.filter { gradients.isNeeded($0) }
                let operands = kept.indices.map { gradients.input($0, kept[$0]) } + [outputGradient]
                let rule = gradient(for: wanted)
                let shares =
                    gradients.createsGraph
                    ? rule.outputs(of: operands, numbers: numbers)
                    : rule.computed(operands, numbers, wanted.map { kept[$0].dtype })
                for (index, share) in zip(wanted, shares) { gradients.add(index, share) }
            }
        ]
    }

    /// The outputs, without recording, in the types given.
    private func computed(_ inputs: [Tensor], _ numbers: [Double], _ dtypes: [DType]) -> [Tensor] {
        let shape = inputs.dropFirst().reduce(inputs[0].shape) { shape, input in
            guard let both = shape.broadcast(with: input.shape) else {
                stop(
                    "ElementFunction", "shapes \(inputs.map { "\($0.shape)" }.joined(separator: ", ")) do not broadcast"
                )
            }
            return both
        }
        let device = Tensor.commonDevice("ElementFunction", inputs)
        // All but the last are set aside first, for one launch to fill them together.
        var others: [Tensor] = []
        for dtype in dtypes.dropLast() { others.append(Tensor.make(shape, dtype, device, inputs: inputs) { _, _ in }) }
        let last = Tensor.make(shape, dtypes.last!, device, inputs: inputs, filling: others) { backend, out in
            backend.elementwise(
                self, inputs.map { $0.view.broadcast(to: shape) }, numbers: numbers, out: others.map(\.view) + [out])
        }
        return others + [last]
    }

    /// The type of what is made of `inputs`: the wider one, but single numbers and whole ones do not widen others.
    private static func commonType(_ inputs: [Tensor]) -> DType {
        let real = inputs.filter { $0.dtype.isFloatingPoint }
        let deciding = real.contains { $0.rank > 0 } ? real.filter { $0.rank > 0 } : real
        guard let first = deciding.first else { return inputs[0].backend.realType }
        return deciding.dropFirst().reduce(first.dtype) { .wider($0, $1.dtype) }
    }
}

extension Tensor {
    /// Sets each element to 0 with `probability` and scales the others by 1 / (1 - probability), so that the expectation
    /// stays (Srivastava et al. 2014, inverted). The mask is not stored: its random numbers are drawn again for the
    /// gradient. Along `batchAxis` they are for the rows of a batch: see ``RandomGenerator``.
    public func droppedOut(
        probability: Double, batchAxis: Int? = 0, generator: RandomGenerator = .current
    ) -> Tensor {
        require((0..<1).contains(probability), "droppedOut", "a probability in [0, 1), not \(probability)")
        if probability == 0 { return self }
        return droppedOut(probability: probability, generator.reserve(shape, batchAxis: batchAxis))
    }

    func droppedOut(probability: Double, _ part: RandomPart) -> Tensor {
        let x = contiguous()
        return Tensor.operation(
            "droppedOut", [x], shape,
            forward: { backend, out in backend.dropout(x.view, probability: probability, part, out: out) },
            gradient: { outputGradient, inputs in
                inputs.add(0, outputGradient.droppedOut(probability: probability, part))
            })
    }
}

extension Tensor {
    /// The sum of this tensor over all ranks, the same bits on each of them.
    ///
    /// Its gradient is the sum over ranks of what arrives at their results: that of the sum of all their losses. All ranks
    /// call this in the same order with the same shape, and the backward pass makes the same exchanges once more, in reverse. A
    /// device's elements go by way of the host, in float32 where their type is narrower.
    ///
    /// What fails in the exchange is thrown by the next call that waits for the device; the result is not defined then.
    /// - Parameters:
    ///   - exchange: with the other ranks.
    ///   - isCounted: whether this rank adds anything. One that does not, as a stand-in (`BatchShare.isStandIn`), takes part in
    ///     the exchanges all the same; its gradients do not count either.
    public func allReduced(over exchange: any GradientExchange, isCounted: Bool = true) -> Tensor {
        require(dtype.isFloatingPoint, "allReduced", "sums real numbers, not \(dtype)")
        if dtype.isNarrow {
            return inFloat32.allReduced(over: exchange, isCounted: isCounted).cast(to: dtype)
        }
        let source = contiguous()
        let elements = source.view
        return Tensor.operation(
            "allReduced", [source], shape,
            forward: { _, out in
                if out.dtype == .float64 {
                    elements.sum(Double.self, to: out, isCounted) { try exchange.allReduce($0, .sum) }
                } else {
                    elements.sum(Float.self, to: out, isCounted) { try exchange.allReduce($0, .sum) }
                }
            },
            gradient: { outputGradient, inputs in
                // Of a rank that is not counted, too, the pass goes on: the exchanges of operations before this one are due.
                let sum = outputGradient.allReduced(over: exchange, isCounted: isCounted)
                inputs.add(0, isCounted ? sum : sum * 0)
            })
    }
}

extension TensorView {
    /// Writes what `allReduce` makes of these elements, of zeros where they are not counted, to `out`; both are contiguous.
    fileprivate func sum<Element: BinaryFloatingPoint & BitwiseCopyable>(
        _ type: Element.Type, to out: TensorView, _ isCounted: Bool,
        _ allReduce: (UnsafeMutableBufferPointer<Element>) throws -> Void
    ) {
        let backend = storage.backend
        var values = [Element](repeating: 0, count: elementCount)
        do {
            try values.withUnsafeMutableBufferPointer { values in
                if isCounted {
                    try backend.download(storage, byteOffset: byteOffset, into: UnsafeMutableRawBufferPointer(values))
                }
                try allReduce(values)
            }
        } catch {
            backend.errors.report(
                error as? GimbalError
                    ?? .exchange(rank: nil, reason: "a sum over ranks failed: \(error)"))
        }
        values.withUnsafeBytes { backend.upload($0, to: out.storage, byteOffset: out.byteOffset) }
    }
}

// Pooling of [batch, channels, one to three spatial axes...].

extension Tensor {
    /// The largest element of each window, NaN if it holds one. The gradient goes to that element, the first of equals.
    /// - Parameters:
    ///   - kernel: the window's size on each spatial axis, in elements.
    ///   - stride: from window to window on each spatial axis; the kernel unless given.
    ///   - padding: at both ends of each spatial axis, never the largest; 0 unless given.
    ///   - dilation: from element to element of a window on each spatial axis; 1 unless given.
    ///   - roundsUp: adds a last window that reaches over the end, if it begins before it.
    public func maxPooled(
        kernel: [Int], stride: [Int]? = nil, padding: [Int]? = nil, dilation: [Int]? = nil, roundsUp: Bool = false
    ) -> Tensor {
        maxPooled(
            "maxPooled",
            PoolingGeometry(
                inputSizes: spatialSizes("maxPooled", kernel.count), kernel: kernel, stride: stride ?? kernel,
                padding: padding ?? kernel.map { _ in 0 }, dilation: dilation ?? kernel.map { _ in 1 },
                roundsUp: roundsUp))
    }

    /// The mean of each window.
    /// - Parameters:
    ///   - kernel: the window's size on each spatial axis, in elements.
    ///   - stride: from window to window on each spatial axis; the kernel unless given.
    ///   - padding: at both ends of each spatial axis; 0 unless given.
    ///   - countsPadding: whether padding counts as zeros, or not at all.
    ///   - roundsUp: adds a last window that reaches over the end, if it begins before it.
    public func averagePooled(
        kernel: [Int], stride: [Int]? = nil, padding: [Int]? = nil, countsPadding: Bool = true, roundsUp: Bool = false
    ) -> Tensor {
        averagePooled(
            "averagePooled",
            PoolingGeometry(
                inputSizes: spatialSizes("averagePooled", kernel.count), kernel: kernel, stride: stride ?? kernel,
                padding: padding ?? kernel.map { _ in 0 }, dilation: kernel.map { _ in 1 }, roundsUp: roundsUp),
            countsPadding: countsPadding)
    }

    /// The largest element of each of `sizes` parts of every channel; part i of m on an axis of n is
    /// ⌊i n / m⌋..<⌈(i + 1) n / m⌉.
    public func adaptiveMaxPooled(to sizes: [Int]) -> Tensor {
        let spatial = spatialSizes("adaptiveMaxPooled", sizes.count)
        return maxPooled("adaptiveMaxPooled", PoolingGeometry(inputSizes: spatial, outputSizes: sizes))
    }

    /// The mean of each of `sizes` parts of every channel; part i of m on an axis of n is ⌊i n / m⌋..<⌈(i + 1) n / m⌉.
    public func adaptiveAveragePooled(to sizes: [Int]) -> Tensor {
        let spatial = spatialSizes("adaptiveAveragePooled", sizes.count)
        if sizes.allSatisfy({ $0 == 1 }) { return mean([Int](2..<rank), keepsAxes: true) }
        return averagePooled(
            "adaptiveAveragePooled", PoolingGeometry(inputSizes: spatial, outputSizes: sizes), countsPadding: false)
    }

    private func spatialSizes(_ operation: String, _ axes: Int) -> [Int] {
        require(
            dtype.isFloatingPoint && rank == axes + 2, operation,
            "needs real numbers [batch, channels, and \(axes) axes], not \(dtype) \(shape)")
        return [Int](shape.sizes.dropFirst(2))
    }

    private func maxPooled(_ name: StaticString, _ geometry: PoolingGeometry) -> Tensor {
        let source = contiguous()
        let x = source.detached()
        let pooled = Shape([shape[0], shape[1]] + geometry.outputSizes)
        let indices = Tensor.make(pooled, .int32, device, inputs: [source]) { _, _ in }
        let result = Tensor.make(pooled, dtype, device, inputs: [source], filling: [indices], named: name) {
            backend, out in
            backend.maxPool(x.view, geometry, out: out, indices: indices.view)
        }
        return result.recorded(name, [source], .maximumPooling(geometry)) { outputGradient, inputs in
            inputs.add(0, outputGradient.maxUnpooled(indices, geometry))
        }
    }

    /// The gradient of `maxPooled`: each element at its place, from which it was taken.
    private func maxUnpooled(_ indices: Tensor, _ geometry: PoolingGeometry) -> Tensor {
        let arrived = contiguous()
        let channels = shape[0] * shape[1]
        let positions = geometry.inputSizes.reduce(1, *)
        let pooled = shape
        return Tensor.operation(
            "maxUnpooled", [arrived], Shape([shape[0], shape[1]] + geometry.inputSizes), operands: [indices],
            forward: { backend, out in
                backend.maxPoolGradient(arrived.view, indices: indices.view, geometry, out: out)
            },
            gradient: { outputGradient, inputs in
                require(
                    channels * positions <= Int(Int32.max), "maxPooled", "\(pooled) is too large to differentiate again"
                )
                let first = Tensor(
                    (0..<channels).map { Int32($0 * positions) }, [channels, 1], device: outputGradient.device)
                let places = (indices.reshaped([channels, -1]) + first).reshaped([-1])
                inputs.add(0, outputGradient.reshaped([channels * positions, 1]).gathered(places).reshaped(pooled))
            })
    }

    private func averagePooled(_ name: StaticString, _ geometry: PoolingGeometry, countsPadding: Bool) -> Tensor {
        let source = contiguous()
        return Tensor.operation(
            name, [source], Shape([shape[0], shape[1]] + geometry.outputSizes),
            details: .averagePooling(geometry, countsPadding: countsPadding),
            forward: { backend, out in
                backend.averagePool(source.view, geometry, countsPadding: countsPadding, out: out)
            },
            gradient: { outputGradient, inputs in
                inputs.add(0, outputGradient.averageUnpooled(name, geometry, countsPadding: countsPadding))
            })
    }

    /// The gradient of `averagePooled`: each element in equal shares to the window that it is the mean of.
    private func averageUnpooled(_ name: StaticString, _ geometry: PoolingGeometry, countsPadding: Bool) -> Tensor {
        let arrived = contiguous()
        return Tensor.operation(
            name, [arrived], Shape([shape[0], shape[1]] + geometry.inputSizes),
            forward: { backend, out in
                backend.averagePoolGradient(arrived.view, geometry, countsPadding: countsPadding, out: out)
            },
            gradient: { outputGradient, inputs in
                inputs.add(0, outputGradient.averagePooled(name, geometry, countsPadding: countsPadding))
            })
    }
}

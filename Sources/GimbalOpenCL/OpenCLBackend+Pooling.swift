import GimbalBackend

extension OpenCLBackend {
    public func maxPool(_ x: TensorView, _ geometry: PoolingGeometry, out: TensorView, indices: TensorView) {
        guard out.elementCount > 0 else { return }
        guard areFloat32([x, out]) else {
            return widening([.read(x), .write(out)]) { maxPool($0[0]!, geometry, out: $0[1]!, indices: indices) }
        }
        pool(.maxPool, geometry, [x, out, indices], count: out.elementCount)
    }

    public func maxPoolGradient(
        _ outputGradient: TensorView, indices: TensorView, _ geometry: PoolingGeometry, out: TensorView
    ) {
        guard out.elementCount > 0 else { return }
        guard areFloat32([outputGradient, out]) else {
            return widening([.read(outputGradient), .write(out)]) {
                maxPoolGradient($0[0]!, indices: indices, geometry, out: $0[1]!)
            }
        }
        pool(.maxPoolGradient, geometry, [outputGradient, indices, out], count: out.elementCount)
    }

    public func averagePool(_ x: TensorView, _ geometry: PoolingGeometry, countsPadding: Bool, out: TensorView) {
        guard out.elementCount > 0 else { return }
        guard areFloat32([x, out]) else {
            return widening([.read(x), .write(out)]) {
                averagePool($0[0]!, geometry, countsPadding: countsPadding, out: $0[1]!)
            }
        }
        pool(
            .averagePool, geometry, [x, out], count: out.elementCount, [.flag(.countsPadding, countsPadding)])
    }

    public func averagePoolGradient(
        _ outputGradient: TensorView, _ geometry: PoolingGeometry, countsPadding: Bool, out: TensorView
    ) {
        guard out.elementCount > 0 else { return }
        guard areFloat32([outputGradient, out]) else {
            return widening([.read(outputGradient), .write(out)]) {
                averagePoolGradient($0[0]!, geometry, countsPadding: countsPadding, out: $0[1]!)
            }
        }
        pool(
            .averagePoolGradient, geometry, [outputGradient, out], count: out.elementCount,
            [.flag(.countsPadding, countsPadding)])
    }

    /// One work-item for each of `count` elements of the result.
    private func pool(
        _ kernel: KernelName, _ geometry: PoolingGeometry, _ views: [TensorView], count: Int,
        _ settings: [KernelKey.Setting] = []
    ) {
        // In the order of the kernels' structure `Windows`.
        let missing = 3 - geometry.axes.count
        func filled(_ value: Int, _ size: (PoolingGeometry.Axis) -> Int) -> [Int] {
            [Int](repeating: value, count: missing) + geometry.axes.map(size)
        }
        let numbers =
            filled(1, \.inputSize) + filled(1, \.outputSize) + filled(1, \.kernel) + filled(1, \.stride)
            + filled(0, \.padding) + filled(1, \.dilation)
        let isWide = needsWideIndex(views)
        let isAdaptive = geometry.axes.contains { $0.isAdaptive }
        launch(
            KernelKey(kernel, settings + [.flag(.isAdaptive, isAdaptive), .flag(.wideIndex, isWide)]), count: count,
            views.map { .view($0) } + [.indices(numbers, isWide: isWide), .index(count, isWide: isWide)])
    }
}

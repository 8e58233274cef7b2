import Gimbal

// Convolutions and pooling, of [batch, channels, axes...].

extension Translator {
    func convolve(
        _ step: PairedStep, _ type: String, _ geometry: ConvolutionGeometry, _ more: [ONNXAttributeProto]
    ) throws {
        define(
            step,
            as: graph.add(
                type, try step.operands.map { try value($0) },
                [
                    .integers("kernel_shape", geometry.kernel), .integers("strides", geometry.stride),
                    .integers("pads", geometry.padding + geometry.padding),
                    .integers("dilations", geometry.dilation), .integer("group", geometry.groups),
                ] + more))
    }

    func poolMaximum(_ step: PairedStep, _ geometry: PoolingGeometry) throws {
        let x = try value(step.operands[0])
        guard let windows = geometry.evenWindows else {
            return define(step, as: try poolUnevenly(x, .maximum, geometry))
        }
        define(step, as: graph.add("MaxPool", [x], windows.attributes + [.integers("dilations", windows.dilation)]))
    }

    func poolAverage(_ step: PairedStep, _ geometry: PoolingGeometry, countsPadding: Bool) throws {
        let x = try value(step.operands[0])
        guard let windows = geometry.evenWindows else {
            return define(step, as: try poolUnevenly(x, .sum, geometry))
        }
        let average = graph.add(
            "AveragePool", [x], windows.attributes + [.integer("count_include_pad", countsPadding ? 1 : 0)])
        guard countsPadding, windows.extra.contains(where: { $0 > 0 }) else { return define(step, as: average) }
        // What the last windows reach over beyond the padding counts for nothing here, and as zeros there.
        let one = Tensor(repeating: 1, [], dtype: step.outputs[0].dtype, device: .cpu)
        let factor = geometry.axes.indices.reduce(one) { factor, index in
            let axis = geometry.axes[index]
            let shares = (0..<axis.outputSize).map {
                Double(axis.kernel) / Double(axis.divisor($0, countsPadding: true))
            }
            let following = [Int](repeating: 1, count: geometry.axes.count - 1 - index)
            return factor * Tensor(shares, Shape([axis.outputSize] + following), dtype: one.dtype, device: .cpu)
        }
        define(step, as: graph.add("Mul", [average, try graph.constant(factor)]))
    }

    /// Windows of several sizes: a window is one of each axis crossed with the others, so that each axis is folded by itself.
    private func poolUnevenly(_ value: String, _ reduction: Reduction, _ geometry: PoolingGeometry) throws -> String {
        var result = value
        for (index, axis) in geometry.axes.enumerated() {
            let parts = try (0..<axis.outputSize).map { place in
                let window = axis.window(place)
                let part = graph.add(
                    "Slice",
                    [
                        result, try graph.integers([window.lowerBound]), try graph.integers([window.upperBound]),
                        try graph.integers([index + 2]),
                    ])
                let sum = try reduced(part, reduction, [index + 2])
                guard reduction == .sum else { return sum }
                return graph.add("Mul", [sum, try graph.scalar(1 / Double(window.count), .float32)])
            }
            result = parts.count == 1 ? parts[0] : graph.add("Concat", parts, [.integer("axis", index + 2)])
        }
        return result
    }
}

/// Windows of one size at equal distances, as ONNX has them.
private struct EvenWindows {
    var kernel, stride, padding, dilation: [Int]
    /// How far the last window reaches over the end of the padding.
    var extra: [Int]

    var attributes: [ONNXAttributeProto] {
        [
            .integers("kernel_shape", kernel), .integers("strides", stride),
            .integers("pads", padding + zip(padding, extra).map { $0 + $1 }),
        ]
    }
}

extension PoolingGeometry {
    /// Nil where windows have several sizes.
    fileprivate var evenWindows: EvenWindows? {
        if axes.allSatisfy(\.isAdaptive) {
            guard axes.allSatisfy({ $0.inputSize % $0.outputSize == 0 }) else { return nil }
            let kernel = axes.map { $0.inputSize / $0.outputSize }
            let (ones, none) = (kernel.map { _ in 1 }, kernel.map { _ in 0 })
            return EvenWindows(kernel: kernel, stride: kernel, padding: none, dilation: ones, extra: none)
        }
        return EvenWindows(
            kernel: axes.map(\.kernel), stride: axes.map(\.stride), padding: axes.map(\.padding),
            dilation: axes.map(\.dilation),
            extra: axes.map { axis in
                let end = (axis.outputSize - 1) * axis.stride + axis.dilation * (axis.kernel - 1) + 1
                return Swift.max(0, end - axis.inputSize - 2 * axis.padding)
            })
    }
}

import GimbalBackend

// Convolutions by one of three methods: implicit products and direct sums on GPUs, whose indices have 31 bits and which
// take float32, float16 and bfloat16; columns elsewhere.

extension OpenCLBackend {
    public func convolution(
        _ x: TensorView, weight: TensorView, bias: TensorView?, _ geometry: ConvolutionGeometry, out: TensorView
    ) {
        guard out.elementCount > 0 else { return }
        switch method([x, weight, out], geometry, channels: weight.shape[1]) {
        case .columns:
            guard areFloat32("convolution", [x, weight, bias, out]) else { return }
            convolutionColumns(x, weight: weight, bias: bias, geometry, out: out)
        case .depthwise: depthwise(x, weight: weight, bias: bias, geometry, out: out)
        case .product: convolutionProduct(x, weight: weight, bias: bias, geometry, out: out)
        }
    }

    public func convolutionInputGradient(
        _ outputGradient: TensorView, weight: TensorView, _ geometry: ConvolutionGeometry, out: TensorView,
        accumulates: Bool
    ) {
        guard out.elementCount > 0 else { return }
        switch method([outputGradient, weight, out], geometry, channels: weight.shape[1]) {
        case .columns:
            guard areFloat32("convolutionInputGradient", [outputGradient, weight, out]) else { return }
            convolutionColumnsInputGradient(
                outputGradient, weight: weight, geometry, out: out, accumulates: accumulates)
        case .depthwise:
            depthwiseInputGradient(outputGradient, weight: weight, geometry, out: out, accumulates: accumulates)
        case .product:
            convolutionProductInputGradient(
                outputGradient, weight: weight, geometry, out: out, accumulates: accumulates)
        }
    }

    public func convolutionWeightGradient(
        _ x: TensorView, outputGradient: TensorView, _ geometry: ConvolutionGeometry, out: TensorView,
        accumulates: Bool
    ) {
        guard out.elementCount > 0 else { return }
        if x.shape[0] == 0 {
            if !accumulates { fill(out, with: 0) }
            return
        }
        switch method([x, outputGradient, out], geometry, channels: out.shape[1]) {
        case .columns:
            guard areFloat32("convolutionWeightGradient", [x, outputGradient, out]) else { return }
            convolutionColumnsWeightGradient(
                x, outputGradient: outputGradient, geometry, out: out, accumulates: accumulates)
        case .depthwise:
            depthwiseWeightGradient(
                x, outputGradient: outputGradient, geometry, out: out, accumulates: accumulates)
        case .product:
            convolutionProductWeightGradient(
                x, outputGradient: outputGradient, geometry, out: out, accumulates: accumulates)
        }
    }

    private enum Method { case columns, product, depthwise }

    private func method(_ views: [TensorView], _ geometry: ConvolutionGeometry, channels: Int) -> Method {
        let parts = geometry.groups * geometry.stride.reduce(1, *)
        let areNarrow = views.allSatisfy { [.float32, .float16, .bfloat16].contains($0.dtype) }
        if openCLDevice.isCPU || needsWideIndex(views) || !areNarrow { return .columns }
        if channels == 1 && geometry.groups > 1 { return .depthwise }
        return parts <= 65_535 ? .product : .columns
    }
}

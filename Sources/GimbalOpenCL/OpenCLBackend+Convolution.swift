import GimbalBackend

// Convolutions by one of three methods: implicit products and direct sums on GPUs, whose indices have 31 bits and which
// take float32, float16 and bfloat16; columns elsewhere.

extension OpenCLBackend {
    public func convolution(
        _ x: TensorView, weight: TensorView, bias: TensorView?, _ geometry: ConvolutionGeometry, out: TensorView
    ) {
        guard out.elementCount > 0 else { return }
        switch method([x, weight, bias, out], geometry, channels: weight.shape[1]) {
        case .columns:
            guard areFloat32([x, weight, bias, out]) else {
                return widening([.read(x), .read(weight), .read(bias), .write(out)]) {
                    convolution($0[0]!, weight: $0[1]!, bias: $0[2], geometry, out: $0[3]!)
                }
            }
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
            guard areFloat32([outputGradient, weight, out]) else {
                return widening([.read(outputGradient), .read(weight), .gradient((out, accumulates))]) {
                    convolutionInputGradient($0[0]!, weight: $0[1]!, geometry, out: $0[2]!, accumulates: accumulates)
                }
            }
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
            guard areFloat32([x, outputGradient, out]) else {
                return widening([.read(x), .read(outputGradient), .gradient((out, accumulates))]) {
                    convolutionWeightGradient(
                        $0[0]!, outputGradient: $0[1]!, geometry, out: $0[2]!, accumulates: accumulates)
                }
            }
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

    private func method(_ views: [TensorView?], _ geometry: ConvolutionGeometry, channels: Int) -> Method {
        let views = views.compactMap { $0 }
        let parts = geometry.groups * geometry.stride.reduce(1, *)
        let areNarrow = views.allSatisfy { [.float32, .float16, .bfloat16].contains($0.dtype) }
        if openCLDevice.isCPU || needsWideIndex(views) || !areNarrow { return .columns }
        if channels == 1 && geometry.groups > 1 { return .depthwise }
        // Products of columns can use tensor cores, once float32 may be rounded for them.
        let usesTensorCores = productPrecision == .tf32 && areFloat32(views)
        return usesTensorCores || parts > 65_535 ? .columns : .product
    }
}

import GimbalBackend

// Convolutions whose groups have one input channel each, directly: one launch for each of the three.

extension OpenCLBackend {
    func depthwise(
        _ x: TensorView, weight: TensorView, bias: TensorView?, _ geometry: ConvolutionGeometry, out: TensorView
    ) {
        let plan = ConvolutionPlan(x: x.shape, out: out.shape, geometry)
        var arguments: [KernelArgument] = [.view(x), .view(weight), .view(out)]
        if let bias { arguments.append(.view(bias)) }
        arguments += [.indices(plan.depthwiseNumbers, isWide: false), .int32(out.elementCount)]
        launch(
            KernelKey(
                .depthwise,
                [.number(.axes, plan.axes.count), .flag(.hasBias, bias != nil)] + types(x, weight, out, bias: bias)),
            count: out.elementCount, arguments)
    }

    func depthwiseInputGradient(
        _ outputGradient: TensorView, weight: TensorView, _ geometry: ConvolutionGeometry, out: TensorView,
        accumulates: Bool
    ) {
        let plan = ConvolutionPlan(x: out.shape, out: outputGradient.shape, geometry)
        launch(
            KernelKey(
                .depthwiseInputGradient,
                [
                    .number(.axes, plan.axes.count), .flag(.hasClasses, plan.classes > 1),
                    .flag(.accumulates, accumulates),
                ] + types(outputGradient, weight, out)), count: out.elementCount,
            [
                .view(outputGradient), .view(weight), .view(out), .indices(plan.depthwiseNumbers, isWide: false),
                .int32(out.elementCount),
            ])
    }

    func depthwiseWeightGradient(
        _ x: TensorView, outputGradient: TensorView, _ geometry: ConvolutionGeometry, out: TensorView,
        accumulates: Bool
    ) {
        let plan = ConvolutionPlan(x: x.shape, out: outputGradient.shape, geometry)
        launch(
            KernelKey(
                .depthwiseWeightGradient,
                [
                    .number(.axes, plan.axes.count), .flag(.accumulates, accumulates), .number(.lanes, 256),
                    .number(.slots, 1),
                ] + types(x, outputGradient, out)), groups: (out.elementCount, 1, 1), groupSize: 256,
            [
                .view(x), .view(outputGradient), .view(out), .indices(plan.depthwiseNumbers, isWide: false),
                .int32(plan.images * plan.outputSize),
            ])
    }
}

extension ConvolutionPlan {
    /// In the order of the kernels' structure `Depthwise`.
    fileprivate var depthwiseNumbers: [Int] { axisNumbers + [images, groups * channels, outputs] }
}

import CGimbalLoops
import GimbalBackend

// Convolutions of each channel by kernels of its own: see depthwise_loops.h. Threads share the planes, and for the gradient of the
// weight the channels.

extension CPUBackend {
    /// How a convolution of rows and columns goes channel by channel, or the gradient of its input; nil where other methods are meant.
    /// - Parameters:
    ///   - image: whose channels are convolved apart.
    ///   - output: a few channels for each.
    func depthwisePlan(
        _ geometry: ConvolutionGeometry, image: TensorView, output: TensorView, isGradient: Bool = false
    ) -> gimbal_depthwise? {
        guard geometry.axes <= 2, geometry.groups > 1, image.shape[1] == geometry.groups,
            output.shape[1] <= 4 * geometry.groups, image.elementCount > 0, output.elementCount > 0
        else { return nil }
        func pair(_ sizes: [Int], missing: Int) -> (Int, Int) {
            (sizes.count == 1 ? missing : sizes[0], sizes[sizes.count - 1])
        }
        var plan = gimbal_depthwise()
        plan.image = pair(spatialSizes(image), missing: 1)
        plan.output = pair(spatialSizes(output), missing: 1)
        plan.kernel = pair(geometry.kernel, missing: 1)
        plan.stride = pair(geometry.stride, missing: 1)
        plan.padding = pair(geometry.padding, missing: 0)
        plan.dilation = pair(geometry.dilation, missing: 1)
        plan.is_gradient = isGradient
        return loops.depthwise_plan(&plan) ? plan : nil
    }

    /// The convolution of contiguous float32 operands.
    func depthwiseConvolution(
        _ x: TensorView, weight: TensorView, bias: TensorView?, _ plan: gimbal_depthwise, out: TensorView
    ) throws {
        let (channels, outputs) = (x.shape[1], out.shape[1])
        let (sourceSize, targetSize) = (planeSize(x), planeSize(out))
        let elements = planeSize(weight)
        try sharePlanes(x.shape[0] * outputs, elements, targetSize, plan) { plan, index, scratch in
            let (image, output) = (index / outputs, index % outputs)
            let source = image * channels + output / (outputs / channels)
            loops.depthwise(
                &plan, x.floats + source * sourceSize, weight.floats + output * elements, bias?.floats[output] ?? 0,
                false, scratch, out.floats + index * targetSize)
        }
    }

    /// The gradient of its input. The weight is finite.
    func depthwiseInputGradient(
        _ outputGradient: TensorView, weight: TensorView, _ plan: gimbal_depthwise, out: TensorView, accumulates: Bool
    ) throws {
        let channels = out.shape[1]
        let (sourceSize, targetSize) = (planeSize(outputGradient), planeSize(out))
        let elements = planeSize(weight)
        let each = outputGradient.shape[1] / channels
        try sharePlanes(out.shape[0] * channels, each * elements, targetSize, plan) { plan, index, scratch in
            for output in 0..<each {
                loops.depthwise(
                    &plan, outputGradient.floats + (index * each + output) * sourceSize,
                    weight.floats + (index % channels * each + output) * elements, 0, accumulates || output > 0,
                    scratch, out.floats + index * targetSize)
            }
        }
    }

    /// The gradient of its weight; false, and nothing done, where it is not finite: zeros around an image may have met an infinity
    /// that the kernel never does.
    func depthwiseWeightGradient(
        _ x: TensorView, outputGradient: TensorView, _ plan: gimbal_depthwise, out: TensorView, accumulates: Bool
    ) throws -> Bool {
        let (images, channels, outputs) = (x.shape[0], x.shape[1], outputGradient.shape[1])
        let (sourceSize, targetSize) = (planeSize(x), planeSize(outputGradient))
        let elements = planeSize(out)
        let sums = try allocate([outputs, elements], .float64)
        let totals = sums.pointer.assumingMemoryBound(to: Double.self)
        totals.update(repeating: 0, count: sums.elementCount)
        try sharePlanes(outputs, images * elements, targetSize, plan) { plan, output, scratch in
            loops.depthwise_weight_gradient(
                &plan, x.floats + output / (outputs / channels) * sourceSize, channels * sourceSize,
                outputGradient.floats + output * targetSize, outputs * targetSize, images, scratch,
                totals + output * elements)
        }
        guard (0..<sums.elementCount).allSatisfy({ totals[$0].isFinite }) else { return false }
        for index in 0..<sums.elementCount {
            out.floats[index] = Float(totals[index]) + (accumulates ? out.floats[index] : 0)
        }
        return true
    }

    /// Elements of a channel of an image, or of a kernel.
    private func planeSize(_ view: TensorView) -> Int { spatialSizes(view).reduce(1, *) }

    /// Calls `body` for each of `count` planes, several at a time, with scratch memory.
    private func sharePlanes(
        _ count: Int, _ products: Int, _ positions: Int, _ plan: gimbal_depthwise,
        _ body: (inout gimbal_depthwise, Int, UnsafeMutablePointer<Float>) -> Void
    ) throws {
        try share(count, work: count * products * positions, scratch: plan.scratch) { range, memory in
            var plan = plan
            memory.update(repeating: 0, count: plan.scratch)
            for index in range { body(&plan, index, memory) }
        }
    }
}

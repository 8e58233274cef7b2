import CGimbalLoops
import GimbalBackend

// Convolutions, by the method that is the fastest for their sizes; no result depends on the number of threads.

extension CPUBackend {
    public func convolution(
        _ x: TensorView, weight: TensorView, bias: TensorView?, _ geometry: ConvolutionGeometry, out: TensorView
    ) {
        guard out.elementCount > 0 else { return }
        computing([x, weight] + (bias.map { [$0] } ?? []), out: out, contiguous: true) { inputs, out in
            let bias = bias == nil ? nil : inputs[2]
            if let plan = depthwisePlan(geometry, image: x, output: out) {
                return try depthwiseConvolution(inputs[0], weight: inputs[1], bias: bias, plan, out: out)
            }
            if savesProducts(geometry, x, out), areModest([inputs[0]]), largest(of: inputs[1]) < modest {
                return try winogradConvolution(inputs[0], weight: inputs[1], bias: bias, geometry, out: out)
            }
            if sumsChannelsLast(geometry, from: x, to: out),
                try gatheredConvolution(inputs[0], weight: inputs[1], bias: bias, geometry, out: out)
            {
                return
            }
            try shiftedConvolution(inputs[0], weight: inputs[1], bias: bias, geometry, out: out)
        }
    }

    public func convolutionInputGradient(
        _ outputGradient: TensorView, weight: TensorView, _ geometry: ConvolutionGeometry, out: TensorView,
        accumulates: Bool
    ) {
        guard out.elementCount > 0 else { return }
        computing([outputGradient, weight], out: out, keepsOutput: accumulates, contiguous: true) { inputs, out in
            if let plan = depthwisePlan(geometry, image: out, output: outputGradient, isGradient: true),
                largest(of: inputs[1]).isFinite
            {
                return try depthwiseInputGradient(
                    inputs[0], weight: inputs[1], plan, out: out, accumulates: accumulates)
            }
            if savesProducts(geometry, out, outputGradient), areModest([inputs[0]]), largest(of: inputs[1]) < modest {
                return try winogradInputGradient(
                    inputs[0], weight: inputs[1], geometry, out: out, accumulates: accumulates)
            }
            if sumsChannelsLast(geometry, from: outputGradient, to: out) {
                return try gatheredInputGradient(
                    inputs[0], weight: inputs[1], geometry, out: out, accumulates: accumulates)
            }
            try shiftedInputGradient(inputs[0], weight: inputs[1], geometry, out: out, accumulates: accumulates)
        }
    }

    public func convolutionWeightGradient(
        _ x: TensorView, outputGradient: TensorView, _ geometry: ConvolutionGeometry, out: TensorView, accumulates: Bool
    ) {
        guard out.elementCount > 0 else { return }
        computing([x, outputGradient], out: out, keepsOutput: accumulates, contiguous: true) { inputs, out in
            if let plan = depthwisePlan(geometry, image: x, output: outputGradient),
                try depthwiseWeightGradient(
                    inputs[0], outputGradient: inputs[1], plan, out: out, accumulates: accumulates)
            {
                return
            }
            if savesProducts(geometry, x, outputGradient), areModest(inputs) {
                return try winogradWeightGradient(
                    inputs[0], outputGradient: inputs[1], geometry, out: out, accumulates: accumulates)
            }
            if multipliesChannelsLast(geometry, x, outputGradient),
                try gatheredWeightGradient(
                    inputs[0], outputGradient: inputs[1], geometry, out: out, accumulates: accumulates)
            {
                return
            }
            try shiftedWeightGradient(
                inputs[0], outputGradient: inputs[1], geometry, out: out, accumulates: accumulates)
        }
    }

    /// Whether none of these contiguous numbers is infinite or NaN.
    func areFinite(_ view: TensorView) -> Bool { largestOfParts(view).allSatisfy(\.isFinite) }

    /// The largest absolute values of parts of contiguous numbers, one of them at least; infinite or NaN where one of a part is.
    private func largestOfParts(_ view: TensorView) -> [Double] {
        let parts = max(min(threads, view.elementCount / (4 * grain)), 1)
        let length = (view.elementCount + parts - 1) / parts
        var result = [Double](repeating: 0, count: parts)
        result.withUnsafeMutableBufferPointer { result in
            nonisolated(unsafe) let result = result
            run(parts: parts) { part in
                let count = max(min(length, view.elementCount - part * length), 0)
                result[part] = loops.power_sum(view.floats + part * length, count, .infinity, 1)
            }
        }
        return result
    }

    /// Sums parts [parts, n] of a gradient over the first axis, in order, into the n elements of `target`.
    func addParts(
        _ parts: Range<Int>, of partials: TensorView, to target: UnsafeMutablePointer<Float>, accumulates: Bool
    ) {
        let count = partials.shape[1]
        divide(count, grain: grain / 4, alignment: 16) { range in
            let to = target + range.lowerBound
            if !accumulates { to.update(repeating: 0, count: range.count) }
            for part in parts { loops.add(to, partials.floats + part * count + range.lowerBound, range.count) }
        }
    }

    // MARK: Methods

    /// Whether a convolution, or the gradient of its input, is faster on planes whose channels lie side by side: where the
    /// target's channels fill vectors, unless the source has hardly any.
    private func sumsChannelsLast(_ geometry: ConvolutionGeometry, from source: TensorView, to target: TensorView)
        -> Bool
    {
        areCounted(source, target) && source.shape[1] / geometry.groups >= 3
            && fillsVectors(target.shape[1] / geometry.groups)
    }

    /// The same of the gradient of the weight, either side of which may lie along vectors: where a panel and the elements of the
    /// kernel are enough for what it costs to lay both sides out for each panel.
    private func multipliesChannelsLast(
        _ geometry: ConvolutionGeometry, _ x: TensorView, _ outputGradient: TensorView
    ) -> Bool {
        let (channels, outputs) = (x.shape[1] / geometry.groups, outputGradient.shape[1] / geometry.groups)
        return areCounted(x, outputGradient) && channels * outputs >= 128
            && geometry.kernelCount * loops.gathered_lanes >= 64
            && (fillsVectors(channels) || fillsVectors(outputs))
    }

    /// Whether so many channels, in a row of whole vectors, leave at most two fifths empty.
    private func fillsVectors(_ channels: Int) -> Bool { channels * 5 >= wholeVectors(channels) * 3 }

    /// Floats of the vectors that so many take up.
    func wholeVectors(_ count: Int) -> Int {
        (count + loops.vector_lanes - 1) / loops.vector_lanes * loops.vector_lanes
    }

    /// Whether tiles of 2 x 2 outputs save more products than it costs to sum up what is multiplied: two ninths of those within
    /// the image, which small planes do not.
    private func savesProducts(_ geometry: ConvolutionGeometry, _ image: TensorView, _ output: TensorView) -> Bool {
        guard geometry.axes <= 2, geometry.stride.allSatisfy({ $0 == 1 }),
            min(image.shape[1], output.shape[1]) >= 16 * geometry.groups, areCounted(image, output)
        else { return false }
        var (products, ofTiles) = (1, 1)
        for axis in 0..<geometry.axes {
            let (kernel, dilation, padding) = (geometry.kernel[axis], geometry.dilation[axis], geometry.padding[axis])
            let (size, outputs) = (image.shape[2 + axis], output.shape[2 + axis])
            guard padding <= (kernel - 1) * dilation else { return false }
            products *= (0..<kernel).reduce(0) { count, element in
                let shift = element * dilation - padding
                return count + max(0, min(outputs, size - shift) - max(0, -shift))
            }
            ofTiles *= WinogradKernel.products(kernel, outputs: outputs, dilation: dilation)
        }
        return ofTiles * 9 <= products * 7
    }

    /// Whether the places of elements fit into 32 bits, in which the faster methods keep them.
    private func areCounted(_ x: TensorView, _ y: TensorView) -> Bool {
        max(x.elementCount, y.elementCount) <= mostCount
    }

    /// Whether all numbers are finite, and so far from the largest that a few of their products and sums are too.
    private func areModest(_ views: [TensorView]) -> Bool {
        views.allSatisfy { largestOfParts($0).allSatisfy { $0 < modest } }
    }
}

/// A few products and sums of smaller numbers do not overflow.
private let modest = 1e15

import GimbalBackend

/// A convolution's gradients one element at a time, each the sum of the products that there are.
///
/// Planes that are shifted have gaps of 0, where an infinite weight or input would give NaN to what it has no part in. Where
/// there are such numbers, what came out as NaN is summed up again by this.
struct ConvolutionSteps {
    private let geometry: ConvolutionGeometry
    private let image: Axes
    private let output: Axes
    private let kernel: Axes
    private let (stride, padding, dilation): (Axes, Axes, Axes)
    private let (images, channels, outputs): (Int, Int, Int)

    /// Three sizes, the missing ones 1.
    private struct Axes {
        let (a, b, c): (Int, Int, Int)

        init(_ sizes: some Collection<Int>, _ missing: Int = 1) {
            let all = [Int](repeating: missing, count: 3 - sizes.count) + sizes
            (a, b, c) = (all[0], all[1], all[2])
        }

        var count: Int { a * b * c }
        func place(_ index: Int) -> (a: Int, b: Int, c: Int) { (index / (b * c), index / c % b, index % c) }
        func index(_ a: Int, _ b: Int, _ c: Int) -> Int { (a * self.b + b) * self.c + c }
    }

    init(_ geometry: ConvolutionGeometry, _ image: TensorView, _ output: TensorView) {
        self.geometry = geometry
        self.image = Axes(image.shape.sizes.dropFirst(2))
        self.output = Axes(output.shape.sizes.dropFirst(2))
        kernel = Axes(geometry.kernel)
        stride = Axes(geometry.stride)
        padding = Axes(geometry.padding, 0)
        dilation = Axes(geometry.dilation)
        images = image.shape[0]
        channels = image.shape[1] / geometry.groups
        outputs = output.shape[1] / geometry.groups
    }

    /// Element `index` of the gradient of the input, contiguous.
    func inputGradient(
        at index: Int, _ outputGradient: UnsafePointer<Float>, weight: UnsafePointer<Float>
    ) -> Float {
        let position = image.place(index % image.count)
        let channel = index / image.count % (channels * geometry.groups)
        let sample = index / image.count / (channels * geometry.groups)
        let group = channel / channels
        /// The output that element `k` of the kernel gives this position to; nil where there is none.
        func target(_ position: Int, _ k: Int, _ stride: Int, _ padding: Int, _ dilation: Int, _ size: Int) -> Int? {
            let reached = position + padding - k * dilation
            return reached >= 0 && reached % stride == 0 && reached / stride < size ? reached / stride : nil
        }
        var sum = 0.0
        for k in 0..<kernel.count {
            let tap = kernel.place(k)
            guard let a = target(position.a, tap.a, stride.a, padding.a, dilation.a, output.a),
                let b = target(position.b, tap.b, stride.b, padding.b, dilation.b, output.b),
                let c = target(position.c, tap.c, stride.c, padding.c, dilation.c, output.c)
            else { continue }
            for row in group * outputs..<(group + 1) * outputs {
                let gradient = outputGradient[
                    (sample * outputs * geometry.groups + row) * output.count
                        + output.index(a, b, c)]
                sum += Double(gradient * weight[(row * channels + channel % channels) * kernel.count + k])
                if sum.isNaN { return .nan }
            }
        }
        return Float(sum)
    }

    /// Element `index` of the gradient of the weight, contiguous. Zeros around the input take part, as in the forward pass.
    func weightGradient(at index: Int, _ x: UnsafePointer<Float>, outputGradient: UnsafePointer<Float>) -> Float {
        let tap = kernel.place(index % kernel.count)
        let row = index / kernel.count / channels
        let channel = row / outputs * channels + index / kernel.count % channels
        func source(_ place: Int, _ k: Int, _ stride: Int, _ padding: Int, _ dilation: Int, _ size: Int) -> Int? {
            let position = place * stride - padding + k * dilation
            return (0..<size).contains(position) ? position : nil
        }
        var sum = 0.0
        for sample in 0..<images {
            let values = x + (sample * channels * geometry.groups + channel) * image.count
            let gradients = outputGradient + (sample * outputs * geometry.groups + row) * output.count
            for place in 0..<output.count {
                let (a, b, c) = output.place(place)
                var value: Float = 0
                if let a = source(a, tap.a, stride.a, padding.a, dilation.a, image.a),
                    let b = source(b, tap.b, stride.b, padding.b, dilation.b, image.b),
                    let c = source(c, tap.c, stride.c, padding.c, dilation.c, image.c)
                {
                    value = values[image.index(a, b, c)]
                }
                sum += Double(value * gradients[place])
                if sum.isNaN { return .nan }
            }
        }
        return Float(sum)
    }
}

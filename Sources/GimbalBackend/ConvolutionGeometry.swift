/// How the kernel of a convolution moves over one to three spatial axes: one size for each axis in every list.
public struct ConvolutionGeometry: Sendable, Hashable {
    /// Elements of the kernel on each axis.
    public let kernel: [Int]
    /// Positions the kernel moves on between neighbouring outputs.
    public let stride: [Int]
    /// Zeros before and after the input on each axis.
    public let padding: [Int]
    /// Distance between neighbouring elements of the kernel.
    public let dilation: [Int]
    /// Into how many parts the channels are divided; outputs of a part see its inputs only. 1 for an ordinary
    /// convolution.
    public let groups: Int

    /// A geometry of one to three axes, with the same number of sizes in every list; nil stands for a stride of 1, a
    /// padding of 0, a dilation of 1. All sizes are positive, padding may be 0.
    public init(kernel: [Int], stride: [Int]? = nil, padding: [Int]? = nil, dilation: [Int]? = nil, groups: Int = 1) {
        self.kernel = kernel
        self.stride = stride ?? kernel.map { _ in 1 }
        self.padding = padding ?? kernel.map { _ in 0 }
        self.dilation = dilation ?? kernel.map { _ in 1 }
        self.groups = groups
        require((1...3).contains(axes), "convolution", "needs one to three spatial axes, not a kernel of \(kernel)")
        require(
            [self.stride, self.padding, self.dilation].allSatisfy { $0.count == axes }, "convolution",
            "kernel \(kernel), stride \(self.stride), padding \(self.padding) and dilation \(self.dilation) name "
                + "different numbers of axes")
        require(
            (kernel + self.stride + self.dilation + [groups]).allSatisfy { $0 > 0 }
                && self.padding.allSatisfy { $0 >= 0 }, "convolution",
            "kernel \(kernel), stride \(self.stride), dilation \(self.dilation) and groups \(groups) must be positive, "
                + "padding \(self.padding) must not be negative")
    }

    /// Number of spatial axes.
    public var axes: Int { kernel.count }
    /// Elements of the kernel over all axes.
    public var kernelCount: Int { kernel.reduce(1, *) }

    /// Positions that the kernel spans on an axis.
    private func extent(_ axis: Int) -> Int { dilation[axis] * (kernel[axis] - 1) + 1 }

    /// Spatial sizes of the output for those of an input: ⌊(n + 2 padding - extent) / stride⌋ + 1.
    public func outputSizes(_ inputSizes: [Int]) -> [Int] {
        require(inputSizes.count == axes, "convolution", "a kernel of \(kernel) does not move over sizes \(inputSizes)")
        return (0..<axes).map { axis in
            let room = inputSizes[axis] + 2 * padding[axis] - extent(axis)
            require(
                room >= 0, "convolution",
                "a kernel of \(kernel) with dilation \(dilation) exceeds sizes \(inputSizes) with padding \(padding)")
            return room / stride[axis] + 1
        }
    }

    /// Spatial sizes of the output of the transposed convolution: those inputs from which a convolution would give
    /// `sizes`, the smallest ones plus `outputPadding`.
    public func transposedOutputSizes(_ sizes: [Int], outputPadding: [Int]) -> [Int] {
        require(
            sizes.count == axes && outputPadding.count == axes, "transposed convolution",
            "a kernel of \(kernel) does not move over sizes \(sizes) with output padding \(outputPadding)")
        return (0..<axes).map { axis in
            require(
                (0..<Swift.max(stride[axis], dilation[axis])).contains(outputPadding[axis]), "transposed convolution",
                "output padding \(outputPadding) must be smaller than stride \(stride) or dilation \(dilation)")
            let size = (sizes[axis] - 1) * stride[axis] - 2 * padding[axis] + extent(axis) + outputPadding[axis]
            require(size > 0, "transposed convolution", "sizes \(sizes) leave nothing with padding \(padding)")
            return size
        }
    }
}

/// Which elements each output of a pooling operation folds, on one to three spatial axes.
public struct PoolingGeometry: Sendable, Hashable {
    /// The windows on one axis.
    public struct Axis: Sendable, Hashable {
        /// Positions of the input.
        public let inputSize: Int
        /// Number of windows.
        public let outputSize: Int
        /// Positions of a window.
        public let kernel: Int
        /// Distance between the beginnings of neighbouring windows.
        public let stride: Int
        /// Positions before and after the input that windows may reach over.
        public let padding: Int
        /// Distance between neighbouring positions of a window.
        public let dilation: Int
        /// Whether the windows are ⌊i n / m⌋..<⌈(i + 1) n / m⌉ for output i of m, whatever kernel, stride, padding and
        /// dilation say.
        public let isAdaptive: Bool

        /// First and end position of the window of output `index`, `dilation` apart, within the input.
        public func window(_ index: Int) -> Range<Int> {
            if isAdaptive {
                return index * inputSize / outputSize..<((index + 1) * inputSize + outputSize - 1) / outputSize
            }
            var start = index * stride - padding
            let end = Swift.min(start + (kernel - 1) * dilation + 1, inputSize)
            if start < 0 { start += (-start + dilation - 1) / dilation * dilation }
            return start..<Swift.max(start, end)
        }

        /// By how many elements an average over the window is divided.
        public func divisor(_ index: Int, countsPadding: Bool) -> Int {
            if isAdaptive || !countsPadding { return window(index).count }
            let start = index * stride - padding
            return Swift.min(start + kernel, inputSize + padding) - start
        }
    }

    /// The windows on each spatial axis; a window of the whole is one of each axis crossed with the others.
    public let axes: [Axis]

    /// Windows of one size at equal distances.
    /// - Parameters:
    ///   - inputSizes: spatial sizes of the input.
    ///   - kernel: positions of a window on each axis.
    ///   - stride: distance between neighbouring windows.
    ///   - padding: positions before and after the input, at most half the kernel.
    ///   - dilation: distance between neighbouring positions of a window.
    ///   - roundsUp: adds a last window that reaches over the end, if it begins before it (PyTorch's `ceil_mode`).
    public init(
        inputSizes: [Int], kernel: [Int], stride: [Int], padding: [Int], dilation: [Int], roundsUp: Bool = false
    ) {
        let shape = ConvolutionGeometry(kernel: kernel, stride: stride, padding: padding, dilation: dilation)
        let outputSizes = shape.outputSizes(inputSizes)
        axes = inputSizes.indices.map { axis in
            require(
                2 * padding[axis] <= kernel[axis], "pooling",
                "padding \(padding) must be at most half the kernel \(kernel)")
            var size = outputSizes[axis]
            let room = inputSizes[axis] + 2 * padding[axis] - dilation[axis] * (kernel[axis] - 1) - 1
            if roundsUp, room % stride[axis] != 0, size * stride[axis] < inputSizes[axis] + padding[axis] { size += 1 }
            return Axis(
                inputSize: inputSizes[axis], outputSize: size, kernel: kernel[axis], stride: stride[axis],
                padding: padding[axis], dilation: dilation[axis], isAdaptive: false)
        }
        for axis in axes {
            for index in [0, axis.outputSize - 1] {
                require(
                    !axis.window(index).isEmpty, "pooling",
                    "a window of \(kernel) with dilation \(dilation) holds nothing of sizes \(inputSizes)")
            }
        }
    }

    /// Windows that divide the input into `outputSizes` parts, as even as can be and overlapping where they must.
    public init(inputSizes: [Int], outputSizes: [Int]) {
        require(
            inputSizes.count == outputSizes.count && (1...3).contains(inputSizes.count)
                && (inputSizes + outputSizes).allSatisfy { $0 > 0 }, "adaptive pooling",
            "sizes \(inputSizes) cannot be pooled to \(outputSizes)")
        axes = zip(inputSizes, outputSizes).map {
            Axis(
                inputSize: $0, outputSize: $1, kernel: 1, stride: 1, padding: 0, dilation: 1, isAdaptive: true)
        }
    }

    /// Spatial sizes of the input.
    public var inputSizes: [Int] { axes.map(\.inputSize) }
    /// Spatial sizes of the output: the number of windows on each axis.
    public var outputSizes: [Int] { axes.map(\.outputSize) }
}

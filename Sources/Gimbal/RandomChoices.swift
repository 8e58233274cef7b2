// Random whole numbers, orders and choices. They are made from float32 numbers by operations that round alike everywhere, so
// that a seed gives the same ones on every backend.

extension Tensor {
    /// Whole numbers drawn uniformly from `range`, as int32 unless `dtype` says otherwise.
    ///
    /// ```swift
    /// let rolls = Tensor.integers(in: 1..<7, [100])
    /// ```
    /// The range holds at most 2²⁴ numbers. Each draw has 24 random bits, so that those of a large range differ in
    /// probability by up to its size / 2²⁴. Along `batchAxis` they are for the rows of a batch: see ``RandomGenerator``.
    public static func integers(
        in range: Range<Int>, _ shape: Shape, dtype: DType = .int32, batchAxis: Int? = 0,
        generator: RandomGenerator = .current, device: Device = .current
    ) -> Tensor {
        require(
            !range.isEmpty && range.count <= 1 << 24 && Int32(exactly: range.lowerBound) != nil
                && Int32(exactly: range.upperBound) != nil, "integers",
            "\(range) is to hold between 1 and 2²⁴ numbers of int32")
        let numbers = bits(shape, batchAxis, generator, device).affine(scale: Double(range.count)).cast(to: .int32)
        return (range.lowerBound == 0 ? numbers : numbers + range.lowerBound).cast(to: dtype)
    }

    /// The numbers 0..<count in random order, int32: every order is as likely as any other. Where there are
    /// as many as a rank has rows, it is an order of these rows among each other.
    public static func permutation(
        _ count: Int, generator: RandomGenerator = .current, device: Device = .current
    ) -> Tensor {
        require(count >= 0 && count <= Int(Int32.max), "permutation", "\(count) numbers cannot be put in order")
        // By 48 random bits each, as 24 alone would leave many numbers of a long order as they were: sorted by one half,
        // and then, without changing the order of equals, by the other.
        let first = bits([count], 0, generator, device).argSorted()
        return first.gathered(bits([count], 0, generator, device).argSorted())
    }

    /// Elements that are 1 with `probability`, else 0, in the device's real type unless `dtype` says otherwise. Along
    /// `batchAxis` they are for the rows of a batch: see ``RandomGenerator``.
    public static func bernoulli(
        _ shape: Shape, probability: Double, dtype: DType? = nil, batchAxis: Int? = 0,
        generator: RandomGenerator = .current, device: Device = .current
    ) -> Tensor {
        require((0...1).contains(probability), "bernoulli", "a probability in 0...1, not \(probability)")
        return (bits(shape, batchAxis, generator, device) .< probability).cast(to: dtype ?? device.backend.realType)
    }

    /// For each element, as a probability, 1 or 0: 1 as often as it says. Of this tensor's dtype, and without gradient. Along
    /// `batchAxis` they are for the rows of a batch: see ``RandomGenerator``.
    public func bernoulli(batchAxis: Int? = 0, generator: RandomGenerator = .current) -> Tensor {
        require(dtype.isFloatingPoint, "bernoulli", "needs probabilities, not \(dtype)")
        return (Tensor.bits(shape, batchAxis, generator, device) .< detached().cast(to: .float32)).cast(to: dtype)
    }

    /// Classes drawn at random by the weights along the last axis: int32, [..., classes] gives [..., count].
    ///
    /// ```swift
    /// let next = x.softmax().multinomial(1)
    /// ```
    /// Weights are at least 0 and need not add up to 1. Where all are 0, or some are NaN or infinite, the result is the
    /// number of classes, which is no class.
    /// - Parameters:
    ///   - count: classes to draw for each row of weights.
    ///   - replaces: whether a class can be drawn again. If not, at most as many can be drawn as have weight.
    ///   - generator: where they are drawn from.
    public func multinomial(_ count: Int, replaces: Bool = true, generator: RandomGenerator = .current) -> Tensor {
        require(
            rank >= 1 && dtype.isFloatingPoint && shape[rank - 1] > 0, "multinomial",
            "needs weights along the last axis, not \(dtype) \(shape)")
        require(
            count >= 0 && (replaces || count <= shape[rank - 1]), "multinomial",
            "\(count) different classes cannot be drawn by weights of \(shape)")
        let classes = shape[rank - 1]
        var weights = detached().cast(to: .float32).reshaped([elementCount / classes, classes])
        let rows = weights.shape[0]
        // By the axes that the rows lie along, so that the first is known for the batch's.
        func bits(_ count: Int) -> Tensor {
            Tensor.bits(
                Shape(shape.sizes.dropLast() + [count]), rank > 1 ? 0 : nil, generator, device
            ).reshaped([rows, count])
        }
        let result: Tensor
        if replaces {
            result = weights.drawnClasses(bits(count))
        } else if count == 0 {
            result = Tensor.zeros([rows, 0], dtype: .int32, device: device)
        } else {
            var drawn: [Tensor] = []
            for _ in 0..<count {
                drawn.append(weights.drawnClasses(bits(1)))
                weights = weights.scattered(Tensor.zeros(like: drawn.last!, dtype: .float32), along: 1, at: drawn.last!)
            }
            result = Tensor.concatenated(drawn, axis: 1)
        }
        return result.reshaped(Shape(shape.sizes.dropLast() + [count]))
    }

    /// For each number in [0, 1), the class in whose share of a row's total weight it falls: [rows, classes] by [rows, n].
    private func drawnClasses(_ numbers: Tensor) -> Tensor {
        // With factors, sums are made one after the other, on every backend alike.
        let ends = Tensor.linearRecurrence(factors: Tensor.ones(like: self), terms: self, axis: 1)
        let total = ends.sliced(shape[1] - 1..<shape[1], axis: 1)
        let places = (numbers * total).expandingAxis(2)
        // Counted by what lies above, so that no number but NaN, of which nothing lies above, can fall behind the last class.
        return shape[1] - (ends.expandingAxis(1) .> places).sum([2])
    }

    /// Uniform numbers of [0, 1) with 24 bits, in float32 on every device.
    private static func bits(
        _ shape: Shape, _ batchAxis: Int?, _ generator: RandomGenerator, _ device: Device
    ) -> Tensor {
        let part = generator.reserve(shape, batchAxis: batchAxis)
        return make(shape, .float32, device) { $0.randomUniform($1, part) }
    }
}

// Initializers with most elements 0.

extension Initializer {
    /// The identity matrix times `gain`, cut off or filled up with zeros where it is not square: [outputs, inputs].
    public static func identity(gain: Double = 1) -> Initializer {
        Initializer("identity", ranks: 2...2) { shape, _, device in
            ones(shape, (0..<min(shape[0], shape[1])).map { [$0, $0] }, gain, device)
        }
    }

    /// The weights under which a convolution hands on its input channels, as many as there are outputs for, each group
    /// of outputs from the first channel on: [outputs, inputs, kernel...] (Zagoruyko and Komodakis 2017).
    /// - Parameter groups: how many groups there are; divides the outputs.
    public static func dirac(groups: Int = 1) -> Initializer {
        require(groups > 0, "dirac", "needs a positive number of groups, not \(groups)")
        return Initializer("dirac", ranks: 3...5) { shape, _, device in
            require(shape[0] % groups == 0, "dirac", "\(shape[0]) outputs do not divide into \(groups) groups")
            let outputs = shape[0] / groups
            let center = shape.sizes.dropFirst(2).map { $0 / 2 }
            let places = (0..<groups).flatMap { group in
                (0..<min(outputs, shape[1])).map { [group * outputs + $0, $0] + center }
            }
            return ones(shape, places, 1, device)
        }
    }

    /// Normal, with the same number of elements of each column set to 0, at random (Martens 2010): [outputs, inputs].
    ///
    /// `sparsity` is the fraction of zeros, in [0, 1], rounded up to whole elements; `standardDeviation` is that of the
    /// others.
    public static func sparse(sparsity: Double, standardDeviation: Double = 0.01) -> Initializer {
        require((0...1).contains(sparsity), "sparse", "sparsity lies in 0...1, not \(sparsity)")
        return Initializer("sparse", ranks: 2...2) { shape, generator, device in
            let (rows, columns) = (shape[0], shape[1])
            var values = hostNumbers(
                .normal(shape, standardDeviation: standardDeviation, generator: generator, device: .cpu))
            let keys = hostNumbers(.uniform(shape, generator: generator, device: .cpu))
            let zeros = Int((sparsity * Double(rows)).rounded(.up))
            for column in 0..<columns {
                let order = (0..<rows).sorted {
                    (keys[$0 * columns + column], $0) < (keys[$1 * columns + column], $1)
                }
                for row in order.prefix(zeros) { values[row * columns + column] = 0 }
            }
            return Tensor(values, shape, device: device)
        }
    }

    /// Biases of an LSTM, [4 hiddenSize] in PyTorch's order of input, forget, cell and output gate: `value` for the
    /// forget gate, so that the cell remembers from the start, else 0 (Gers et al. 2000; Jozefowicz et al. 2015).
    ///
    /// An LSTM in PyTorch's layout adds two biases; this is for one of them: `("*.bias_ih_l*", .forgetGateBias())`.
    public static func forgetGateBias(_ value: Double = 1) -> Initializer {
        Initializer("forget-gate-bias", ranks: 1...1) { shape, _, device in
            require(shape[0] % 4 == 0, "forgetGateBias", "\(shape) does not divide into four gates")
            let size = shape[0] / 4
            return ones(shape, (size..<2 * size).map { [$0] }, value, device)
        }
    }

    /// `value` at `places`, else 0.
    private static func ones(_ shape: Shape, _ places: [[Int]], _ value: Double, _ device: Device) -> Tensor {
        var values = [Double](repeating: 0, count: shape.elementCount)
        let strides = shape.contiguousStrides
        for place in places { values[zip(place, strides).reduce(0) { $0 + $1.0 * $1.1 }] = value }
        return Tensor(values, shape, device: device)
    }
}

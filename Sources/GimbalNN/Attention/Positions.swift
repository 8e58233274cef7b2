import Foundation

/// Adds fixed sines and cosines to tell positions apart (Vaswani et al. 2017, section 3.5):
/// p[t, 2i] = sin(t / 10000^(2i / size)), p[t, 2i + 1] = cos(t / 10000^(2i / size)).
public final class SinusoidalPositions: Module, Layer {
    public let size: Int
    public let maximumLength: Int
    /// [maximumLength, size]. Not part of the model's state, as it can be worked out.
    private let table: Buffer

    public init(_ size: Int, maximumLength: Int = 5000, device: Device = .current) {
        require(
            size > 0 && maximumLength > 0, "SinusoidalPositions",
            "sizes must be positive, not \(size) and \(maximumLength)")
        self.size = size
        self.maximumLength = maximumLength
        let values = (0..<maximumLength).flatMap { position in
            (0..<size).map { index -> Double in
                let angle = Double(position) * pow(10000, -Double(index / 2 * 2) / Double(size))
                return index % 2 == 0 ? sin(angle) : cos(angle)
            }
        }
        table = Buffer(Tensor(values, [maximumLength, size], device: device), isPersistent: false)
    }

    /// - Parameter input: [..., length, size], length at most `maximumLength`.
    public func forward(_ input: Tensor) -> Tensor {
        input + table.value.sliced(positions(of: input, size: size, maximumLength, "SinusoidalPositions"))
    }

    public override var signature: String { "SinusoidalPositions(\(size))" }
}

/// Adds a learned vector to each position.
public final class LearnedPositions: Module, Layer {
    /// [maximumLength, size], normal with deviation 0.02 at first (Radford et al. 2018).
    public let weight: Parameter

    public init(
        _ size: Int, maximumLength: Int, initializer: Initializer = .normal(standardDeviation: 0.02),
        generator: RandomGenerator = .current, device: Device = .current
    ) {
        require(
            size > 0 && maximumLength > 0, "LearnedPositions",
            "sizes must be positive, not \(size) and \(maximumLength)")
        weight = Parameter(initializer.make([maximumLength, size], generator: generator, device: device))
    }

    /// - Parameter input: [..., length, size], length at most `maximumLength`.
    public func forward(_ input: Tensor) -> Tensor {
        let range = positions(of: input, size: weight.shape[1], weight.shape[0], "LearnedPositions")
        return input + (range.count == weight.shape[0] ? weight.value : weight.value.sliced(range))
    }

    public override var signature: String { "LearnedPositions(\(weight.shape[1]))" }
}

/// Turns pairs of features of queries and keys by angles that grow with the position, so that their product depends on
/// the distance alone (Su et al. 2021, "RoFormer", equation 34).
///
/// Features 2i and 2i + 1 are a pair, turned by t · base^(-2i / size) at position t.
public final class RotaryPositions: Module, Layer {
    public let size: Int
    public let base: Double
    public let maximumLength: Int
    /// [maximumLength, size / 2] each.
    private let cosines: Buffer
    private let sines: Buffer

    /// - Parameter size: of a head, even.
    public init(_ size: Int, maximumLength: Int = 5000, base: Double = 10000, device: Device = .current) {
        require(
            size > 0 && size % 2 == 0 && maximumLength > 0, "RotaryPositions",
            "needs an even size and a positive length, not \(size) and \(maximumLength)")
        self.size = size
        self.base = base
        self.maximumLength = maximumLength
        let angles = (0..<maximumLength).flatMap { position in
            (0..<size / 2).map { Double(position) * pow(base, -2 * Double($0) / Double(size)) }
        }
        func table(_ values: [Double]) -> Buffer {
            Buffer(Tensor(values, [maximumLength, size / 2, 1], device: device), isPersistent: false)
        }
        cosines = table(angles.map { cos($0) })
        sines = table(angles.map { sin($0) })
    }

    /// - Parameter input: queries or keys, [..., length, size], the first at position 0.
    public func forward(_ input: Tensor) -> Tensor { turn(input, offset: 0) }

    /// - Parameters:
    ///   - input: queries or keys, [..., length, size].
    ///   - offset: the position of the first.
    public func callAsFunction(_ input: Tensor, offset: Int) -> Tensor {
        entering((input: input, offset: offset)) { turn($0.input, offset: $0.offset) }
    }

    private func turn(_ input: Tensor, offset: Int) -> Tensor {
        let range = positions(of: input, size: size, maximumLength - offset, "RotaryPositions")
        let places = range.lowerBound + offset..<range.upperBound + offset
        let (cosines, sines) = (cosines.value.sliced(places), sines.value.sliced(places))
        let pairs = input.reshaped(Shape(input.shape.sizes.dropLast() + [size / 2, 2]))
        let (first, second) = (pairs.sliced(0..<1, axis: -1), pairs.sliced(1..<2, axis: -1))
        let turned = [first * cosines - second * sines, first * sines + second * cosines]
        return Tensor.concatenated(turned, axis: -1).reshaped(input.shape)
    }

    public override var signature: String { "RotaryPositions(\(size))" }
}

private func positions(of input: Tensor, size: Int, _ maximumLength: Int, _ operation: String) -> Range<Int> {
    require(
        input.rank >= 2 && input.shape[input.rank - 1] == size && input.shape[input.rank - 2] <= maximumLength,
        operation, "needs [..., length, \(size)] with at most \(maximumLength) positions, not \(input.shape)")
    return 0..<input.shape[input.rank - 2]
}

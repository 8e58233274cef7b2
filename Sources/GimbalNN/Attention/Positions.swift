import Foundation

/// Adds fixed sines and cosines to tell positions apart (Vaswani et al. 2017, section 3.5):
/// p[t, 2i] = sin(t / 10000^(2i / size)), p[t, 2i + 1] = cos(t / 10000^(2i / size)).
public final class SinusoidalPositions: Module, Layer {
    /// Features of a position, the size of the last axis of the input.
    public let size: Int
    /// The most positions that an input may have.
    public let maximumLength: Int
    /// [maximumLength, size]. Not part of the model's state, as it can be worked out.
    private let table: Buffer

    /// A table of `maximumLength` positions of `size` features each, in float32 on `device`; it has no parameters.
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

    /// The input, [..., length, size] with at most `maximumLength` positions, and the table's rows added to it.
    public func forward(_ input: Tensor) -> Tensor {
        input + table.value.sliced(positions(of: input, size: size, maximumLength, "SinusoidalPositions"))
    }

    public override var signature: String { "SinusoidalPositions(\(size))" }
}

/// Adds a learned vector to each position.
public final class LearnedPositions: Module, Layer {
    /// The vectors of all positions, [maximumLength, size]; normal with deviation 0.02 at first unless another
    /// initializer is given (Radford et al. 2018).
    public let weight: Parameter

    /// Vectors of `size` features for `maximumLength` positions, filled by `initializer`.
    public init(
        _ size: Int, maximumLength: Int, initializer: Initializer = .normal(standardDeviation: 0.02),
        generator: RandomGenerator = .current, device: Device = .current
    ) {
        require(
            size > 0 && maximumLength > 0, "LearnedPositions",
            "sizes must be positive, not \(size) and \(maximumLength)")
        weight = Parameter(initializer.make([maximumLength, size], generator: generator, device: device))
    }

    /// The input, [..., length, size] with at most `maximumLength` positions, and the rows of `weight` added to it.
    public func forward(_ input: Tensor) -> Tensor {
        add(to: input, offset: 0)
    }

    /// The input, and rows of `weight` added to it.
    /// - Parameters:
    ///   - input: [..., length, size].
    ///   - offset: the position of the first; offset + length may be up to `maximumLength`.
    public func callAsFunction(_ input: Tensor, offset: Int) -> Tensor {
        entering((input: input, offset: offset)) { add(to: $0.input, offset: $0.offset) }
    }

    private func add(to input: Tensor, offset: Int) -> Tensor {
        let range = positions(of: input, size: weight.shape[1], weight.shape[0] - offset, "LearnedPositions")
        return input
            + (range.count == weight.shape[0]
                ? weight.value : weight.value.sliced(range.lowerBound + offset..<range.upperBound + offset))
    }

    public override var signature: String { "LearnedPositions(\(weight.shape[1]))" }
}

/// Turns pairs of features of queries and keys by angles that grow with the position, so that their product depends on
/// the distance alone (Su et al. 2021, "RoFormer", equation 34).
///
/// Features 2i and 2i + 1 are a pair, turned by t · base^(-2i / size) at position t.
public final class RotaryPositions: Module, Layer {
    /// Features of a head, even.
    public let size: Int
    /// The base of the angles t · base^(-2i / size); 10000 in the paper.
    public let base: Double
    /// How many positions there are angles for, those before an offset included.
    public let maximumLength: Int
    /// [maximumLength, size / 2] each.
    private let cosines: Buffer
    private let sines: Buffer

    /// Angles for `maximumLength` positions of heads of `size` features, an even number. A greater `base` turns the
    /// later pairs more slowly, as long sequences want it.
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

    /// Queries or keys, [..., length, size], turned by their positions, of which the first is 0.
    public func forward(_ input: Tensor) -> Tensor { turn(input, offset: 0) }

    /// Queries or keys turned by their positions.
    /// - Parameters:
    ///   - input: [..., length, size].
    ///   - offset: the position of the first; offset + length may be up to `maximumLength`.
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

import Foundation

/// A way to choose the first values of a parameter.
///
/// ```swift
/// Linear(784, 512, weightInitializer: .heNormal())
/// ```
/// Gradients vanish or explode already at the start where a layer shrinks or stretches what passes through it. Glorot's
/// condition asks for equal variance forward and backward; the initializers named after Xavier Glorot and Kaiming He
/// choose the variance that gives it for linear and for rectified units.
public struct Initializer: Sendable, CustomStringConvertible {
    /// The name, as the command line spells it.
    public let name: String
    /// Ranks of the shapes that it can fill: initializers that look at a fan need two axes.
    public let ranks: ClosedRange<Int>
    private let body: @Sendable (Shape, RandomGenerator, Device) -> Tensor

    /// An initializer of your own.
    /// - Parameters:
    ///   - name: what accounts and messages call it.
    ///   - ranks: ranks of the shapes that it can fill.
    ///   - body: fills a shape by drawing from the generator.
    public init(
        _ name: String, ranks: ClosedRange<Int> = 0...Int.max,
        _ body: @escaping @Sendable (Shape, RandomGenerator, Device) -> Tensor
    ) {
        self.name = name
        self.ranks = ranks
        self.body = body
    }

    /// A new tensor of `shape`, which for a weight is [outputs, inputs, kernel...] and must have a rank among `ranks`.
    public func make(_ shape: Shape, generator: RandomGenerator = .current, device: Device = .current) -> Tensor {
        require(ranks.contains(shape.rank), name, "cannot fill a shape of \(shape.rank) axes, \(shape)")
        return body(shape, generator, device)
    }

    /// This initializer for weights stored as [inputs, outputs, kernel...], such as those of a transposed convolution.
    public var transposed: Initializer {
        Initializer(name, ranks: Swift.max(ranks.lowerBound, 2)...ranks.upperBound) { shape, generator, device in
            var swapped = shape
            swapped.sizes.swapAt(0, 1)
            return make(swapped, generator: generator, device: device).transposed(0, 1).contiguous()
        }
    }

    public var description: String { name }

    // MARK: Plain

    /// All elements 0.
    public static let zeros = constant(0, name: "zeros")
    /// All elements 1.
    public static let ones = constant(1, name: "ones")

    /// All elements `value`; `name` is what accounts and messages call the initializer.
    public static func constant(_ value: Double, name: String = "constant") -> Initializer {
        Initializer(name) { shape, _, device in Tensor(repeating: value, shape, device: device) }
    }

    /// Uniform in [low, high).
    public static func uniform(low: Double = 0, high: Double = 1) -> Initializer {
        Initializer("uniform") { shape, generator, device in
            .uniform(shape, low: low, high: high, generator: generator, device: device)
        }
    }

    /// Normal with the given mean and standard deviation.
    public static func normal(mean: Double = 0, standardDeviation: Double = 1) -> Initializer {
        Initializer("normal") { shape, generator, device in
            .normal(shape, mean: mean, standardDeviation: standardDeviation, generator: generator, device: device)
        }
    }
}

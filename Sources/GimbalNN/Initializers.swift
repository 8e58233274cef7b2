import Foundation

/// A way to choose the first values of a parameter.
///
/// ```swift
/// Linear(784, 512, weightInitializer: .heNormal())
/// ```
/// Gradients vanish or explode already at the start where a layer shrinks or stretches what passes through it. Glorot's
/// condition asks for equal variance forward and backward; the initializers named after Xavier Glorot and Kaiming He
/// choose the variance that gives it for linear and for rectified units.
public struct Initializer: Sendable {
    /// As the command line spells it.
    public let name: String
    private let body: @Sendable (Shape, RandomGenerator, Device) -> Tensor

    public init(_ name: String, _ body: @escaping @Sendable (Shape, RandomGenerator, Device) -> Tensor) {
        self.name = name
        self.body = body
    }

    /// A tensor of `shape`, which for a weight is [outputs, inputs, kernel...].
    public func make(_ shape: Shape, generator: RandomGenerator = .current, device: Device = .current) -> Tensor {
        body(shape, generator, device)
    }

    // MARK: Plain

    public static let zeros = constant(0, name: "zeros")
    public static let ones = constant(1, name: "ones")

    public static func constant(_ value: Double, name: String = "constant") -> Initializer {
        Initializer(name) { shape, _, device in Tensor(repeating: value, shape, device: device) }
    }

    /// Uniform in [low, high).
    public static func uniform(low: Double = 0, high: Double = 1) -> Initializer {
        Initializer("uniform") { shape, generator, device in
            .uniform(shape, low: low, high: high, generator: generator, device: device)
        }
    }

    public static func normal(mean: Double = 0, standardDeviation: Double = 1) -> Initializer {
        Initializer("normal") { shape, generator, device in
            .normal(shape, mean: mean, standardDeviation: standardDeviation, generator: generator, device: device)
        }
    }

    // MARK: By fan

    /// Uniform with variance gain² · 2 / (fanIn + fanOut) (Glorot and Bengio 2010, equation 16).
    public static func xavierUniform(gain: Double = 1) -> Initializer {
        byVariance("xavier-uniform", isUniform: true) { gain * gain * 2 / Double($0.input + $0.output) }
    }

    /// Normal with variance gain² · 2 / (fanIn + fanOut) (Glorot and Bengio 2010, equation 12).
    public static func xavierNormal(gain: Double = 1) -> Initializer {
        byVariance("xavier-normal", isUniform: false) { gain * gain * 2 / Double($0.input + $0.output) }
    }

    /// Uniform with variance gain² / fan (He et al. 2015).
    /// - Parameters:
    ///   - fan: `.input` keeps the variance of activations, `.output` that of gradients (equations 10 and 14).
    ///   - nonlinearity: what follows the layer; gives the gain.
    public static func heUniform(fan: Fan = .input, nonlinearity: Nonlinearity = .relu) -> Initializer {
        byVariance("he-uniform", isUniform: true) { pow(nonlinearity.gain, 2) / Double($0.size(fan)) }
    }

    /// Normal with variance gain² / fan (He et al. 2015); see `heUniform`.
    public static func heNormal(fan: Fan = .input, nonlinearity: Nonlinearity = .relu) -> Initializer {
        byVariance("he-normal", isUniform: false) { pow(nonlinearity.gain, 2) / Double($0.size(fan)) }
    }

    private static func byVariance(
        _ name: String, isUniform: Bool, _ variance: @escaping @Sendable (Fans) -> Double
    ) -> Initializer {
        Initializer(name) { shape, generator, device in
            let deviation = variance(Fans(shape)).squareRoot()
            let bound = deviation * 3.squareRoot()
            return isUniform
                ? .uniform(shape, low: -bound, high: bound, generator: generator, device: device)
                : .normal(shape, standardDeviation: deviation, generator: generator, device: device)
        }
    }

    // MARK: Orthogonal

    /// A random orthogonal matrix times `gain`: it keeps the length of every vector, whatever the depth
    /// (Saxe et al. 2014). The shape is seen as [outputs, the rest]; of rows and columns, the fewer are orthonormal.
    public static func orthogonal(gain: Double = 1) -> Initializer {
        Initializer("orthogonal") { shape, generator, device in
            require(shape.rank >= 2, "orthogonal", "needs two axes, not \(shape)")
            let rows = shape[0]
            let columns = shape.sizes.dropFirst().reduce(1, *)
            let (long, short) = (max(rows, columns), min(rows, columns))
            // Drawn on the CPU in float32 whatever the device, so that a seed gives the same matrix everywhere.
            let values = Tensor.normal([short, long], generator: generator, device: .cpu)
            guard var vectors = try? values.doubles() else { stop("orthogonal", "the CPU has no memory for \(shape)") }
            orthonormalizeRows(&vectors, count: short, length: long)
            let matrix = Tensor(vectors.map { $0 * gain }, [short, long], device: device)
            return (rows <= columns ? matrix : matrix.transposed()).reshaped(shape)
        }
    }
}

/// Which side of a weight an initializer looks at.
public enum Fan: String, Sendable, CaseIterable { case input, output }

/// The numbers of units that feed a unit and that it feeds.
struct Fans {
    var input: Int
    var output: Int

    /// - Parameter shape: [outputs, inputs, kernel...].
    init(_ shape: Shape) {
        require(shape.rank >= 2, "initializer", "a fan needs a weight of two axes or more, not \(shape)")
        let kernel = shape.sizes.dropFirst(2).reduce(1, *)
        input = shape[1] * kernel
        output = shape[0] * kernel
    }

    func size(_ fan: Fan) -> Int { fan == .input ? input : output }
}

/// What follows a layer, for the gain by which initializers make up for what it does to the variance.
public enum Nonlinearity: Sendable, Hashable {
    case linear, sigmoid, tanh, relu, selu
    case leakyReLU(slope: Double)

    /// As PyTorch's `calculate_gain`.
    public var gain: Double {
        switch self {
        case .linear, .sigmoid: 1
        case .tanh: 5.0 / 3
        case .relu: 2.0.squareRoot()
        case .selu: 0.75
        case .leakyReLU(let slope): (2 / (1 + slope * slope)).squareRoot()
        }
    }
}

/// Replaces `count` rows of `length` ≥ `count` by orthonormal ones that span the same space.
///
/// This is the Q of a QR decomposition by Householder reflections, with the signs that make R's diagonal positive: only so
/// is Q uniform over all orthogonal matrices (Mezzadri 2007).
private func orthonormalizeRows(_ values: inout [Double], count: Int, length: Int) {
    values.withUnsafeMutableBufferPointer { a in
        func dot(_ x: Int, _ y: Int, from start: Int) -> Double {
            var sum = 0.0
            for k in start..<length { sum += a[x * length + k] * a[y * length + k] }
            return sum
        }
        // Row i of `a` becomes the Householder vector of step i; its first i elements are not part of it.
        var scale = [Double](repeating: 0, count: count)
        var sign = [Double](repeating: 1, count: count)
        for i in 0..<count {
            let norm = dot(i, i, from: i).squareRoot()
            let head = a[i * length + i]
            let diagonal = head > 0 ? -norm : norm
            sign[i] = diagonal < 0 ? -1 : 1
            a[i * length + i] = head - diagonal
            let square = dot(i, i, from: i)
            scale[i] = square > 0 ? 2 / square : 0
            for j in i + 1..<max(count, i + 1) {
                let factor = scale[i] * dot(i, j, from: i)
                for k in i..<length { a[j * length + k] -= factor * a[i * length + k] }
            }
        }
        // Q's rows: the reflections applied, last first, to unit vectors. Row i is free once its reflection is used.
        var q = [Double](repeating: 0, count: count * length)
        q.withUnsafeMutableBufferPointer { q in
            for i in 0..<count { q[i * length + i] = sign[i] }
            for i in stride(from: count - 1, through: 0, by: -1) {
                for row in i..<count {
                    var sum = 0.0
                    for k in i..<length { sum += a[i * length + k] * q[row * length + k] }
                    let factor = scale[i] * sum
                    for k in i..<length { q[row * length + k] -= factor * a[i * length + k] }
                }
            }
            for k in 0..<count * length { a[k] = q[k] }
        }
    }
}

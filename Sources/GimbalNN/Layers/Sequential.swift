/// Layers one after the other.
///
/// ```swift
/// let model = Sequential {
///     Linear(784, 512)
///     BatchNorm1d(512)
///     ReLU()
///     Linear(512, 10)
/// }
/// ```
/// Its parts are named by number, as PyTorch's are: `0.weight`, `0.bias`, `1.weight`, …
///
/// Layers are found and replaced by subscript, as to give a trained model a new head:
/// ```swift
/// model[3] = Linear(512, 100)
/// let trunk = model[0..<3]  // shares its layers with the model
/// ```
public final class Sequential: Module, Layer {
    /// The layers in the order in which they are called.
    public private(set) var layers: [any TensorLayer]

    /// A list of layers, each called on what the one before gives.
    public init(_ layers: [any TensorLayer]) { self.layers = layers }

    /// Layers written one per line, as in the example of `Sequential`.
    public convenience init(@LayerBuilder _ layers: () -> [any TensorLayer]) { self.init(layers()) }

    public func forward(_ input: Tensor) -> Tensor {
        var value = input
        var index = 0
        while index < layers.count {
            if let norm = layers[index] as? BatchNorm, index + 1 < layers.count, let next = layers[index + 1] as? ReLU,
                !next.isWatched
            {
                value = norm.rectified(value)
                index += 2
            } else {
                value = layers[index](value)
                index += 1
            }
        }
        return value
    }

    /// The number of layers; those inside of others are not counted.
    public var count: Int { layers.count }

    /// The layer of this number, counted from 0.
    public subscript(index: Int) -> any TensorLayer {
        get {
            requireIndex(index, below: layers.count)
            return layers[index]
        }
        set {
            requireIndex(index, below: layers.count)
            layers[index] = newValue
        }
    }

    /// Some of the layers one after the other, the same objects.
    public subscript(range: some RangeExpression<Int>) -> Sequential { Sequential([any TensorLayer](layers[range])) }

    public override var signature: String { "Sequential" }
    public override var parts: [ModulePart] { layers.enumerated().map { .module("\($0)", $1) } }
}

/// Adds what its layers compute to their input: x + f(x) (He et al. 2016).
///
/// The gradient reaches the input undiminished whatever f does to it, so depth no longer multiplies it away.
///
/// ```swift
/// Residual { Linear(64, 64); ReLU() }
/// Residual(shortcut: Linear(64, 128)) { Linear(64, 128); ReLU() }  // where f changes the size
/// ```
public final class Residual: Module, Layer {
    /// f: what is added to the input.
    public let body: Sequential
    /// Applied to the input before the addition; nil leaves it as it is.
    public let shortcut: (any TensorLayer)?

    /// The layers of f, and what carries the input past them: nil for the input as it is, else a layer that gives it
    /// the shape of f(x).
    public init(shortcut: (any TensorLayer)? = nil, @LayerBuilder _ layers: () -> [any TensorLayer]) {
        body = Sequential(layers())
        self.shortcut = shortcut
    }

    public override var signature: String { "Residual" }

    /// The layers of f.
    public var layers: [any TensorLayer] { body.layers }

    public func forward(_ input: Tensor) -> Tensor {
        let change = body(input)
        let carried = shortcut?(input) ?? input
        require(
            carried.shape == change.shape, "Residual",
            "the input is \(carried.shape) but its layers give \(change.shape); a shortcut layer can adapt it")
        return carried + change
    }
}

/// Collects layers written one per line, with `if` and `for`.
@resultBuilder
public enum LayerBuilder {
    public static func buildExpression(_ layer: any TensorLayer) -> [any TensorLayer] { [layer] }
    public static func buildExpression(_ layers: [any TensorLayer]) -> [any TensorLayer] { layers }
    public static func buildBlock(_ parts: [any TensorLayer]...) -> [any TensorLayer] { parts.flatMap { $0 } }
    public static func buildOptional(_ part: [any TensorLayer]?) -> [any TensorLayer] { part ?? [] }
    public static func buildEither(first: [any TensorLayer]) -> [any TensorLayer] { first }
    public static func buildEither(second: [any TensorLayer]) -> [any TensorLayer] { second }
    public static func buildArray(_ parts: [[any TensorLayer]]) -> [any TensorLayer] { parts.flatMap { $0 } }
}

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
public final class Sequential: LayerContainer {
    public let layers: [any Layer]

    public init(_ layers: [any Layer]) { self.layers = layers }

    public convenience init(@LayerBuilder _ layers: () -> [any Layer]) { self.init(layers()) }

    public func callAsFunction(_ input: Tensor) -> Tensor {
        var value = input
        var index = 0
        while index < layers.count {
            let layer = layers[index], next = index + 1 < layers.count ? layers[index + 1] : nil
            if let both = LayerPath.entering("\(index)", { layer.together(with: next, value) }) {
                value = both
                index += 2
            } else {
                value = LayerPath.entering("\(index)") { layer.observed(value) }
                index += 1
            }
        }
        return value
    }

    public var parts: [ModulePart] { layers.enumerated().map { .module("\($0)", $1) } }
    public var inputSizes: [Int]? { layers.lazy.compactMap(\.inputSizes).first }
    public func outputSizes(_ inputSizes: [Int]?) -> [Int]? {
        layers.reduce(inputSizes) { $1.outputSizes($0) }
    }
    public var description: String { summary }
}

extension Layer {
    /// What this layer and the next one give by one operation; nil where there is none, or where somebody looks at what passes
    /// between the two.
    func together(with next: (any Layer)?, _ input: Tensor) -> Tensor? {
        guard LayerObserver.current == nil, let norm = self as? BatchNorm, next is ReLU else { return nil }
        return norm.rectified(input)
    }
}

/// Adds what its layers compute to their input: x + f(x) (He et al. 2016).
///
/// The gradient reaches the input undiminished whatever f does to it, so depth no longer multiplies it away.
///
/// ```swift
/// Residual { Linear(64, 64); ReLU() }
/// Residual(shortcut: Linear(64, 128)) { Linear(64, 128); ReLU() }  // where f changes the size
/// ```
public final class Residual: LayerContainer {
    public let body: Sequential
    /// Applied to the input before the addition; nil leaves it as it is.
    public let shortcut: (any Layer)?

    public init(shortcut: (any Layer)? = nil, @LayerBuilder _ layers: () -> [any Layer]) {
        body = Sequential(layers())
        self.shortcut = shortcut
    }

    public var layers: [any Layer] { body.layers }

    public func callAsFunction(_ input: Tensor) -> Tensor {
        let change = LayerPath.entering("body") { body.observed(input) }
        let carried = shortcut.map { layer in LayerPath.entering("shortcut") { layer.observed(input) } } ?? input
        require(
            carried.shape == change.shape, "Residual",
            "the input is \(carried.shape) but its layers give \(change.shape); a shortcut layer can adapt it")
        return carried + change
    }

    public var inputSizes: [Int]? { body.inputSizes }
    public func outputSizes(_ inputSizes: [Int]?) -> [Int]? { body.outputSizes(inputSizes) }
}

/// Collects layers written one per line, with `if` and `for`.
@resultBuilder
public enum LayerBuilder {
    public static func buildExpression(_ layer: any Layer) -> [any Layer] { [layer] }
    public static func buildExpression(_ layers: [any Layer]) -> [any Layer] { layers }
    public static func buildBlock(_ parts: [any Layer]...) -> [any Layer] { parts.flatMap { $0 } }
    public static func buildOptional(_ part: [any Layer]?) -> [any Layer] { part ?? [] }
    public static func buildEither(first: [any Layer]) -> [any Layer] { first }
    public static func buildEither(second: [any Layer]) -> [any Layer] { second }
    public static func buildArray(_ parts: [[any Layer]]) -> [any Layer] { parts.flatMap { $0 } }
}

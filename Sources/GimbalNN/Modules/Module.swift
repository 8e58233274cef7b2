/// A part of a model: something with parameters, buffers or modules inside.
///
/// A class becomes a module by inheriting; its stored properties are its parts and name them, as in PyTorch but with
/// `lowerCamelCase` spelled `snake_case`, so that a PyTorch model's weights load as they are.
///
/// ```swift
/// final class TwoLayers: Module, Layer {
///     let fc1 = Linear(784, 512)
///     let fc2 = Linear(512, 10)
///     func forward(_ input: Tensor) -> Tensor { fc2(fc1(input).relu()) }
/// }
/// ```
/// Its parameters are `fc1.weight`, `fc1.bias`, `fc2.weight` and `fc2.bias`. Parts are found in arrays, dictionaries,
/// tuples, optionals, structs and enums too, as `layers.0`, `branches.left` and so on.
open class Module: CustomStringConvertible {
    /// Whether the module computes as in training, as dropout and batch normalisation do, or as in evaluation. True at
    /// first; `setMode(_:)` sets it in a whole tree.
    public final var isTraining = true

    /// Where the module stands in the model it belongs to; nil until a model has looked for its parts.
    final var place: LayerPlace?
    /// What was found below this module, while it is as it was then.
    final var foundTree: ModuleTree?
    /// What its calls are attended by; nil where there is nothing.
    final var attachments: Attachments?
    /// Properties of which it was said that what they hold is not found.
    final var propertiesWarnedOf: Set<String> = []

    /// A module in training, whose parts are looked for when they are first asked for.
    public init() {}

    /// What this module is made of, in order: found in its stored properties, unless a subclass knows better. It must
    /// change only when a stored property does.
    open var parts: [ModulePart] { reflectedParts }

    /// Names of parts where they are not the property's in `snake_case`, by property.
    ///
    /// ```swift
    /// final class Gate: Module {
    ///     let inputWeight = Parameter(.zeros([4, 4]))
    ///     override class var partNames: [String: String] { ["inputWeight": "weight_ih"] }
    /// }
    /// ```
    open class var partNames: [String: String] { [:] }

    /// How the module is written, without what is inside it, such as `Linear(784, 512)`: its line in `description`.
    open var signature: String { "\(type(of: self))()" }

    /// The tree of modules with the number of parameters of each. `Layer.summary(of:)` shows the shapes as well.
    open var description: String { treeDescription { _ in "" } }
}

/// A module that can be called: it computes an output from an input.
///
/// A layer implements `forward`, and is called as a function: `layer(x)`. The call is the one way in. It makes errors
/// name the layer, is seen by observers and hooks, and applies the layer's own `precision`.
///
/// Several inputs or outputs are a tuple or a struct:
/// ```swift
/// final class Distance: Module, Layer {
///     func forward(_ input: (left: Tensor, right: Tensor)) -> Tensor { (input.left - input.right).square().sum([1]) }
/// }
/// let d = Distance()((left: x, right: y))
/// ```
public protocol Layer<Input, Output>: Module {
    /// What the layer is called with: a tensor, or a tuple or struct of several.
    associatedtype Input
    /// What the layer computes: a tensor, or a tuple or struct of several.
    associatedtype Output

    /// Computes the output. To be called through the layer itself, `layer(input)`.
    func forward(_ input: Input) -> Output
}

/// A layer from one tensor to another, such as `Sequential` holds.
public typealias TensorLayer = Layer<Tensor, Tensor>

/// One thing a module is made of, under its own name.
public enum ModulePart {
    /// A tensor that is trained.
    case parameter(String, Parameter)
    /// A tensor that is not trained.
    case buffer(String, Buffer)
    /// A whole number that is not trained.
    case counter(String, Counter)
    /// A module with parts of its own.
    case module(String, Module)

    /// What the part is called in its module, such as `weight`: one element of its path, or several in a list or a
    /// struct.
    public var name: String {
        switch self {
        case .parameter(let name, _), .buffer(let name, _), .counter(let name, _), .module(let name, _): name
        }
    }
}

/// A tensor that belongs to a model but is not trained, such as a running mean or a table.
public final class Buffer {
    /// The tensor itself, contiguous and without a gradient.
    public private(set) var value: Tensor
    /// Whether the value is saved and loaded with the model.
    public let isPersistent: Bool

    /// Takes over `value`; operations change it in place. What can be worked out anew need not be persistent.
    public init(_ value: Tensor, isPersistent: Bool = true) {
        self.value = value.contiguous().detached()
        self.isPersistent = isPersistent
    }

    /// Takes another tensor in place of the value, such as a copy on another device.
    func replace(with value: Tensor) { self.value = value.contiguous().detached() }
}

/// A whole number that belongs to a model's state, such as the number of batches seen.
public final class Counter {
    /// The number, which is saved and loaded with the model.
    public var value = 0
    /// Starts at 0.
    public init() {}
}

// MARK: - Walking the tree

extension Module {
    /// Calls `body` with every part of the tree and its dotted path from this module, in order.
    public func forEachPart(_ body: (_ path: String, ModulePart) -> Void) {
        for (path, part) in tree.parts { body(path, part) }
    }

    /// Every parameter of the tree once, in order.
    ///
    /// Each is named by its path in the largest model that has looked for its parts so far; asking a part of that model
    /// renames nothing. The list is kept until a part is replaced, so that asking at every step costs next to nothing.
    public var parameters: [Parameter] { tree.parameters }

    /// Every parameter of the tree once, in order, with its dotted path from this module.
    public var namedParameters: [(name: String, parameter: Parameter)] {
        let tree = tree
        return zip(tree.parameterPaths, tree.parameters).map { (name: $0, parameter: $1) }
    }

    /// This module and all inside, each once, in order.
    public var modules: [Module] { [self] + tree.modules.map(\.module) }

    /// Number of elements in all parameters.
    public var parameterCount: Int { parameters.reduce(0) { $0 + $1.elementCount } }

    /// Forgets the gradients of all parameters.
    public func zeroGradients() { for parameter in parameters { parameter.zeroGradient() } }

    /// Stops or resumes the training of every parameter of the tree.
    public func setTrainable(_ isTrainable: Bool) {
        for parameter in parameters { parameter.isTrainable = isTrainable }
    }
}

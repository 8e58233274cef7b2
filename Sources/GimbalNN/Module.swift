/// A part of a model: something with parameters, buffers or modules inside.
///
/// A class becomes a module by conforming; its stored properties are its parts and name them, as in PyTorch but with
/// `lowerCamelCase` spelled `snake_case`, so that a PyTorch model's weights load as they are.
///
/// ```swift
/// final class TwoLayers: Layer {
///     let fc1 = Linear(784, 512)
///     let fc2 = Linear(512, 10)
///     func callAsFunction(_ input: Tensor) -> Tensor { fc2(fc1(input).relu()) }
/// }
/// ```
/// Its parameters are `fc1.weight`, `fc1.bias`, `fc2.weight` and `fc2.bias`.
public protocol Module: AnyObject {
    /// What this module is made of, in order. Found by looking at the stored properties unless given.
    var parts: [ModulePart] { get }
}

/// A module from one tensor to another.
public protocol Layer: Module, CustomStringConvertible {
    func callAsFunction(_ input: Tensor) -> Tensor

    /// Sizes of one input sample, without the batch axis, where the layer knows them.
    var inputSizes: [Int]? { get }
    /// Sizes of one output sample for an input sample of these sizes; nil where that cannot be told.
    func outputSizes(_ inputSizes: [Int]?) -> [Int]?
}

extension Layer {
    public var inputSizes: [Int]? { nil }
    public func outputSizes(_ inputSizes: [Int]?) -> [Int]? { inputSizes }
    public var description: String { "\(type(of: self))()" }
}

/// A module that computes differently in training and in evaluation, such as dropout and batch normalisation.
public protocol ModeDependent: Module {
    /// True at first.
    var isTraining: Bool { get set }
}

/// One thing a module is made of, under its own name.
public enum ModulePart {
    case parameter(String, Parameter)
    case buffer(String, Buffer)
    case counter(String, Counter)
    case module(String, any Module)
}

/// A tensor that belongs to a model's state but is not trained, such as a running mean.
public final class Buffer {
    public let value: Tensor
    /// Takes over `value`; operations change it in place.
    public init(_ value: Tensor) { self.value = value.contiguous().detached() }
}

/// A whole number that belongs to a model's state, such as the number of batches seen.
public final class Counter {
    public var value = 0
    public init() {}
}

// MARK: - Finding the parts

extension Module {
    public var parts: [ModulePart] {
        var parts: [ModulePart] = []
        var mirror: Mirror? = Mirror(reflecting: self)
        var levels: [Mirror] = []
        while let level = mirror {
            levels.append(level)
            mirror = level.superclassMirror
        }
        for level in levels.reversed() {
            for child in level.children {
                guard let label = child.label else { continue }
                parts.append(contentsOf: ModulePart.found(in: child.value, name: snakeCase(label)))
            }
        }
        return parts
    }
}

extension ModulePart {
    /// Parts held by one stored property: a part itself, an optional one, or an array of them, numbered.
    fileprivate static func found(in value: Any, name: String) -> [ModulePart] {
        switch value {
        case let parameter as Parameter: return [.parameter(name, parameter)]
        case let buffer as Buffer: return [.buffer(name, buffer)]
        case let counter as Counter: return [.counter(name, counter)]
        case let module as any Module: return [.module(name, module)]
        default: break
        }
        let mirror = Mirror(reflecting: value)
        switch mirror.displayStyle {
        case .optional: return mirror.children.first.map { found(in: $0.value, name: name) } ?? []
        case .collection:
            return mirror.children.enumerated().flatMap { found(in: $1.value, name: "\(name).\($0)") }
        default: return []
        }
    }
}

/// `inputWeight` becomes `input_weight`; a leading underscore, as of a lazy property, is dropped.
private func snakeCase(_ name: String) -> String {
    name.drop { $0 == "_" || $0 == "$" }.reduce(into: "") { result, character in
        if character.isUppercase { result += "_" }
        result += character.lowercased()
    }
}

// MARK: - Walking the tree

extension Module {
    /// Calls `body` with every part of the tree and its dotted path, in order.
    public func forEachPart(path: String = "", _ body: (String, ModulePart) -> Void) {
        for part in parts {
            let full = path.isEmpty ? part.name : path + "." + part.name
            body(full, part)
            if case .module(_, let module) = part { module.forEachPart(path: full, body) }
        }
    }

    /// Every parameter of the tree once, in order, each named by its path.
    public var parameters: [Parameter] {
        var seen: Set<ObjectIdentifier> = []
        var found: [Parameter] = []
        forEachPart { path, part in
            guard case .parameter(_, let parameter) = part, seen.insert(ObjectIdentifier(parameter)).inserted else {
                return
            }
            parameter.name = path
            found.append(parameter)
        }
        return found
    }

    /// Number of elements in all parameters.
    public var parameterCount: Int { parameters.reduce(0) { $0 + $1.elementCount } }

    /// Forgets the gradients of all parameters.
    public func zeroGradients() { for parameter in parameters { parameter.zeroGradient() } }

    /// Switches every mode-dependent module of the tree to training.
    public func train() { setMode(isTraining: true) }

    /// Switches every mode-dependent module of the tree to evaluation.
    public func evaluate() { setMode(isTraining: false) }

    private func setMode(isTraining: Bool) {
        (self as? any ModeDependent)?.isTraining = isTraining
        forEachPart { _, part in
            if case .module(_, let module) = part { (module as? any ModeDependent)?.isTraining = isTraining }
        }
    }

    /// Stops or resumes the training of every parameter of the tree.
    public func setTrainable(_ isTrainable: Bool) {
        for parameter in parameters { parameter.isTrainable = isTrainable }
    }
}

extension ModulePart {
    public var name: String {
        switch self {
        case .parameter(let name, _), .buffer(let name, _), .counter(let name, _), .module(let name, _): name
        }
    }
}

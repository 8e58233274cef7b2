/// Modules in a row, named by number: for a module that calls each in its own way.
///
/// ```swift
/// final class Pyramid: Module, Layer {
///     let levels = ModuleList((0..<3).map { _ in Linear(8, 8) })
///     func forward(_ input: Tensor) -> Tensor { levels.reduce(input) { $0 + $1($0) } }
/// }
/// ```
/// Its parameters are `levels.0.weight` and so on, as they are for a plain array of modules, which does as well.
/// Elements are modules, or `any TensorLayer`.
public final class ModuleList<Element>: Module, RandomAccessCollection, MutableCollection {
    private var elements: [Element]

    /// Takes these modules in order; stops where an element is no module.
    public init(_ elements: [Element] = []) {
        self.elements = elements
        super.init()
        for element in elements { _ = checked(element) }
    }

    public var startIndex: Int { 0 }
    public var endIndex: Int { elements.count }

    public subscript(index: Int) -> Element {
        get {
            requireIndex(index, below: elements.count)
            return elements[index]
        }
        set {
            requireIndex(index, below: elements.count)
            _ = checked(newValue)
            elements[index] = newValue
        }
    }

    /// Adds a module, whose number is the count so far.
    public func append(_ element: Element) {
        _ = checked(element)
        elements.append(element)
    }

    public override var parts: [ModulePart] { elements.enumerated().map { .module("\($0)", checked($1)) } }
}

/// Modules by name: for a module that chooses among them.
///
/// ```swift
/// let heads = ModuleDictionary(["sentiment": Linear(64, 2), "topic": Linear(64, 20)])
/// let logits = heads["topic"]!(features)
/// ```
/// Parts are listed in the order of their names. Elements are modules, or `any TensorLayer`.
public final class ModuleDictionary<Element>: Module {
    private var elements: [String: Element]

    /// Takes these modules under their names; stops where an element is no module.
    public init(_ elements: [String: Element] = [:]) {
        self.elements = elements
        super.init()
        for element in elements.values { _ = checked(element) }
    }

    /// The names in order.
    public var keys: [String] { elements.keys.sorted() }

    /// The module of this name; nil where there is none.
    public subscript(name: String) -> Element? {
        get { elements[name] }
        set {
            if let newValue { _ = checked(newValue) }
            elements[name] = newValue
        }
    }

    public override var parts: [ModulePart] { keys.map { .module($0, checked(elements[$0]!)) } }
}

extension Module {
    /// Stops where a list has no module of this number.
    func requireIndex(_ index: Int, below count: Int) {
        require((0..<count).contains(index), "\(type(of: self))", "has no module \(index) among its \(count)")
    }
}

private func checked(_ element: Any) -> Module {
    guard let module = element as? Module else { stop("ModuleList", "a \(type(of: element)) is no module") }
    return module
}

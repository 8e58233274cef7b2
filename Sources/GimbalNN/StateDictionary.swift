/// A model's state by name, as PyTorch's `state_dict`: copies of its parameters and buffers on their devices, and its
/// counters.
///
/// ```swift
/// let best = model.stateDictionary()
/// // … more training, which made it worse …
/// try model.load(best)
/// ```
public struct StateDictionary: StoredTensors {
    /// Every name in the order of the model.
    public private(set) var names: [String] = []
    private var tensors: [ExactText: Tensor] = [:]
    private var counters: [ExactText: Int] = [:]

    /// An empty state, to be filled by subscript.
    public init() {}

    /// The tensor of this name; nil where there is none, or a counter.
    public subscript(name: String) -> Tensor? {
        get { tensors[ExactText(name)] }
        set {
            note(name, isThere: newValue != nil)
            tensors[ExactText(name)] = newValue
            counters[ExactText(name)] = nil
        }
    }

    /// The whole number of this name, such as of batches seen; nil where there is none, or a tensor.
    public subscript(counter name: String) -> Int? {
        get { counters[ExactText(name)] }
        set {
            note(name, isThere: newValue != nil)
            counters[ExactText(name)] = newValue
            tensors[ExactText(name)] = nil
        }
    }

    private mutating func note(_ name: String, isThere: Bool) {
        let name = ExactText(name)
        let isKnown = tensors[name] != nil || counters[name] != nil
        if isThere && !isKnown { names.append(name.text) }
        if !isThere { names.removeAll { ExactText($0) == name } }
    }

    // MARK: As a source of weights

    /// What messages call the source: "the state dictionary".
    public var path: String { "the state dictionary" }

    public var contents: [(name: String, shape: Shape)] { names.map { ($0, self[$0]?.shape ?? []) } }

    public func tensor(named name: String, like model: Tensor) throws -> Tensor {
        guard let tensor = self[name] else {
            throw GimbalError.invalidFile(path: path, reason: "'\(name)' is a number, not a tensor")
        }
        return try tensor.to(model.device).cast(to: model.dtype)
    }

    public func integer(named name: String) throws -> Int {
        if let counter = self[counter: name] { return counter }
        guard let tensor = self[name], tensor.elementCount == 1 else {
            throw GimbalError.invalidFile(path: path, reason: "'\(name)' is no whole number")
        }
        return Int(try tensor.integers()[0])
    }
}

extension Module {
    /// Copies of the parameters, the buffers and the counters, by their paths from this module. Does not wait.
    public func stateDictionary() -> StateDictionary {
        var state = StateDictionary()
        for (path, part) in stateParts {
            switch part {
            case .parameter(_, let parameter): state[path] = parameter.value.detached().copy()
            case .buffer(_, let buffer): state[path] = buffer.value.copy()
            case .counter(_, let counter): state[counter: path] = counter.value
            case .module: break
            }
        }
        return state
    }

    /// Takes up a state; see `load(from:mapping:isStrict:forgiving:)` for what the arguments mean and for what is
    /// thrown.
    @discardableResult
    public func load(
        _ state: StateDictionary, mapping: NameMap = .identity, isStrict: Bool = true, forgiving: [NamePattern] = []
    ) throws -> LoadReport {
        try load(from: state, mapping: mapping, isStrict: isStrict, forgiving: forgiving)
    }
}

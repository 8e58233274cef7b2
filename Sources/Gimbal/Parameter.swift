/// A tensor that training changes: a weight or a bias.
///
/// A parameter keeps its identity while an optimizer changes its elements in place.
public final class Parameter {
    /// Path from the model's root in PyTorch's spelling, such as `fc1.weight`. Set when a model first looks for its parts,
    /// or is called; a larger model that does so later gives the longer name.
    public var name: String { didSet { isUnnamed = false } }
    /// Whether no model has given it a name.
    package private(set) var isUnnamed = true

    private var view: TensorView
    private var leaf: Node

    /// Takes over `value` as the parameter's first value.
    public init(_ value: Tensor, name: String = "parameter") {
        let value = value.contiguous().detached()
        self.name = name
        view = value.view
        leaf = Node(leaf: value.view)
        leaf.isParameter = true
    }

    /// The sizes of the axes, which training does not change.
    public var shape: Shape { view.shape }
    /// The product of all sizes.
    public var elementCount: Int { view.elementCount }
    /// Where the weights lie.
    public var device: Device { Device(backend: view.storage.backend) }

    /// The current value, through which gradients flow to this parameter unless it is frozen.
    public var value: Tensor { Tensor(view, node: isTrainable ? leaf : nil) }

    /// Whether gradients are computed for it. A frozen parameter is passed over by optimizers as well.
    public var isTrainable = true {
        didSet { if !isTrainable { zeroGradient() } }
    }

    /// The gradient collected since it was last set to zero, nil if none was.
    public var gradient: Tensor? {
        get { leaf.gradient }
        set {
            guard let newValue else { return leaf.gradient = nil }
            require(newValue.shape == shape, "gradient", "\(newValue.shape) for \(name) of \(shape)")
            leaf.setGradient(copying: newValue.view)
        }
    }

    /// Forgets the gradient. The next one is written over it, so nothing needs to be cleared.
    public func zeroGradient() { leaf.gradient = nil }

    /// Copies `value` over the elements; nodes recorded before still see the parameter.
    public func assign(_ value: Tensor) {
        require(value.shape == shape, "assign", "\(value.shape) for \(name) of \(shape)")
        view.take(value.view)
        view.noteChange(by: "assign")
    }

    /// Where its gradient is collected.
    package var gradientNode: Node { leaf }

    /// Takes what `change` makes of the value in its place, and likewise of the gradient: the same parameter on another
    /// device or in another type. It leaves its arena.
    package func replaceTensors(_ change: (Tensor) throws -> Tensor) rethrows {
        let value = try change(Tensor(view))
        guard value.view.storage !== view.storage || value.dtype != view.dtype else { return }
        let gradient = try gradient.map(change)
        view = value.contiguous().view
        let hooks = leaf.hooks
        leaf = Node(leaf: view)
        leaf.isParameter = true
        leaf.hooks = hooks
        leaf.gradient = gradient
        arena = nil
        arenaOffset = 0
    }

    // MARK: Arenas

    /// The arena that holds this parameter, and where in it.
    package private(set) weak var arena: ParameterArena?
    package private(set) var arenaOffset = 0

    package var weights: TensorView { view }
    package var gradientView: TensorView? { leaf.gradient?.view }
    package var hasGradient: Bool { leaf.gradient != nil }

    /// Where in its arena its gradient belongs, whether it has one or not.
    package var gradientPlace: TensorView? { leaf.slot }

    /// Takes what lies in its place in the arena for its gradient.
    package func takeGradientFromArena() {
        guard let place = leaf.slot else { return }
        leaf.gradient = Tensor(place)
        leaf.ownsGradient = true
    }

    /// Moves value and gradient into an arena.
    fileprivate func move(to arena: ParameterArena, offset: Int) {
        let range = offset..<offset + elementCount
        let weights = arena.weights.sliced(axis: 0, range).reshaped(shape)
        let slot = arena.gradients.sliced(axis: 0, range).reshaped(shape)
        weights.take(view)
        if let gradient = leaf.gradient {
            slot.take(gradient.view)
            leaf.gradient = Tensor(slot)
            leaf.ownsGradient = true
        }
        leaf.slot = slot
        view = weights
        self.arena = arena
        arenaOffset = offset
    }
}

/// Parameters one after the other in a single block, and their gradients in another, so that an optimizer step, a
/// gradient norm or a health check over a whole model is one or two launches.
///
/// Each begins at a multiple of 512 bytes, the base alignment that NVIDIA's OpenCL asks for. The gaps hold zeros, which no
/// norm and no update notices.
public final class ParameterArena {
    package let weights: TensorView
    package let gradients: TensorView

    private init(weights: TensorView, gradients: TensorView) {
        self.weights = weights
        self.gradients = gradients
    }

    /// Elements from the start of one parameter to the start of the next.
    package static func stride(_ elementCount: Int, _ dtype: DType) -> Int {
        let unit = 512 / dtype.byteCount
        return (elementCount + unit - 1) / unit * unit
    }

    /// Moves parameters into one arena, unless they share one already.
    /// - Throws: `GimbalError.outOfMemory`, leaving the parameters as they were.
    @discardableResult
    public static func pack(_ parameters: [Parameter]) throws -> ParameterArena? {
        guard let first = parameters.first else { return nil }
        if let arena = first.arena, parameters.allSatisfy({ $0.arena === arena }) { return arena }
        let dtype = first.weights.dtype
        let backend = first.weights.storage.backend
        for parameter in parameters where parameter.weights.storage.backend !== backend {
            stop(
                "ParameterArena", "\(first.name) is on \(first.device.id), \(parameter.name) on \(parameter.device.id)")
        }
        for parameter in parameters where parameter.weights.dtype != dtype {
            stop(
                "ParameterArena",
                "\(first.name) is \(dtype), \(parameter.name) \(parameter.weights.dtype); parameters that are updated together "
                    + "have one type: convert them by to(_:), or give each type an optimizer")
        }
        let count = parameters.reduce(0) { $0 + stride($1.elementCount, dtype) }
        let arena = ParameterArena(
            weights: try backend.allocate([count], dtype), gradients: try backend.allocate([count], dtype))
        try [arena.weights, arena.gradients].change {
            backend.fill(arena.weights, with: 0)
            backend.fill(arena.gradients, with: 0)
        }
        var offset = 0
        for parameter in parameters {
            parameter.move(to: arena, offset: offset)
            offset += stride(parameter.elementCount, dtype)
        }
        return arena
    }
}

/// Parameters that lie one after the other in their arena and are updated as one.
package struct ParameterRun {
    package var parameters: [Parameter]
    package var weights: TensorView
    package var gradients: TensorView

    /// The trainable parameters that hold a gradient, in as few runs as they lie in. Parameters outside every arena are
    /// a run each. One that received no gradient is left out, as PyTorch leaves out those whose `grad` is None.
    package static func withGradients(_ parameters: [Parameter]) -> [ParameterRun] {
        var runs: [ParameterRun] = []
        var members: [Parameter] = []
        /// That of the members, and where in it the next of them would begin.
        var (arena, end) = (ParameterArena?.none, 0)
        func closeRun() {
            guard let first = members.first, let last = members.last, let gradient = first.gradientView else { return }
            var run = ParameterRun(
                parameters: members, weights: first.weights.flattened, gradients: gradient.flattened)
            if let arena, members.count > 1 {
                let range = first.arenaOffset..<last.arenaOffset + last.elementCount
                run.weights = arena.weights.sliced(axis: 0, range)
                run.gradients = arena.gradients.sliced(axis: 0, range)
            }
            runs.append(run)
            members = []
        }
        for parameter in parameters where parameter.isTrainable && parameter.hasGradient {
            let own = parameter.arena
            if own == nil || own !== arena || parameter.arenaOffset != end { closeRun() }
            members.append(parameter)
            arena = own
            end = parameter.arenaOffset + ParameterArena.stride(parameter.elementCount, parameter.weights.dtype)
        }
        closeRun()
        return runs
    }

    /// The weights of each parameter as a run of its own, gradient or not; `gradients` is nothing to rely on.
    package static func weights(_ parameters: [Parameter]) -> [ParameterRun] {
        parameters.map {
            ParameterRun(parameters: [$0], weights: $0.weights.flattened, gradients: $0.weights.flattened)
        }
    }
}

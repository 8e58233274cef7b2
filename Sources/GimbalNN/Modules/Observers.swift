/// A call of a module, as observers and hooks see it.
public final class LayerCall {
    /// The module that is called.
    public let module: Module
    /// The path of the module from the root of the model, such as `layer1.0.conv1`; empty for the root itself.
    public let path: String
    /// What the module is called with: a tensor, a tuple or a struct. Before the forward pass it may be replaced by
    /// another of its type. Nothing once the call has ended.
    public var input: Any
    /// What the module computed; nil before it did. After the forward pass it may be replaced by another of its type.
    public var output: Any?
    private var forward: ((Any) -> Any)?

    init(module: Module, path: String, input: Any, forward: @escaping (Any) -> Any) {
        self.module = module
        self.path = path
        self.input = input
        self.forward = forward
    }

    /// Computes the output from the input, again if there is one, such as after a change of the module's weights.
    public func repeatForward() {
        guard let forward else { stop("repeatForward", "the call of \(path) has ended") }
        output = forward(input)
    }

    /// Lets go of everything but the names: a hook on a gradient that keeps the call must not keep its graph.
    func end() {
        forward = nil
        (input, output) = ((), nil)
    }

    /// The tensors in the input, in order.
    public var inputs: [Tensor] { tensors(in: input) }
    /// The tensors in the output, in order; none before the forward pass.
    public var outputs: [Tensor] { output.map { tensors(in: $0) } ?? [] }
}

/// Lets closures see every call of a module that `body` makes, on this task.
///
/// ```swift
/// withObserver(after: { call in print(call.path, call.outputs.map(\.shape)) }) {
///     _ = model(x)
/// }
/// ```
/// Observers nest: the outermost sees a call first, and its output last, after those inside have.
/// - Parameters:
///   - before: called before the forward pass of each module, outer modules first.
///   - after: called after the forward pass of each module, inner modules first.
///   - body: what is observed.
/// - Returns: what `body` gives.
public func withObserver<Result>(
    before: ((LayerCall) -> Void)? = nil, after: ((LayerCall) -> Void)? = nil, _ body: () throws -> Result
) rethrows -> Result {
    let scope = ObserverScope(Watcher(before: before, after: after), outer: .current)
    return try ObserverScope.$current.withValue(scope, operation: body)
}

extension Module {
    /// Lets a closure see every call of this module before its forward pass, until the hook is removed.
    @discardableResult
    public func beforeForward(_ body: @escaping (LayerCall) -> Void) -> HookHandle {
        adding(Watcher(before: body, after: nil))
    }

    /// Lets a closure see every call of this module after its forward pass, until the hook is removed.
    ///
    /// ```swift
    /// var features: Tensor?
    /// let hook = resNet.layer4.onForward { call in features = call.outputs[0] }
    /// _ = resNet(images)
    /// hook.remove()
    /// ```
    @discardableResult
    public func onForward(_ body: @escaping (LayerCall) -> Void) -> HookHandle {
        adding(Watcher(before: nil, after: body))
    }

    /// Lets a closure see the gradients that arrive at this module's outputs in backward passes, until the hook is
    /// removed.
    ///
    /// ```swift
    /// resNet.layer1.onGradient { path, gradient in print(path, try! gradient.norm().item()) }
    /// ```
    @discardableResult
    public func onGradient(_ body: @escaping (_ path: String, _ gradient: Tensor) -> Void) -> HookHandle {
        onForward { call in
            let path = call.path
            for output in call.outputs where output.requiresGradient {
                output.onGradient { body(path, $0) }
            }
        }
    }

    private func adding(_ watcher: Watcher) -> HookHandle {
        attaching().watchers.append(watcher)
        return HookHandle { [weak self] in
            self?.attachments?.watchers.removeAll { $0 === watcher }
            self?.dropEmptyAttachments()
        }
    }

    /// What this module's products are computed in, whatever the precision around it; nil for that one.
    ///
    /// ```swift
    /// resNet.fc.precision = .float32  // inside withPrecision(.float16) { }
    /// ```
    public final var precision: Precision? {
        get { attachments?.precision }
        set {
            attaching().precision = newValue
            dropEmptyAttachments()
        }
    }

    /// The attachments, made if there are none.
    func attaching() -> Attachments {
        if let attachments { return attachments }
        let made = Attachments()
        attachments = made
        return made
    }

    fileprivate func dropEmptyAttachments() {
        if attachments?.isEmpty ?? false { attachments = nil }
    }
}

/// What observes calls: closures for before and after the forward pass.
final class Watcher {
    let before: ((LayerCall) -> Void)?
    let after: ((LayerCall) -> Void)?

    init(before: ((LayerCall) -> Void)?, after: ((LayerCall) -> Void)?) {
        self.before = before
        self.after = after
    }
}

/// What a module's calls are attended by.
final class Attachments {
    var watchers: [Watcher] = []
    var precision: Precision?

    var isEmpty: Bool { watchers.isEmpty && precision == nil }
}

/// An observer under way and those around it.
///
/// It is used by one task at a time, which is why it may be called sendable.
final class ObserverScope: @unchecked Sendable {
    @TaskLocal static var current: ObserverScope?

    private let watcher: Watcher
    private let outer: ObserverScope?

    init(_ watcher: Watcher, outer: ObserverScope?) {
        self.watcher = watcher
        self.outer = outer
    }

    /// All that are under way, outermost first.
    static var watchers: [Watcher] {
        var found: [Watcher] = []
        var scope = current
        while let here = scope {
            found.append(here.watcher)
            scope = here.outer
        }
        return found.reversed()
    }
}

/// The tensors in `value`: itself, or those that an optional, a collection, a tuple or a struct holds.
package func tensors(in value: Any) -> [Tensor] {
    if let tensor = value as? Tensor { return [tensor] }
    let mirror = Mirror(reflecting: value)
    switch mirror.displayStyle {
    case .optional, .collection, .dictionary, .tuple, .struct:
        return mirror.children.flatMap { tensors(in: $0.value) }
    default: return []
    }
}

/// Changes parameters along their gradients.
///
/// ```swift
/// optimizer.zeroGradients()
/// try loss.backward()
/// try optimizer.step()
/// ```
public protocol Optimizer: AnyObject {
    var parameters: [Parameter] { get }
    /// May be changed between steps, as schedules do.
    var learningRate: Double { get set }
    /// Applies the gradients held now. Parameters without one, or frozen, stay as they are, moments included.
    /// - Throws: the first failure of the device since it was last waited for.
    func step() throws
    /// What must be saved, beside the settings, to go on as if never stopped.
    var state: OptimizerState { get }
    /// Takes up a saved state.
    /// - Throws: `GimbalError.weightMismatch` where it belongs to other parameters.
    func restore(_ state: OptimizerState) throws
}

extension Optimizer {
    /// Forgets all gradients, so that the next backward pass starts anew.
    public func zeroGradients() { for parameter in parameters { parameter.zeroGradient() } }
}

/// The moments of an optimizer, and how many steps each parameter has taken.
public struct OptimizerState {
    /// By kind and parameter: `velocity.fc1.weight`.
    public var tensors: [(name: String, value: Tensor)]
    /// By parameter.
    public var steps: [String: Int]

    public init(tensors: [(name: String, value: Tensor)], steps: [String: Int]) {
        self.tensors = tensors
        self.steps = steps
    }
}

/// The parameters of an optimizer in one arena, with moments laid out alike and a count of steps for each.
final class ParameterStore {
    let parameters: [Parameter]
    private let arena: ParameterArena?
    private let moments: [(name: String, view: TensorView)]
    private var steps: [Int]

    /// - Parameter momentNames: one block of zeros as large as the weights is set aside for each.
    init(_ parameters: [Parameter], momentNames: [String]) {
        self.parameters = parameters
        steps = [Int](repeating: 0, count: parameters.count)
        do {
            let arena = try ParameterArena.pack(parameters)
            self.arena = arena
            moments = try momentNames.compactMap { name in
                guard let arena else { return nil }
                let backend = arena.weights.storage.backend
                let view = try backend.allocate(arena.weights.shape, arena.weights.dtype)
                backend.fill(view, with: 0)
                return (name, view)
            }
        } catch {
            stop("Optimizer", "\(error)")
        }
    }

    /// Calls `body` for each stretch of parameters that hold gradients and have taken the same number of steps, with that
    /// number (from 1) and the moments of the stretch; then throws what the device has reported.
    func update(_ body: (any Backend, ParameterRun, _ step: Int, _ moments: [TensorView]) -> Void) throws {
        guard let arena else { return }
        let backend = arena.weights.storage.backend
        var start = 0
        while start < parameters.count {
            let count = steps[start]
            let end = steps[start...].firstIndex { $0 != count } ?? parameters.count
            for run in ParameterRun.withGradients([Parameter](parameters[start..<end])) {
                let offset = run.parameters[0].arenaOffset
                let range = offset..<offset + run.weights.elementCount
                body(backend, run, count + 1, moments.map { $0.view.sliced(axis: 0, range) })
            }
            start = end
        }
        for (index, parameter) in parameters.enumerated() where parameter.isTrainable && parameter.gradient != nil {
            steps[index] += 1
        }
        try backend.errors.throwIfSet()
    }

    var state: OptimizerState {
        let tensors = moments.flatMap { moment in
            parameters.map { ("\(moment.name).\($0.name)", Tensor(part(of: moment.view, $0))) }
        }
        let counts = zip(parameters, steps).map { ($0.name, $1) }
        return OptimizerState(tensors: tensors, steps: Dictionary(counts) { first, _ in first })
    }

    func restore(_ state: OptimizerState) throws {
        let saved = Dictionary(state.tensors.map { ($0.name, $0.value) }) { first, _ in first }
        var missing = parameters.map(\.name).filter { state.steps[$0] == nil }
        var misshaped: [String] = []
        var expected: Set<String> = []
        for moment in moments {
            for parameter in parameters {
                let name = "\(moment.name).\(parameter.name)"
                expected.insert(name)
                if let value = saved[name] {
                    if value.shape != parameter.shape { misshaped.append(name) }
                } else {
                    missing.append(name)
                }
            }
        }
        let unexpected = saved.keys.filter { !expected.contains($0) }.sorted()
        guard missing.isEmpty && misshaped.isEmpty && unexpected.isEmpty else {
            throw GimbalError.weightMismatch(
                path: "the optimizer's state", missing: missing, unexpected: unexpected, misshaped: misshaped)
        }
        for moment in moments {
            for parameter in parameters {
                guard let value = saved["\(moment.name).\(parameter.name)"] else { continue }
                value.backend.copy(value.view, to: part(of: moment.view, parameter))
            }
        }
        steps = parameters.map { state.steps[$0.name] ?? 0 }
    }

    private func part(of moment: TensorView, _ parameter: Parameter) -> TensorView {
        moment.sliced(axis: 0, parameter.arenaOffset..<parameter.arenaOffset + parameter.elementCount)
            .reshaped(parameter.shape)
    }
}

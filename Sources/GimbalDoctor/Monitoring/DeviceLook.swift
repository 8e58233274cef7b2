import GimbalNN
import GimbalOptim

/// A look whose figures are still on the device.
///
/// To look must not make a training fail: what memory is refused for is left out.
final class DeviceLook {
    /// An operation that is looked at, and where its rows are in the table.
    private struct Place {
        var name: String
        var function: String
        var count: Int
        var hasGradient = false
        var dead: Tensor?
        var saturated: Tensor?
    }

    /// Parameters that lie side by side.
    private struct Stretch {
        var run: ParameterRun
        /// The weights before the step, and then what it has added to them.
        var change: TensorView?
        var gradients: TensorView?
        var weights: TensorView?
        var updates: TensorView?
        /// Σ gradient · update, and the norm of the gradients as the step took them.
        var product: TensorView?
        var gradientNorm: TensorView?
    }

    let step: Int
    private let segments: SegmentCache
    /// Those of the step that was looked at before, which this one will go on with.
    private let parameters: [Parameter]
    /// The norm of what they held when the first gradient of this step arrived.
    private var oldGradientNorm: Tensor?
    private var hasGradients = false
    private var places: [Place] = []
    /// Calls of each layer and operation so far.
    private var taken: Set<String> = []
    /// Two rows for each place: what it gives out, and the gradient there.
    private var table: TensorView?
    private var stretches: [Stretch] = []
    /// The last product with weights, by which is known which axis of three counts units, and where it was.
    private var lastProduct = (name: "", path: "")

    private static let columns = Statistic.allCases.count
    /// Deeper nets are looked at in their first places: their cost is no reason to look at more of them.
    private static let mostPlaces = 256

    init(step: Int, segments: SegmentCache, parameters: [Parameter]) {
        self.step = step
        self.segments = segments
        self.parameters = parameters
    }

    // MARK: Forward and backward

    func add(_ operation: ComputedOperation) {
        let name = "\(operation.name)"
        let isProduct = Trace.products.contains(name)
        let path = operation.layer?.path ?? ""
        if isProduct { lastProduct = (name, path) }
        guard !operation.isBackward, isProduct || ActivationKind(rawValue: name) != nil,
            let output = operation.outputs.first, output.dtype.isFloatingPoint, output.elementCount > 0,
            output.view.isAllocated
        else { return }
        // The last of all calls gets its gradient first.
        if !hasGradients, output.requiresGradient {
            output.onGradient { [weak self] (_: Tensor) -> Void in self?.seeOldGradients() }
        }
        // A cell is called at each time step, a tower for each of its inputs: once tells as much.
        guard places.count < Self.mostPlaces, taken.insert("\(path) \(name) \(lastProduct.path)").inserted else {
            return
        }
        let place = places.count
        let sample = sampled(output)
        guard measure(sample, row: 2 * place) else { return }
        places.append(Place(name: title(path, name, isProduct), function: name, count: sample.elementCount))
        if let kind = ActivationKind(rawValue: name), let input = operation.inputs.first, input.shape == output.shape {
            let axis = unitAxis(of: output)
            let shares = kind.shares(of: sampled(input), sample, unitAxis: axis)
            (places[place].dead, places[place].saturated) = shares
        }
        guard output.requiresGradient else { return }
        output.onGradient { [weak self] gradient in
            guard let self, measure(sampled(gradient), row: 2 * place + 1) else { return }
            places[place].hasGradient = true
        }
    }

    /// The first gradient of a pass arrives at an activation before any at a parameter behind it.
    private func seeOldGradients() {
        guard !hasGradients else { return }
        hasGradients = true
        let held = parameters.filter { $0.isTrainable && $0.hasGradient }
        // One that is behind the last activation may have got its own by now.
        guard 2 * held.count > parameters.count else { return }
        oldGradientNorm = try? gradientNorm(held)
    }

    /// The path of the layer; of a function that a larger layer calls by itself, behind which layer it comes.
    private func title(_ path: String, _ name: String, _ isProduct: Bool) -> String {
        guard !isProduct, !lastProduct.path.isEmpty, lastProduct.path != path, lastProduct.path.hasPrefix(path) else {
            return path.isEmpty ? name : path
        }
        return "\(lastProduct.path) \(name)"
    }

    /// The first samples.
    private func sampled(_ tensor: Tensor) -> Tensor {
        let x = tensor.detached()
        guard x.rank > 1, x.elementCount > HealthMonitor.sampledElements else { return x }
        let samples = HealthMonitor.sampledElements / (x.elementCount / x.shape[0])
        return x.sliced(0..<max(1, min(samples, x.shape[0])))
    }

    /// As `Trace` has it.
    private func unitAxis(of output: Tensor) -> Int {
        switch output.rank {
        case 4, 5: 1
        case 3: lastProduct.name == "convolved" ? 1 : 2
        default: max(0, output.rank - 1)
        }
    }

    /// Fills a row of the table; gives whether it could.
    private func measure(_ tensor: Tensor, row: Int) -> Bool {
        let x = tensor.cast(to: tensor.dtype == .float64 ? .float64 : .float32).contiguous()
        guard x.view.isAllocated else { return false }
        do {
            let table = try self.table ?? x.backend.allocate([2 * Self.mostPlaces, Self.columns], x.dtype)
            self.table = table
            guard table.dtype == x.dtype, table.storage.backend === x.backend else { return false }
            x.backend.statistics(
                x.view.flattened, segments: try segments.first(x.elementCount, on: x.backend),
                out: table.sliced(axis: 0, row..<row + 1))
            return true
        } catch {
            return false
        }
    }

    // MARK: The step

    func addGradients(of parameters: [Parameter]) {
        // What another optimizer's parameters hold is no matter of this step.
        if !parameters.elementsEqual(self.parameters, by: ===) { oldGradientNorm = nil }
        stretches = ParameterRun.withGradients(parameters).compactMap { run in
            guard [.float32, .float64].contains(run.weights.dtype) else { return nil }
            let backend = run.weights.storage.backend
            var stretch = Stretch(run: run)
            stretch.gradients = statistics(of: run.gradients, run)
            stretch.change = try? backend.allocate(run.weights.shape, run.weights.dtype)
            stretch.weights = statistics(of: run.weights, run)
            if let change = stretch.change { backend.copy(run.weights, to: change) }
            return stretch
        }
    }

    func addUpdates() {
        for index in stretches.indices {
            let run = stretches[index].run
            let backend = run.weights.storage.backend
            guard let change = stretches[index].change else { continue }
            backend.binary(.init(.subtract), run.weights, change, out: change)
            stretches[index].updates = statistics(of: change, run)
            if let product = try? backend.allocate([1], change.dtype),
                let norm = try? backend.allocate([1], change.dtype)
            {
                backend.binary(.init(.multiply), change, run.gradients, out: change)
                backend.reduce(.sum, change, out: product, accumulates: false)
                backend.norm([run.gradients], p: 2, out: norm)
                (stretches[index].product, stretches[index].gradientNorm) = (product, norm)
            }
            stretches[index].change = nil
        }
    }

    private func statistics(of x: TensorView, _ run: ParameterRun) -> TensorView? {
        let backend = x.storage.backend
        guard let stretches = try? segments.parameters(of: run),
            let out = try? backend.allocate([run.parameters.count, Self.columns], x.dtype)
        else { return nil }
        backend.statistics(x, segments: stretches, out: out)
        return out
    }

    // MARK: Reading

    /// Waits for the device.
    func read() throws -> HealthLook {
        var look = HealthLook(step: step, rows: [])
        if let table, !places.isEmpty {
            let used = table.sliced(axis: 0, 0..<2 * places.count)
            let figures = try Tensor(used).doubles()
            let shares = try Tensor.reading(places.flatMap { [$0.dead, $0.saturated] })
            for (index, place) in places.enumerated() {
                func row(_ kind: HealthRow.Kind, _ row: Int) -> HealthRow {
                    var made = HealthRow(
                        kind, place.name, figures[row * Self.columns..<(row + 1) * Self.columns], count: place.count)
                    made.function = place.function
                    return made
                }
                var activation = row(.activation, 2 * index)
                (activation.deadShare, activation.saturatedShare) = (shares[2 * index], shares[2 * index + 1])
                look.rows.append(activation)
                if place.hasGradient { look.rows.append(row(.activationGradient, 2 * index + 1)) }
            }
        }
        var (product, gradientSquares, updateSquares) = (0.0, 0.0, 0.0)
        for stretch in stretches {
            func rows(_ kind: HealthRow.Kind, _ view: TensorView?) throws -> [HealthRow] {
                guard let view else { return [] }
                let figures = try Tensor(view).doubles()
                return stretch.run.parameters.enumerated().map { index, parameter in
                    HealthRow(
                        kind, parameter.name, figures[index * Self.columns..<(index + 1) * Self.columns],
                        count: parameter.elementCount)
                }
            }
            let parameters = try rows(.parameter, stretch.weights)
            let gradients = try rows(.gradient, stretch.gradients)
            var updates = try rows(.update, stretch.updates)
            for (index, parameter) in stretch.run.parameters.enumerated()
            where index < min(updates.count, parameters.count) && parameter.shape.rank > 1 && parameters[index].norm > 0
            {
                updates[index].updateRatio = updates[index].norm / parameters[index].norm
            }
            look.rows += parameters + gradients + updates
            product += try stretch.product.map { try Tensor($0).doubles()[0] } ?? 0
            let norm = try stretch.gradientNorm.map { try Tensor($0).doubles()[0] } ?? 0
            gradientSquares += norm * norm
            updateSquares += updates.reduce(0) { $0 + $1.norm * $1.norm }
        }
        look.oldGradientNorm = try oldGradientNorm.map { try $0.doubles()[0] }.flatMap { $0 == 0 ? nil : $0 }
        let size = (gradientSquares * updateSquares).squareRoot()
        if size > 0, product.isFinite { look.descent = product / size }
        return look
    }
}

extension Tensor {
    /// One number each, read in one go; nil where there is none.
    fileprivate static func reading(_ scalars: [Tensor?]) throws -> [Double?] {
        let there = scalars.compactMap { $0?.reshaped([]) }
        guard !there.isEmpty else { return scalars.map { _ in nil } }
        var values = try Tensor.stacked(there).doubles()[...]
        return scalars.map { $0 == nil ? nil : values.popFirst() }
    }
}

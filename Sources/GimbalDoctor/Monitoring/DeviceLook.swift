import GimbalNN
import GimbalOptim

/// A look whose figures are still on the device.
///
/// To look must not make a training fail: what memory is refused for is left out.
final class DeviceLook {
    /// An operation that is looked at; its rows in the table follow from its number.
    private struct Place {
        var key: String
        var name: String
        var function: String
        /// Elements that are looked at.
        var count: Int
        var hasGradient = false
        /// See `ActivationKind.flatness`.
        var flatness: Tensor?
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
    /// What gradients are multiplied by after the backward pass, so that they are those of the mean loss.
    var gradientScale = 1.0
    /// Whether this rank computes a row that is another's, which counts for nothing.
    private let isStandIn = BatchShare.current?.isStandIn ?? false
    private var places: [Place] = []
    /// Calls of each layer and operation so far.
    private var taken: Set<String> = []
    /// Two rows for each place: what it gives out, and the gradient there.
    private var table: TensorView?
    private var stretches: [Stretch] = []
    /// What the device has failed by.
    private var failure: (any Error)?
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
            output.view.isComputed
        else { return }
        // The last of all calls gets its gradient first.
        if !hasGradients, output.requiresGradient {
            output.onGradient { [weak self] (_: Tensor) -> Void in self?.seeOldGradients() }
        }
        // A cell is called at each time step, a tower for each of its inputs: once tells as much.
        let key = "\(path) \(name) \(lastProduct.path)"
        guard places.count < Self.mostPlaces, taken.insert(key).inserted else { return }
        let place = places.count
        let rows = sampledRows(output)
        guard rows > 0 else { return }
        let sample = first(rows, of: output)
        guard measure(sample, row: 2 * place) else { return }
        places.append(
            Place(key: key, name: title(path, name, isProduct), function: name, count: sample.elementCount))
        if let kind = ActivationKind(rawValue: name), let input = operation.inputs.first, input.shape == output.shape {
            let flatness = kind.flatness(of: first(rows, of: input), sample, unitAxis: unitAxis(of: output))
            // A single axis counts samples, of which each rank has its own.
            places[place].flatness = output.rank > 1 ? flatness : flatness?.mean()
        }
        guard output.requiresGradient else { return }
        output.onGradient { [weak self] gradient in
            guard let self, measure(first(rows, of: gradient), row: 2 * place + 1) else { return }
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
        oldGradientNorm = measured { try gradientNorm(held) }
    }

    /// The path of the layer; of a function that a larger layer calls by itself, behind which layer it comes.
    private func title(_ path: String, _ name: String, _ isProduct: Bool) -> String {
        guard !isProduct, !lastProduct.path.isEmpty, lastProduct.path != path, lastProduct.path.hasPrefix(path) else {
            return path.isEmpty ? name : path
        }
        return "\(lastProduct.path) \(name)"
    }

    /// How many rows of the first axis are looked at: of the whole batch those of the first samples; 0 where these are other
    /// ranks'.
    private func sampledRows(_ x: Tensor) -> Int {
        guard x.rank > 1 else { return x.rank == 0 ? 1 : x.shape[0] }
        var rows = max(1, HealthMonitor.sampledElements / (x.elementCount / x.shape[0]))
        // A sample may have several, such as the tokens of a text.
        if let share = BatchShare.current, share.count > 0, x.shape[0] % share.count == 0 {
            rows -= share.first * (x.shape[0] / share.count)
        }
        return max(0, min(rows, x.shape[0]))
    }

    private func first(_ rows: Int, of tensor: Tensor) -> Tensor {
        let x = tensor.detached()
        return x.rank > 1 && rows < x.shape[0] ? x.sliced(0..<rows) : x
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
        guard x.view.isComputed else { return false }
        return measured {
            let table = try self.table ?? x.backend.allocate([2 * Self.mostPlaces, Self.columns], x.dtype)
            self.table = table
            guard table.dtype == x.dtype, table.storage.backend === x.backend else { return false }
            x.backend.statistics(
                x.view.flattened, segments: try segments.first(x.elementCount, on: x.backend),
                out: table.sliced(axis: 0, row..<row + 1))
            return true
        } ?? false
    }

    /// What `body` gives; nil where there is no memory for it, which is no reason to end a run. What else fails is thrown when
    /// the looks are read.
    private func measured<Result>(_ body: () throws -> Result) -> Result? {
        do { return try body() } catch GimbalError.outOfMemory { return nil } catch {
            failure = failure ?? error
            return nil
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
            stretch.change = measured { try backend.allocate(run.weights.shape, run.weights.dtype) }
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
            if let product = measured({ try backend.allocate([1], change.dtype) }),
                let norm = measured({ try backend.allocate([1], change.dtype) })
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
        guard let stretches = measured({ try segments.parameters(of: run) }),
            let out = measured({ try backend.allocate([run.parameters.count, Self.columns], x.dtype) })
        else { return nil }
        backend.statistics(x, segments: stretches, out: out)
        return out
    }

    // MARK: Reading

    /// What the looks have seen. Waits for the device.
    /// - Parameter exchange: of ranks that have looked at the same steps, each at its rows of their batches; nil for one alone.
    static func read(_ looks: [DeviceLook], over exchange: (any GradientExchange)?) throws -> [HealthLook] {
        if let failure = looks.lazy.compactMap(\.failure).first { throw failure }
        var places = try looks.map { try $0.readPlaces() }
        if let exchange, exchange.size > 1, !looks.isEmpty {
            places = try ActivationSums.joined(places, over: exchange)
        }
        return try zip(looks, places).map { look, places in try look.read(places.flatMap(\.rows)) }
    }

    private func readPlaces() throws -> [ActivationSums] {
        guard let table, !places.isEmpty else { return [] }
        let figures = try Tensor(table.sliced(axis: 0, 0..<2 * places.count)).doubles()
        let flatness = try Tensor.reading(places.map(\.flatness))
        return places.enumerated().map { index, place in
            func row(_ row: Int) -> ArraySlice<Double> { figures[row * Self.columns..<(row + 1) * Self.columns] }
            var sums = ActivationSums(
                .init(
                    key: place.key, name: place.name, function: place.function, hasGradient: place.hasGradient,
                    unitCount: place.flatness.map { $0.rank > 0 ? $0.elementCount : 0 } ?? 0),
                output: row(2 * index), gradient: row(2 * index + 1), gradientScale: gradientScale,
                flatness: flatness[index], count: place.count)
            if isStandIn { sums.clear() }
            return sums
        }
    }

    /// - Parameter activations: the rows of activations and their gradients.
    private func read(_ activations: [HealthRow]) throws -> HealthLook {
        var look = HealthLook(step: step, rows: activations)
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
    /// The elements of each, read in one go; nil where there is none.
    fileprivate static func reading(_ tensors: [Tensor?]) throws -> [[Double]?] {
        let there = tensors.compactMap { $0.map { $0.reshaped([$0.elementCount]) } }
        guard !there.isEmpty else { return tensors.map { _ in nil } }
        var values = try Tensor.concatenated(there).doubles()[...]
        return tensors.map { tensor in
            tensor.map { tensor in
                defer { values = values.dropFirst(tensor.elementCount) }
                return Array(values.prefix(tensor.elementCount))
            }
        }
    }
}

/// How gradients are limited before a step, and what happens where they are not finite.
///
/// ```swift
/// let clipper = GradientClipper(.globalNorm(1), nonFinite: .skip)
/// try loss.backward()
/// let clipped = try clipper.clip(optimizer.parameters)
/// try optimizer.step(if: clipped.condition)
/// ```
public enum GradientClipping: Codable, Sendable, Equatable {
    /// Nothing is limited: for the handling of what is not finite alone.
    case none
    /// Limits every element to ± this number, ≥ 0.
    case value(Double)
    /// Scales all gradients together down to this norm (Pascanu et al. 2013, algorithm 1). `p` says which norm; it may
    /// be infinite.
    case globalNorm(Double, p: Double = 2)
    /// Scales each parameter's gradient down to this norm of its own. `p` says which norm; it may be infinite.
    case parameterNorm(Double, p: Double = 2)
    /// Scales each unit's gradient down to `clipping` times the norm of its weights, or of `epsilon` where that is
    /// larger (Brock et al. 2021, equation 3). A unit is the weights into one output; parameters of one axis are one
    /// unit.
    case adaptive(clipping: Double = 0.01, epsilon: Double = 1e-3)
    /// Scales all gradients together down to this percentile, 0 to 100, of the norms of all steps so far, this one
    /// included (Seetharaman et al. 2020).
    case percentile(Double)
}

/// What to do with gradients that hold NaN or an infinity.
public enum NonFiniteGradients: String, Codable, Sendable, CaseIterable {
    /// Nothing: they pass as IEEE 754 has it.
    case pass
    /// The step is left out, and `GimbalError.nonFinite`, which names the parameters, thrown where the host next waits
    /// for the device.
    case error
    /// The step is left out: weights and moments stay as they are.
    case skip
    /// All gradients become 0, and the step is taken.
    case zero
}

/// Gradients after clipping; all tensors are on the device, of one element.
public struct ClippedGradients {
    /// The norm of all gradients together before clipping; nil where none was needed.
    public var norm: Tensor?
    /// 0 where the step is to be left out, for `Optimizer.step(if:)`; nil where it never is.
    public var condition: Tensor?
}

/// Clips the gradients of a model step by step, without the host waiting.
///
/// It has a state only for `.percentile` (the norms so far) and for `.error` (the parameters found not finite).
public final class GradientClipper {
    /// How gradients are limited.
    public let clipping: GradientClipping
    /// What happens where they are not finite.
    public let nonFinite: NonFiniteGradients
    private var history: NormHistory?
    private var watch: FiniteWatch?

    /// A clipper for one model. `nonFinite` is seen to first, so that what is clipped may be finite. A limit out of
    /// range stops the program.
    public init(_ clipping: GradientClipping, nonFinite: NonFiniteGradients = .pass) {
        let isGood =
            switch clipping {
            case .none: true
            case .value(let limit): limit >= 0
            case .globalNorm(let maxNorm, let p), .parameterNorm(let maxNorm, let p): maxNorm > 0 && p > 0
            case .adaptive(let factor, let epsilon): factor > 0 && epsilon > 0
            case .percentile(let percent): (0...100).contains(percent)
            }
        require(isGood, "GradientClipper", "\(clipping) has a setting out of range")
        self.clipping = clipping
        self.nonFinite = nonFinite
    }

    /// Clips the gradients held now.
    /// - Throws: the first failure of the device since it was last waited for.
    public func clip(_ parameters: [Parameter]) throws -> ClippedGradients {
        let runs = ParameterRun.withGradients(parameters)
        guard let backend = runs.first?.weights.storage.backend else { return ClippedGradients() }
        var result = ClippedGradients()
        if nonFinite != .pass { result.condition = try handleNonFinite(runs, backend) }
        switch clipping {
        case .none: break
        case .value(let limit): try clipGradientValue(parameters, limit: limit)
        case .globalNorm(let maxNorm, let p): result.norm = try clipGradientNorm(parameters, maxNorm: maxNorm, p: p)
        case .parameterNorm(let maxNorm, let p): try clipParameterNorms(parameters, maxNorm: maxNorm, p: p)
        case .adaptive(let factor, let epsilon):
            try clipAdaptively(parameters, clipping: factor, epsilon: epsilon)
        case .percentile(let percent): result.norm = try clip(runs, percent, parameters)
        }
        try backend.errors.throwIfSet()
        return result
    }

    // MARK: Percentile

    /// The norms so far in ascending order, to be saved; nil before the first or where none are kept.
    public var normHistory: Tensor? { history?.values }

    /// Takes up the norms of a saved run.
    /// - Throws: `GimbalError.outOfMemory`.
    public func restore(normHistory: Tensor?) throws {
        history = try normHistory.map { try NormHistory($0) }
    }

    private func clip(_ runs: [ParameterRun], _ percent: Double, _ parameters: [Parameter]) throws -> Tensor {
        let norm = try gradientNorm(parameters)
        let history = try self.history ?? NormHistory(norm.device)
        self.history = history
        try history.insert(norm)
        let limit = try history.percentile(percent)
        // 10⁻⁶ as in `clipGradientNorm`. Where the limit is infinite, all norms so far are, and nothing is clipped.
        let factor = withoutGradients { (limit / (norm + 1e-6)).clamped(to: -.infinity...1) }
        // NaN times the zeros between two parameters of an arena would stay there; those that are NaN still are.
        let finite = withoutGradients { factor.filled(where: factor.isNaN(), with: 1) }
        for run in runs {
            try run.gradients.change(reading: [finite.view]) {
                norm.backend.binary(
                    .init(.multiply), run.gradients, finite.view.broadcast(to: run.gradients.shape),
                    out: run.gradients)
            }
        }
        return norm
    }

    // MARK: What is not finite

    /// 1 on the device where all gradients are finite, else 0; nil where the step is taken in either case.
    private func handleNonFinite(_ runs: [ParameterRun], _ backend: any Backend) throws -> Tensor? {
        let largest = try runs.map { run in
            Tensor(try Segments(run, units: .parameters).norms(of: run.gradients, p: .infinity))
        }
        let isFinite = Tensor.concatenated(largest).isFinite().min()
        if nonFinite == .error {
            let watch = self.watch ?? FiniteWatch()
            self.watch = watch
            watch.add(zip(runs, largest).map { ($0.parameters.map(\.name), $1) }, to: backend.errors)
        }
        // Also where the step is left out: NaN times the zeros between two parameters of an arena would stay there.
        let mask = isFinite.cast(to: .uint8)
        let zero = Tensor.zeros([], device: isFinite.device)
        for run in runs {
            let shape = run.gradients.shape
            try run.gradients.change(reading: [mask.view, zero.view]) {
                backend.select(
                    mask.view.broadcast(to: shape), run.gradients, zero.view.broadcast(to: shape), out: run.gradients)
            }
        }
        return nonFinite == .zero ? nil : isFinite
    }
}

/// Remembers on the device how large each parameter's gradients were, until the host waits and asks whether all were
/// finite.
private final class FiniteWatch: Sendable {
    /// By the parameters met together, the largest absolute value of each since the host last asked; NaN outlasts all.
    private let largest = Lock<[[String]: TensorView]>([:])

    func add(_ found: [(names: [String], largest: Tensor)], to errors: ErrorLatch) {
        largest.withLock { held in
            if held.isEmpty { errors.whenWaited { [self] in try throwIfNotFinite() } }
            for (names, values) in found {
                if let view = held[names] {
                    view.written(anew: false, of: [values.view]) {
                        values.backend.binary(.init(.maximum), view, values.view, out: view)
                    }
                } else {
                    held[names] = values.view
                }
            }
        }
    }

    private func throwIfNotFinite() throws {
        let held = largest.withLock { held in
            defer { held = [:] }
            return held
        }
        var found: [(name: String, value: Double)] = []
        for (names, view) in held {
            found += zip(names, try Tensor(view).doubles()).filter { !$0.1.isFinite }.map { ($0, $1) }
        }
        found.sort { $0.name < $1.name }
        guard let first = found.first else { return }
        throw GimbalError.nonFinite(
            quantity: "the gradient of " + found.map(\.name).joined(separator: ", "), value: first.value,
            place: "a step since the device was last waited for, which was left out")
    }
}

extension Tensor {
    /// 1 where an element is neither NaN nor infinite, else 0.
    func isFinite() -> Tensor {
        Tensor.make(shape, dtype, device, inputs: [self]) { $0.unary(.init(.isFinite), view, out: $1) }
    }
}

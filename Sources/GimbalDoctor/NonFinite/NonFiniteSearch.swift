import GimbalNN

extension NonFiniteOrigin {
    /// Computes a loss and its gradients operation by operation, and finds the first number that is NaN or infinite.
    ///
    /// ```swift
    /// let origin = try NonFiniteOrigin.search(model, on: batch) { crossEntropy(model(batch.inputs), batch.targets) }
    /// if let origin { print(origin) }
    /// ```
    /// Infinities that are meant, such as those of a mask, are passed over where nothing but finite numbers comes of them.
    /// Weights, gradients held, running statistics and random numbers stay what they are.
    /// - Parameters:
    ///   - model: whose parameters the loss depends on.
    ///   - batch: what `loss` is computed from.
    ///   - loss: the loss of the batch.
    /// - Returns: nil where loss and gradients are finite.
    /// - Throws: the first failure of the device; what `loss` throws.
    public static func search<Batch>(
        _ model: Module, on batch: Batch, loss: () throws -> Tensor
    ) throws -> NonFiniteOrigin? {
        for (number, tensor) in tensors(in: batch).enumerated() where tensor.dtype.isFloatingPoint {
            if let element = try NonFiniteElement(in: tensor) {
                return NonFiniteOrigin(.data, "its tensor \(number)", "", element)
            }
        }
        for parameter in model.parameters {
            if let element = try NonFiniteElement(in: parameter.value) {
                return NonFiniteOrigin(.parameter, "parameter", parameter.name, element)
            }
        }
        let search = NonFiniteSearch()
        let generator = RandomGenerator.current
        let state = generator.state
        defer { generator.state = state }
        return try GradientMode.$isRecomputing.withValue(true) {
            try withOperationWatcher(
                OperationWatcher(computed: { search.see($0) }, differentiated: { search.see($0) })
            ) {
                let loss = try loss()
                if let origin = try search.origin(of: loss) { return origin }
                let trained = model.parameters.filter(\.isTrainable).map(\.value)
                guard loss.requiresGradient, !trained.isEmpty else { return nil }
                _ = try gradient(of: loss, withRespectTo: trained, unused: .zeros)
                return try search.backwardOrigin()
            }
        }
    }

    fileprivate init(
        _ place: Place, _ operation: String, _ layer: String, _ element: NonFiniteElement, operand: Int? = nil,
        operands: [Operand] = []
    ) {
        self.place = place
        self.operation = operation
        self.layer = layer
        self.operand = operand
        (index, value, self.operands) = (element.index, element.value, operands)
    }
}

/// The first element of a tensor that is NaN or infinite.
private struct NonFiniteElement {
    var index: [Int]
    var value: String
    /// Whether any element is NaN.
    var hasNaN: Bool

    /// Nil where all are finite. Waits for the device.
    init?(in tensor: Tensor) throws {
        guard tensor.dtype.isFloatingPoint, tensor.elementCount > 0 else { return nil }
        let statistics = try SignalStatistics(of: tensor)
        guard statistics.isNonFinite else { return nil }
        let values = try tensor.detached().doubles()
        guard var place = values.firstIndex(where: { !$0.isFinite }) else { return nil }
        value = values[place].isNaN ? "nan" : values[place] > 0 ? "infinity" : "-infinity"
        hasNaN = statistics.nanCount > 0
        index = []
        for size in tensor.shape.sizes.reversed() {
            index.insert(place % size, at: 0)
            place /= size
        }
    }
}

/// The operations of a pass that gave something that is not finite.
private final class NonFiniteSearch {
    private struct Found {
        var origin: NonFiniteOrigin
        var hasNaN: Bool
        /// What of it is not finite that the operation was given, as far as that was computed in the pass. Found beforehand,
        /// so that none of them comes of this one, whatever places in memory are used again.
        let causes: [Found]
        /// Whether all that is infinite comes from constants, as that of a mask.
        let isMask: Bool

        /// - Parameter hasConstant: whether an operand that was not computed in the pass is not finite.
        init(origin: NonFiniteOrigin, hasNaN: Bool, causes: [Found], hasConstant: Bool) {
            (self.origin, self.hasNaN, self.causes) = (origin, hasNaN, causes)
            isMask = !hasNaN && (hasConstant || !causes.isEmpty && causes.allSatisfy(\.isMask))
        }
    }

    private var found: [TensorKey: Found] = [:]
    private var backward: NonFiniteOrigin?
    /// By layer and name, operations whose gradient takes up an infinity that need not reach the loss: one that they were
    /// given and made finite, as gates do, or one among their own results, as of a time step that nobody reads.
    private var swallowed: [String: Found] = [:]
    private var failure: (any Error)?
    /// A place in memory stays a result's while it is held.
    private var held: [Tensor] = []

    private static func key(_ operation: String, _ layer: String?) -> String { "\(layer ?? "") \(operation)" }

    func see(_ operation: ComputedOperation) {
        guard failure == nil, !operation.isBackward else { return }
        do {
            let given = operation.inputs.compactMap { found[TensorKey($0)] ?? found[.memory($0)] }
            if let infinite = given.first(where: { !$0.isMask }) {
                swallowed[Self.key("\(operation.name)", operation.layer?.path)] = infinite
            }
            for output in operation.outputs {
                guard output.view.isComputed, let element = try NonFiniteElement(in: output) else { continue }
                let operands = try operation.inputs.map { try NonFiniteOrigin.Operand($0) }
                var hasConstant = false
                for (input, operand) in zip(operation.inputs, operands)
                where found[TensorKey(input)] == nil && found[.memory(input)] == nil && operand.infinityCount > 0 {
                    hasConstant = true
                }
                let entry = Found(
                    origin: NonFiniteOrigin(
                        .forward, "\(operation.name)", operation.layer?.path ?? "", element, operands: operands),
                    hasNaN: element.hasNaN, causes: given, hasConstant: hasConstant)
                found[TensorKey(output)] = entry
                found[.memory(output)] = entry
                let key = Self.key("\(operation.name)", operation.layer?.path)
                if !entry.isMask, swallowed[key] == nil { swallowed[key] = entry }
                held.append(output.detached())
            }
        } catch {
            failure = error
        }
    }

    func see(_ operation: DifferentiatedOperation) {
        guard failure == nil, backward == nil else { return }
        do {
            guard try NonFiniteElement(in: operation.outputGradient) == nil else { return }
            for (index, gradient) in operation.inputGradients.enumerated() {
                guard let gradient, let element = try NonFiniteElement(in: gradient) else { continue }
                if let infinite = swallowed[Self.key("\(operation.name)", operation.layer?.path)] {
                    backward = root(of: infinite)
                    return
                }
                backward = NonFiniteOrigin(
                    .backward, "\(operation.name)", operation.layer?.path ?? "", element, operand: index,
                    operands: [try NonFiniteOrigin.Operand(operation.outputGradient)])
                return
            }
        } catch {
            failure = error
        }
    }

    /// The earliest operation that has made `loss` what it is; nil where that is finite.
    func origin(of loss: Tensor) throws -> NonFiniteOrigin? {
        if let failure { throw failure }
        return (found[TensorKey(loss)] ?? found[.memory(loss)]).map { root(of: $0) }
    }

    /// The earliest operation that has made a result what it is.
    private func root(of found: Found) -> NonFiniteOrigin {
        var place = found
        // A NaN comes of a NaN, else of an infinity that was computed; a mask's is meant.
        while let next = place.causes.first(where: \.hasNaN) ?? place.causes.first(where: { !$0.isMask }) {
            place = next
        }
        return place.origin
    }

    func backwardOrigin() throws -> NonFiniteOrigin? {
        if let failure { throw failure }
        return backward
    }
}

extension NonFiniteOrigin.Operand {
    fileprivate init(_ tensor: Tensor) throws {
        let statistics = try SignalStatistics(of: tensor.cast(to: tensor.dtype == .float64 ? .float64 : .float32))
        self.init(
            shape: statistics.shape, minimum: statistics.minimum, maximum: statistics.maximum,
            infinityCount: statistics.infinityCount, nanCount: statistics.nanCount)
    }
}

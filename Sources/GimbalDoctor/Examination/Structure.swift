/// What a trace shows of how a model is built.
public struct Structure: Codable, Sendable {
    /// Sums of branches that are normalised before anything else is made of them, as in a Transformer whose norms stand
    /// behind its branches.
    public var normalizedSums: Int
    /// The share of elements that each dropout drops, the largest first.
    public var droppedShares: [Double]
    /// Whether statistics are taken over the samples of the batch, as batch normalisation does in training.
    public var normalizesOverBatch: Bool
    /// A softmax that gives out nothing but 1, by the path of the layer that it was called in; nil where there is none.
    public var softmaxOfOne: String?
    /// The first operation that gives out NaN or infinity, forward or backward, though what it is given is finite.
    public var undefinedOperation: UndefinedOperation?
}

/// An operation that gives out NaN or infinity where what it is given has none.
public struct UndefinedOperation: Codable, Sendable, Equatable {
    /// The operation, such as `squareRoot`.
    public var name: String
    /// The path of the layer that it was called in; empty for the model itself and outside of it.
    public var layer: String
    /// Whether it is the gradient that is not finite.
    public var isBackward: Bool
    /// Whether what comes out is infinite, as the logarithm of 0.
    public var isInfinite = false
}

extension Structure {
    init(_ trace: Trace, _ model: Module) {
        normalizedSums = trace.normalizedSums
        droppedShares = trace.droppedShares
        normalizesOverBatch = model.modules.contains { ($0 as? BatchNorm)?.isTraining ?? false }
        softmaxOfOne = trace.softmaxOfOne
        undefinedOperation = trace.undefinedOperation
    }
}

extension Trace {
    /// Sums of two branches of the model.
    private var sums: [Int] {
        operations.indices.filter { index in
            guard operations[index].name == "+" else { return false }
            let sources = signalSources(of: index)
            return sources.count == 2 && sources.allSatisfy { origin(of: $0) != nil }
        }
    }

    /// Whether two signals are added up that both come from weights.
    var isResidual: Bool { !sums.isEmpty }

    fileprivate var normalizedSums: Int {
        sums.count { index in
            let next = consumers(of: index)
            return !next.isEmpty && next.allSatisfy { operations[$0].name == "layerNormalized" }
        }
    }

    fileprivate var droppedShares: [Double] {
        operations.indices.compactMap { index in
            guard operations[index].name == "droppedOut", let source = signalSources(of: index).first else {
                return nil
            }
            let (before, behind) = (1 - operations[source].output.zeroShare, 1 - operations[index].output.zeroShare)
            return before > 0 ? 1 - behind / before : nil
        }
        .sorted(by: >)
    }

    fileprivate var softmaxOfOne: String? {
        operations.indices.first { index in
            let operation = operations[index]
            return operation.name == "softmax" && operation.output.elementCount > 1 && operation.output.minimum == 1
                && operation.output.maximum == 1 && origin(of: index) != nil
        }.map { operations[$0].layer }
    }

    fileprivate var undefinedOperation: UndefinedOperation? {
        // The logarithm of 0 is the end of a loss as well, unless that is cut off behind it.
        for (index, operation) in operations.enumerated()
        where operation.output.nanCount > 0
            || operation.name == "log" && operation.output.infinityCount > 0 && !loss.isFinite
        {
            let sources = signalSources(of: index).map { operations[$0] }
            // Infinity of what the model computes is an overflow, whose cause lies further up; that of data is a mask.
            guard
                sources.allSatisfy({
                    $0.output.nanCount == 0
                        && ($0.isData || $0.takesInfinity || $0.output.infinityCount == 0 && !$0.output.isNearOverflow)
                }),
                !(operation.data?.isNonFinite ?? false)
            else { return nil }
            return UndefinedOperation(
                name: operation.name, layer: operation.layer, isBackward: false,
                isInfinite: operation.output.nanCount == 0)
        }
        guard loss.isFinite else { return nil }
        for index in operations.indices.reversed() {
            // What is large already overflows, and what is many time steps in one operation may within it.
            guard let gradient = operations[index].gradient, gradient.rootMeanSquare < 1e10,
                operations[index].name != "recurrent",
                // Products with it overflow as well.
                signalSources(of: index).allSatisfy({
                    operations[$0].output.infinityCount == 0 && !operations[$0].output.isNearOverflow
                })
            else { continue }
            let isBad = operations[index].sources.contains { source in
                switch source {
                case .operation(let place): !(operations[place].gradient?.rootMeanSquare.isFinite ?? true)
                case .parameter(let place): !(parameterGradients[place]?.rootMeanSquare.isFinite ?? true)
                case .data: false
                }
            }
            if isBad {
                return UndefinedOperation(
                    name: operations[index].name, layer: operations[index].layer, isBackward: true)
            }
        }
        return nil
    }
}

extension SignalStatistics {
    /// Whether the square of some element is more than float32 holds, so that the next operation may overflow.
    fileprivate var isNearOverflow: Bool {
        max(maximum ?? 0, -(minimum ?? 0)) > Double(Float.greatestFiniteMagnitude).squareRoot()
    }
}

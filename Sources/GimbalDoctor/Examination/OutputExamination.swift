import Foundation

/// What a model gives out, and what the loss makes of it.
public struct OutputExamination: Codable, Sendable {
    /// What goes into the loss, behind the function that is applied to it last; nil of a loss that no weights have a part in.
    public var predictions: SignalStatistics?
    /// The function that the predictions come out of, such as `softmax`; nil for a layer's plain sums.
    public var function: String?
    /// The kind of the loss, as far as it can be told from its operations.
    public var loss: LossKind
    /// Of a cross-entropy: the number of classes.
    public var classCount: Int?
    /// Whether the loss is a sum over all elements, which nothing divides.
    public var isSummed: Bool

    /// What a loss compares predictions and targets by.
    public enum LossKind: String, Codable, Sendable {
        /// -log of the softmax of logits at the class, or of the logarithms that a model gives out itself.
        case crossEntropy
        /// The cross-entropy of probabilities of yes and no.
        case binaryCrossEntropy
        /// The cross-entropy of logits of yes and no.
        case binaryCrossEntropyWithLogits
        /// The logarithm of a probability, taken of what a softmax or sigmoid gives out.
        case logarithm
        /// Squared differences.
        case squaredError
        /// Absolute differences, or Huber's.
        case absoluteError
        /// Another.
        case other

        /// What a user calls it.
        public var title: String {
            switch self {
            case .crossEntropy: "cross-entropy"
            case .binaryCrossEntropy: "binary cross-entropy"
            case .binaryCrossEntropyWithLogits: "binary cross-entropy of logits"
            case .logarithm: "logarithm of probabilities"
            case .squaredError: "mean squared error"
            case .absoluteError: "mean absolute error"
            case .other: "loss"
            }
        }

        /// Whether numbers are to be met, not classes.
        public var isRegression: Bool { self == .squaredError || self == .absoluteError }
    }
}

extension OutputExamination {
    init(_ trace: Trace) {
        let place = trace.predictions
        let behind = place.map { trace.operationsBehind($0) } ?? []
        let names = behind.map { trace.operations[$0].name }
        predictions = place.map { trace.operations[$0].output }
        let applied = place.map { trace.beforeRearrangement($0) }
        function = applied.flatMap { trace.isFunction($0) ? trace.operations[$0].name : nil }
        isSummed = trace.isSummed
        let crossEntropy = behind.first { trace.operations[$0].name == "crossEntropy" }
        let takesLogarithm =
            place.map { trace.consumers(of: $0).contains { trace.operations[$0].name == "log" } } ?? false
        loss =
            if crossEntropy != nil || function == "logSoftmax" {
                .crossEntropy
            } else if names.contains("binaryCrossEntropy") {
                .binaryCrossEntropy
            } else if names.contains("logSigmoid") {
                .binaryCrossEntropyWithLogits
            } else if takesLogarithm {
                .logarithm
            } else if names.contains("square") {
                .squaredError
            } else if names.contains("absolute") || names.contains("huber") {
                .absoluteError
            } else {
                .other
            }
        let logits = crossEntropy.flatMap { trace.signalSources(of: $0).first }.map { trace.operations[$0].output }
        classCount = loss == .crossEntropy ? (logits ?? predictions)?.shape.last : nil
    }
}

extension Examination {
    /// The loss of a model that gives out next to nothing: ln of the number of classes, or the mean square of the targets;
    /// nil where the kind of loss, or what it aims at, is not known.
    public var lossOfGuess: Double? {
        guard !output.isSummed else { return nil }
        let targets = targets.first { output.predictions?.elementCount == $0.signal.elementCount }?.signal
        switch output.loss {
        case .crossEntropy: return output.classCount.flatMap { $0 > 1 ? log(Double($0)) : nil }
        case .binaryCrossEntropy, .binaryCrossEntropyWithLogits: return log(2)
        case .squaredError: return targets.map { $0.rootMeanSquare * $0.rootMeanSquare }
        case .absoluteError: return targets?.rootMeanSquare
        case .logarithm, .other: return nil
        }
    }
}

extension Trace {
    /// The operation whose result the loss takes for the model's predictions: what the model gave out, or else what its
    /// last weights did, and behind it the functions that are applied to it alone.
    var predictions: Int? {
        guard let loss = lossOperation,
            var place = modelOutput ?? operations.indices.last(where: { isWeighted($0) && $0 <= loss })
        else { return nil }
        while true {
            let next = consumers(of: place)
            guard next.count == 1, next[0] != loss,
                isFunction(next[0]) || Self.rearrangements.contains(operations[next[0]].name)
            else { break }
            place = next[0]
        }
        return place
    }

    /// The operation that computed the elements that `index` gives out, which it may have rearranged.
    func beforeRearrangement(_ index: Int) -> Int {
        var place = index
        while Self.rearrangements.contains(operations[place].name), let before = signalSources(of: place).first {
            place = before
        }
        return place
    }

    /// Whether operation `index` applies an activation function or a softmax.
    func isFunction(_ index: Int) -> Bool {
        let operation = operations[index]
        return (operation.units != nil && operation.name != "logSigmoid") || operation.name == "softmax"
            || operation.name == "logSoftmax"
    }

    /// The operations that the result of operation `index` goes into, directly or not.
    func operationsBehind(_ index: Int) -> [Int] {
        var reached: Set<Int> = [index]
        return operations.indices.filter { place in
            guard place > index, signalSources(of: place).contains(where: reached.contains) else { return false }
            reached.insert(place)
            return true
        }
    }

    /// Whether the loss is the sum of several elements, as it is.
    var isSummed: Bool {
        var place = lossOperation
        while let here = place, Self.rearrangements.contains(operations[here].name) || operations[here].name == "negate"
        {
            place = signalSources(of: here).first
        }
        guard let place, operations[place].name == "sum", let before = signalSources(of: place).first else {
            return false
        }
        return operations[before].output.elementCount > 1
    }
}

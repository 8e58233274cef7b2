import Foundation

/// What a model gives out, and what the loss makes of it.
public struct OutputExamination: Codable, Sendable {
    /// What goes into the loss, behind the function that is applied to it last; nil of a loss that no weights have a part in.
    public var predictions: SignalStatistics?
    /// The function that the predictions come out of, such as `softmax`; nil for a layer's plain sums.
    public var function: String?
    /// Of an activation function that the predictions come out of: its place in `Examination.activations`.
    public var activation: Int?
    /// The kind of the loss, as far as it can be told from its operations.
    public var loss: LossKind
    /// Of a cross-entropy: the number of classes.
    public var classCount: Int?
    /// Whether the loss is a sum over the samples, which nothing divides by their number.
    public var isSummed: Bool
    /// Whether predictions meet something of another shape in the loss, so that each is compared with every target.
    public var isBroadcast: Bool
    /// Whether the loss is the mean over the elements or rows of the predictions, and nothing else, so that a guess has a loss
    /// that is known.
    public var isPlainMean: Bool
    /// Whether the loss is one that is never below 0 with its sign turned round.
    public var isTurnedRound: Bool
    /// Of a softmax, or of its logarithm: the mean of the probabilities.
    public var meanProbability: Double?
    /// Of whole-numbered targets: the share of each class in the gradient that arrives at the predictions.
    public var gradientShares: [Int: Double] = [:]

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
        meanProbability = applied.flatMap { trace.operations[$0].meanProbability }
        isSummed = trace.isSummed
        isTurnedRound = trace.isTurnedRound
        isPlainMean = trace.isPlainMean
        activation = applied.flatMap { place in
            trace.operations[place].units == nil ? nil : trace.operations[..<place].count { $0.units != nil }
        }
        isBroadcast = place.map { trace.isBroadcast($0) } ?? false
        let crossEntropy = behind.first { trace.operations[$0].name == "crossEntropy" }
        let takesLogarithm = place.map { trace.isTakenLogarithm(of: $0) } ?? false
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
        guard output.isPlainMean else { return nil }
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
    func findPredictions() -> Int? {
        guard let loss = lossOperation, let last = operations.indices.last(where: { isWeighted($0) && $0 <= loss })
        else { return nil }
        // Heads that are called on what the model gives out come after it.
        var place =
            modelOutput.map { output in last > output && operationsBehind(output).contains(last) ? last : output }
            ?? last
        while true {
            let next = consumers(of: place)
            guard next.count == 1, next[0] != loss,
                isFunction(next[0]) || Self.rearrangements.contains(operations[next[0]].name)
            else { break }
            place = next[0]
        }
        return place
    }

    /// Whether operation `index` comes behind the predictions and all weights.
    func isLoss(_ index: Int) -> Bool {
        guard let predictions, index > predictions, let last = operations.indices.last(where: { isWeighted($0) }) else {
            return false
        }
        return index > last
    }

    /// The operation that computed the elements that `index` gives out, which it may have rearranged.
    func beforeRearrangement(_ index: Int) -> Int {
        var place = index
        while Self.rearrangements.contains(operations[place].name), let before = signalSources(of: place).first {
            place = before
        }
        return place
    }

    /// Whether the logarithm is taken of what operation `index` gives out, or of what it leaves of 1.
    func isTakenLogarithm(of index: Int) -> Bool {
        let next = consumers(of: index)
        let least = operations[index].output.minimum ?? 0
        let rests = next.filter { rest in
            // Not x + 1e-8, which is safe.
            signalSources(of: rest) == [index] && abs((operations[rest].output.maximum ?? 0) - (1 - least)) < 1e-6
        }
        return (next + rests.flatMap(consumers)).contains { operations[$0].name == "log" }
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

    /// Whether the loss adds up samples: whether a part of it changes by about as much as one sample's loss does, however
    /// many samples there are. Of a mean, it is as many times less; halves, as of half the squared error, count as well.
    var isSummed: Bool {
        guard let lossOperation, let count = inputs.first?.shape.first, count >= 4 else { return false }
        var (places, seen) = ([lossOperation], Set<Int>())
        while let place = places.popLast() {
            guard seen.insert(place).inserted, !operations[place].isWeight, !operations[place].isData else { continue }
            let operation = operations[place]
            if operation.output.elementCount >= count {
                if Self.reducing(behind: place, in: self), let gradient = operation.gradient?.rootMeanSquare,
                    gradient > 0.4
                {
                    return true
                }
            } else {
                places += signalSources(of: place)
            }
        }
        return false
    }

    /// Whether what operation `place` gives out goes into a sum, as that of a mean.
    private static func reducing(behind place: Int, in trace: Trace) -> Bool {
        trace.consumers(of: place).contains { trace.operations[$0].name == "sum" }
    }

    /// The operation whose elements the loss sums or averages, and nothing else: found behind operations on single numbers. A
    /// cross-entropy that has averaged its rows already is one itself.
    private var averaged: Int? {
        guard var place = lossOperation else { return nil }
        while operations[place].output.elementCount == 1, operations[place].name != "crossEntropy" {
            let sources = signalSources(of: place).filter { !operations[$0].isData }
            guard sources.count == 1 else { return nil }
            place = sources[0]
        }
        return place
    }

    /// Whether the loss is a mean over all elements of the predictions, or over their rows: each then has a gradient of one
    /// over their number.
    var isPlainMean: Bool {
        guard let averaged, let predictions else { return false }
        let count = operations[averaged].output.elementCount
        if operations[averaged].name == "crossEntropy", count == 1 { return averaged == lossOperation }
        let output = operations[predictions].output
        return [output.elementCount, output.shape.first ?? 0].contains(count)
            && abs((operations[averaged].gradient?.rootMeanSquare ?? 0) * Double(count) - 1) < 0.05
    }

    /// Whether what is averaged is never below 0, and the loss is.
    var isTurnedRound: Bool {
        guard loss < 0, let averaged, let least = operations[averaged].output.minimum else { return false }
        return least >= 0
    }

    /// Whether the predictions, as operation `place` gives them out, are blown up where they meet targets of as many
    /// elements, as [n, 1] and [n] are to [n, n].
    func isBroadcast(_ place: Int) -> Bool {
        let count = operations[place].output.elementCount
        return count > 1
            && consumers(of: place).contains { next in
                ["-", "+", "*", "squaredDifference"].contains(operations[next].name)
                    && operations[next].output.elementCount == count * count
            }
    }
}
